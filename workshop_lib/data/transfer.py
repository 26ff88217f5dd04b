"""Downloads that continue where they broke off, from the first mirror that works.

A host of data disappears sooner or later, or sends a wrong file. So every file has
several mirrors, what has arrived is kept in `NAME.CHECKSUM.part` and continued from
there, and only a file with the right checksum gets its name. Google Drive is left to
gdown.
"""

__all__ = ["fetch"]

import hashlib
import http.client
import os
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workshop_lib import __version__
from workshop_lib.data.catalog import Mirror, RemoteFile, web_page_error
from workshop_lib.errors import WorkshopError
from workshop_lib.files import require_disk_space

_CHUNK = 1 << 14  # bytes; at most so many are lost when a connection breaks
_LATER = (408, 425, 429)  # and all from 500: answers that mean "try again"


class _MirrorError(Exception):
    """The reason why a mirror will not do."""


def fetch(
    remote: RemoteFile,
    folder: Path | str,
    timeout: float = 30.0,
    tries: int = 2,
    pause: float = 1.0,
) -> Path:
    """Fetch a file from the first mirror that has it, verified; continue earlier calls.

    Args:
        remote: the file and its mirrors.
        folder: made if need be.
        timeout: seconds that a server may be silent.
        tries: attempts in a row that bring nothing new before giving up; three times
            as many once something has come: long downloads meet short gaps.
        pause: seconds before the second attempt, doubled with each one.

    Raises:
        WorkshopError: no mirror has the right file (with what each of them said, the
            checksum, and where to put the file by hand), or the disk is full.
    """
    final = Path(folder) / remote.name
    final.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    for mirror in remote.mirrors:
        print(f"from {mirror.url}", flush=True)
        try:
            _fetch_from(mirror, final, timeout, tries, pause)
            return final
        except _MirrorError as error:
            print(f"  {error}", flush=True)
            problems.append(f"{mirror.url}: {error}")
    sums = " or ".join(dict.fromkeys(m.checksum for m in remote.mirrors if m.checksum))
    raise WorkshopError(
        f"could not get {remote.name}:\n  "
        + "\n  ".join(problems)
        + f"\nWithout this network: fetch it elsewhere from {remote.mirrors[0].url}"
        f" (checksum {sums or 'not published'}), then put it at {final}, or give it"
        " with --from, and run the command again. What has arrived is kept."
    )


def _fetch_from(
    mirror: Mirror, final: Path, timeout: float, tries: int, pause: float
) -> None:
    """Fetch one mirror's file, verify it, and give it its name."""
    # Named by the checksum: mirrors of the same bytes continue each other's file.
    checksum = mirror.checksum.partition(":")[2]
    tag = checksum or hashlib.sha256(mirror.url.encode()).hexdigest()
    part = final.with_name(f"{final.name}.{tag[:8]}.part")
    # The beginning left by an earlier call may be damaged: then once more, all of it.
    for _ in range(1 + part.exists()):
        if "drive.google.com" in mirror.url:
            _receive_from_drive(mirror.url, part)
        else:
            _receive(mirror.url, part, timeout, tries, pause)
        problem = mirror.checksum_error(part)
        if not problem:
            os.replace(part, final)
            return
        part.unlink()
    raise _MirrorError(problem)


def _receive(url: str, part: Path, timeout: float, tries: int, pause: float) -> None:
    """Connect again and again until the file is whole, or nothing new arrives."""
    most, idle = _size(part), 0
    while reason := _connect(url, part, timeout):
        idle = 0 if _size(part) > most else idle + 1
        most = max(most, _size(part))
        if idle >= (3 * tries if most else tries):
            raise _MirrorError(f"{reason}, {idle} times in a row")
        time.sleep(min(60.0, pause * 2**idle))


def _connect(url: str, part: Path, timeout: float) -> str:
    """Append what one connection brings; return why it ended early, or nothing."""
    import requests

    have = _size(part)
    # Compressed on the way, the ranges of two answers would not fit together.
    headers = {"Accept-Encoding": "identity"}
    headers["User-Agent"] = f"workshop_lib/{__version__}"
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with requests.get(url, headers=headers, timeout=timeout, stream=True) as answer:
            code = answer.status_code
            if code == 416:  # nothing comes after what has arrived
                if answer.headers.get("Content-Range") == f"bytes */{have}":
                    return ""
                part.unlink()  # more than the server has: another file
                return "what had arrived does not fit this file"
            if code in (200, 206):
                return _save(answer, part, have)
    except requests.RequestException as error:
        return _reason(error)
    except OSError as error:
        raise WorkshopError(
            f"cannot write {part}: {error.strerror}. Free some space, or choose a"
            " folder on another disk (--root)."
        ) from error
    reason = f"the server says {code} {answer.reason}"
    if code in _LATER or code >= 500:
        return reason
    raise _MirrorError(reason)


def _save(answer: Any, part: Path, have: int) -> str:
    """Write an answer to the unfinished file; return why it is not whole, or nothing.

    A server that ignores ranges sends the file from the start again.
    """
    content_type = answer.headers.get("Content-Type", "")
    if "text/html" in content_type:
        head = next(answer.iter_content(4096), b"")
        raise _MirrorError(web_page_error(head, content_type))
    begins = f"bytes {have}-"
    continues = answer.headers.get("Content-Range", "").startswith(begins)
    have = have if continues else 0
    length = int(answer.headers.get("Content-Length", 0))
    require_disk_space(part.parent, length, part.name)
    bar: Any = tqdm(
        total=have + length or None, initial=have, unit="B", unit_scale=True,
        disable=None,
    )  # fmt: skip
    with bar, part.open("ab" if continues else "wb") as file:
        for chunk in answer.iter_content(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    whole = not length or _size(part) >= have + length
    return "" if whole else "the connection broke off"


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _reason(error: BaseException) -> str:
    """Say in plain words why a connection failed, from the innermost error."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    return f"no connection ({error or type(error).__name__})"


def _receive_from_drive(url: str, part: Path) -> None:
    """Leave Google Drive, with its warning pages and cookies, to gdown."""
    try:
        import gdown
    except ImportError:
        raise _MirrorError(
            "Google Drive needs gdown: pip install 'workshop_lib[geo]'"
        ) from None
    errors = gdown.exceptions  # version 6 has the first, and all others below it
    refusal = getattr(errors, "DownloadError", errors.FileURLRetrievalError)
    try:
        gdown.download(url, str(part), quiet=True)
    except (OSError, RuntimeError, ValueError, refusal) as error:
        text = " ".join(str(error).split())[:200]
        raise _MirrorError(f"Google Drive: {text}") from error
    if not part.exists():
        raise _MirrorError("Google Drive sent nothing; its quota may be used up")
