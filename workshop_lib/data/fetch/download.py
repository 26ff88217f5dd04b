"""Fetch one file: mirrors in order, resumed where it broke off, verified before use.

A host of data dies sooner or later, cuts a long download, or sends a web page that
says "quota exceeded" under the name of the file. So every file has several mirrors,
what has arrived is kept in `NAME.CHECKSUM.part`, and only a file whose checksum is
right gets its name.
"""

__all__ = ["download"]

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workshop_lib import __version__
from workshop_lib.data.fetch.mirrors import (
    Mirror,
    about_page,
    mismatch,
    size_of,
    what_is_wrong,
)
from workshop_lib.data.fetch.space import need_space
from workshop_lib.errors import WorkshopError

_CHUNK = 1 << 18
_SLOW = 20_000  # bytes per second below which the next mirror is tried


@dataclass(frozen=True)
class _Patience:
    timeout: float  # seconds without a byte
    tries: int  # attempts in a row that bring nothing new
    pause: float  # seconds before the second attempt, doubled each time


class _GiveUpError(Exception):
    """This mirror will not do; the text says why."""


def download(
    name: str,
    mirrors: Sequence[Mirror],
    folder: Path | str,
    timeout: float = 30.0,
    tries: int = 2,
    pause: float = 1.0,
) -> Path:
    """Fetch a file from the first mirror that has it, and verify it.

    Goes on with what an earlier call left. A file that is there already is verified
    and not fetched again.

    Args:
        name: name of the file in the folder.
        mirrors: addresses, the best one first.
        folder: made if need be.
        timeout: seconds that a server may be silent.
        tries: attempts in a row that bring nothing new before the next mirror; three
            times as many where something has come: long downloads meet short gaps.
        pause: seconds before the second attempt, doubled with each one.

    Raises:
        WorkshopError: no mirror has the right file (with what each of them said, the
            checksum, and where to put the file by hand), a wrong file of that name is
            in the way, or the disk is full.
    """
    folder = Path(folder)
    final = folder / name
    if final.exists():
        if wrong := mismatch(final, mirrors):
            raise WorkshopError(
                f"{final} is not the file that was expected: {wrong}. Remove it, or"
                " move it elsewhere, and run the command again."
            )
        return final
    folder.mkdir(parents=True, exist_ok=True)
    problems = []
    for k, mirror in enumerate(mirrors):
        part = folder / f"{name}.{_tag(mirror)}.part"
        slowest = _SLOW if k + 1 < len(mirrors) else 0  # the last may take its time
        print(f"from {mirror.url}", flush=True)
        try:
            _fetch(mirror, part, _Patience(timeout, tries, pause), slowest)
        except _GiveUpError as error:
            print(f"  {error}", flush=True)
            problems.append(f"{mirror.url}: {error}")
            continue
        os.replace(part, final)
        return final
    sums = " or ".join(dict.fromkeys(m.checksum for m in mirrors if m.checksum))
    raise WorkshopError(
        f"could not get {name}:\n  "
        + "\n  ".join(problems)
        + f"\nWithout this network: fetch it elsewhere from {mirrors[0].url} (checksum"
        f" {sums or 'not published'}), then put it at {final}, or give it with --from,"
        " and run the command again. What has arrived is kept and will be used."
    )


def _tag(mirror: Mirror) -> str:
    """Name what a part is a part of: mirrors of the same bytes go on with it."""
    known = mirror.checksum.partition(":")[2]
    return (known or hashlib.sha256(mirror.url.encode()).hexdigest())[:8]


def _fetch(mirror: Mirror, part: Path, patience: _Patience, slowest: int) -> None:
    """Bring one mirror's file into `part` and verify it, or raise _GiveUpError."""
    if "drive.google.com" in mirror.url:
        _fetch_from_drive(mirror, part)
        if wrong := what_is_wrong(part, mirror):
            part.unlink()
            raise _GiveUpError(wrong)
        return
    reached, idle, tries = size_of(part), 0, patience.tries
    pristine = reached == 0  # whether all of it came in this call
    while True:
        started = time.monotonic()
        try:
            whole, reason = _attempt(mirror, part, patience.timeout, slowest)
        except (OSError, http.client.HTTPException) as error:
            whole, reason = False, _in_words(error)
        if whole:
            wrong = what_is_wrong(part, mirror)
            if not wrong:
                return
            part.unlink()
            if pristine:
                raise _GiveUpError(wrong)
            pristine = True  # an old beginning may have spoiled it: once more, whole
            reached = 0
            continue
        new = size_of(part) - reached
        if time.monotonic() - started > patience.timeout:
            _check_pace(new, time.monotonic() - started, slowest)
        idle = 0 if new > 0 else idle + 1
        tries = 3 * patience.tries if new > 0 else tries
        reached = max(reached, size_of(part))
        if idle >= tries:
            raise _GiveUpError(f"{reason}, {idle} times in a row")
        time.sleep(min(60.0, patience.pause * 2**idle))


def _attempt(
    mirror: Mirror, part: Path, timeout: float, slowest: int
) -> tuple[bool, str]:
    """Connect once, and append what comes. Return whether all is there, or why not."""
    have = size_of(part)
    headers = {"User-Agent": f"workshop_lib/{__version__}"}
    headers["Accept-Encoding"] = "identity"  # packed again, ranges would not fit
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(mirror.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            return _refused(error, part, have)
    with response:
        if "text/html" in response.headers.get("Content-Type", ""):
            raise _GiveUpError(about_page(response.read1(_CHUNK)))
        begins = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status != 206 or not begins or int(begins[1]) != have:
            have = 0  # the server ignores ranges: from the start
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        if mirror.size and total and total != mirror.size:
            raise _GiveUpError(
                f"it has a file of {total} bytes, expected {mirror.size}"
            )
        need_space(part.parent, max(0, total - have), part.name)
        got = _pour(response, part, have, total, timeout, slowest)
    whole = not total or have + got >= total
    return whole, "" if whole else "the connection broke off"


def _pour(
    response: Any, part: Path, have: int, total: int, timeout: float, slowest: int
) -> int:
    """Append a response to the file; return how many bytes came."""
    got, started = 0, time.monotonic()
    bar: Any = tqdm(
        total=total or None, initial=have, unit="B", unit_scale=True, disable=None
    )
    with bar, part.open("ab" if have else "wb") as file:
        # read1 returns what is there; read would wait for all of a chunk, and no
        # time-out sees a server that sends a byte a second.
        while chunk := response.read1(_CHUNK):
            try:
                file.write(chunk)
            except OSError as error:
                raise WorkshopError(
                    f"cannot write {part}: {error.strerror}. Free some space, or"
                    " choose a folder on another disk (--root)."
                ) from error
            got += len(chunk)
            bar.update(len(chunk))
            seconds = time.monotonic() - started
            if seconds > timeout:
                _check_pace(got, seconds, slowest)
    return got


def _check_pace(got: int, seconds: float, slowest: int) -> None:
    if got < slowest * seconds:
        raise _GiveUpError(f"slower than {slowest // 1000} kB per second")


def _refused(error: urllib.error.HTTPError, part: Path, have: int) -> tuple[bool, str]:
    """Sort the answers that are no file: finished already, for ever no, later."""
    if error.code == 416:  # nothing after what we have
        if error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return True, ""
        part.unlink(missing_ok=True)  # more than the server has: another file
        return False, "what had arrived does not fit this file"
    if error.code in (408, 425, 429) or error.code >= 500:
        return False, f"the server says {error.code} {error.reason}"
    raise _GiveUpError(f"the server says {error.code} {error.reason}")


def _fetch_from_drive(mirror: Mirror, part: Path) -> None:
    """Leave Google Drive, with its warning pages and cookies, to gdown."""
    try:
        import gdown
    except ImportError:
        raise _GiveUpError(
            "Google Drive needs gdown: pip install 'workshop_lib[geo]'"
        ) from None
    errors = gdown.exceptions  # version 6 has the first, and all others below it
    refusal = getattr(errors, "DownloadError", errors.FileURLRetrievalError)
    try:
        gdown.download(mirror.url, str(part), quiet=True)
    except (OSError, RuntimeError, ValueError, refusal) as error:
        raise _GiveUpError(
            f"Google Drive: {' '.join(str(error).split())[:200]}"
        ) from error
    if not part.exists():
        raise _GiveUpError(
            "Google Drive sent nothing; its quota for this file may be used"
        )


def _in_words(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    return f"no connection ({error or type(error).__name__})"
