"""A downloader for pooch that keeps what has arrived, and continues from there.

pooch's own HTTP downloader starts anew whenever a connection breaks, takes any answer
for the file, and waits for ever on a host that sends a few bytes a second. `Transfer`
lets it do the work, looks at each answer before it is written, and leaves Google Drive
to gdown.
"""

__all__ = ["MirrorError", "Transfer"]

import http.client
import os
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workshop_lib import __version__
from workshop_lib.data.catalog import web_page_error
from workshop_lib.errors import WorkshopError
from workshop_lib.files import require_disk_space

_CHUNK = 1 << 14  # bytes; at most so many are lost when a connection breaks
_LATER = (408, 425, 429)  # and all from 500: answers that mean "try again"


class MirrorError(Exception):
    """The reason why a mirror will not do."""


class Transfer:
    """Fetch one address into an unfinished file, then move it to where pooch wants it.

    Args:
        part: the unfinished file; what it holds already is not fetched again.
        timeout: seconds that a server may be silent.
        tries: attempts in a row that bring nothing new before giving up; three times
            as many once something has come: long downloads meet short gaps.
        pause: seconds before the second attempt, doubled with each one.
        slowest: bytes per second below which to give up.
    """

    def __init__(
        self, part: Path, timeout: float, tries: int, pause: float, slowest: int
    ) -> None:
        self.part, self.timeout = part, timeout
        self.tries, self.pause, self.slowest = tries, pause, slowest

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch an address to a path, as pooch asks its downloaders to.

        Raises:
            MirrorError: a web page, a refusal, or nothing new several times in a row.
            WorkshopError: the disk is full.
        """
        if "drive.google.com" in url:
            _fetch_from_drive(url, self.part)
        else:
            self._fetch(url)
        with self.part.open("rb") as file:
            page = web_page_error(file.read(4096))
        if page:
            self.part.unlink()
            raise MirrorError(page)
        os.replace(self.part, output_file)

    def _fetch(self, url: str) -> None:
        reached, idle, limit = self._size(), 0, self.tries
        while True:
            self.started, self.got = time.monotonic(), 0
            reason = self._connect(url)
            if not reason:
                return
            self._check_pace()
            if self._size() > reached:
                reached, idle, limit = self._size(), 0, 3 * self.tries
            else:
                idle += 1
            if idle >= limit:
                raise MirrorError(f"{reason}, {idle} times in a row")
            time.sleep(min(60.0, self.pause * 2**idle))

    def _connect(self, url: str) -> str:
        """Append what one connection brings; return why it ended early, or nothing."""
        import pooch
        import requests

        self.total, self.have = 0, self._size()
        # Compressed on the way, the ranges of two answers would not fit together.
        headers = {"Accept-Encoding": "identity"}
        headers["User-Agent"] = f"workshop_lib/{__version__}"
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
        fetch = pooch.HTTPDownloader(
            chunk_size=_CHUNK, headers=headers, timeout=self.timeout,
            hooks={"response": self._inspect},
        )  # fmt: skip
        self.bar: Any = tqdm(unit="B", unit_scale=True, disable=None)
        try:
            with self.bar, self.part.open("ab") as self.file:
                fetch(url, self, None)
        except requests.HTTPError as error:
            return self._refused(error.response)
        except requests.RequestException as error:
            return _reason(error)
        except OSError as error:
            raise WorkshopError(
                f"cannot write {self.part}: {error.strerror}. Free some space, or"
                " choose a folder on another disk (--root)."
            ) from error
        finally:
            if not self._size():
                self.part.unlink(missing_ok=True)
        return "" if self._size() >= self.total else "the connection broke off"

    def _inspect(self, response: Any, **_: Any) -> None:
        """Look at status and headers before any of the content is written."""
        if response.status_code not in (200, 206):
            return  # a redirection, or an error that pooch raises
        content_type = response.headers.get("Content-Type", "")
        if "text/html" in content_type:
            head = next(response.iter_content(4096), b"")
            raise MirrorError(web_page_error(head, content_type))
        content_range = response.headers.get("Content-Range", "")
        if self.have and not content_range.startswith(f"bytes {self.have}-"):
            self.have = 0
            self.file.truncate(0)  # the server ignores ranges: from the start
        length = int(response.headers.get("Content-Length", 0))
        self.total = self.have + length if length else 0
        self.bar.reset(self.total or None)
        self.bar.update(self.have)
        require_disk_space(self.part.parent, length, self.part.name)

    def write(self, chunk: bytes) -> None:
        """Append bytes that pooch has received, unless they come much too slowly."""
        self.file.write(chunk)
        self.got += len(chunk)
        self.bar.update(len(chunk))
        self._check_pace()

    def flush(self) -> None:
        """Ignore pooch's wish to write every chunk to the disk at once."""

    def _check_pace(self) -> None:
        seconds = time.monotonic() - self.started
        if seconds > self.timeout and self.got < self.slowest * seconds:
            raise MirrorError(f"slower than {self.slowest // 1000} kB per second")

    def _refused(self, response: Any) -> str:
        """Sort the answers that are no file: finished already, later, never."""
        code = response.status_code
        if code == 416:  # nothing after what has arrived
            if response.headers.get("Content-Range") == f"bytes */{self.have}":
                return ""
            self.part.unlink()  # more than the server has: another file
            return "what had arrived does not fit this file"
        reason = f"the server says {code} {response.reason}"
        if code in _LATER or code >= 500:
            return reason
        raise MirrorError(reason)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def _reason(error: BaseException) -> str:
    """Say in plain words why a connection failed, from the innermost error."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    return f"no connection ({error or type(error).__name__})"


def _fetch_from_drive(url: str, part: Path) -> None:
    """Leave Google Drive, with its warning pages and cookies, to gdown."""
    try:
        import gdown
    except ImportError:
        raise MirrorError(
            "Google Drive needs gdown: pip install 'workshop_lib[geo]'"
        ) from None
    errors = gdown.exceptions  # version 6 has the first, and all others below it
    refusal = getattr(errors, "DownloadError", errors.FileURLRetrievalError)
    try:
        gdown.download(url, str(part), quiet=True)
    except (OSError, RuntimeError, ValueError, refusal) as error:
        text = " ".join(str(error).split())[:200]
        raise MirrorError(f"Google Drive: {text}") from error
    if not part.exists():
        raise MirrorError("Google Drive sent nothing; its quota may be used up")
