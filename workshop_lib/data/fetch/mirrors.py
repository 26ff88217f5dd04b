"""Where a file can be had, and how to tell that it is the right one."""

__all__ = [
    "Mirror",
    "about_page",
    "file_digest",
    "mismatch",
    "size_of",
    "what_is_wrong",
]

import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20
_PAGE = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Mirror:
    """One address of a file.

    Args:
        url: http, https, or `https://drive.google.com/uc?id=...`.
        checksum: "md5:..." or "sha256:..."; empty where nobody has published one.
        size: bytes, where the exact number is known; else 0.
    """

    url: str
    checksum: str = ""
    size: int = 0


def mismatch(path: Path, mirrors: Sequence[Mirror]) -> str:
    """Say how a file differs from what every one of the mirrors has; empty if not."""
    reasons = [what_is_wrong(path, mirror) for mirror in mirrors]
    return "" if "" in reasons else " / ".join(dict.fromkeys(reasons))


def what_is_wrong(path: Path, mirror: Mirror) -> str:
    """Compare a file with what is known of it; empty if nothing speaks against it."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE):
        return about_page(head)
    if mirror.size and size_of(path) != mirror.size:
        return f"it has {size_of(path)} bytes, expected {mirror.size}"
    kind, _, expected = mirror.checksum.partition(":")
    found = file_digest(path, kind) if kind else ""
    return f"its {kind} is {found}, expected {expected}" if found != expected else ""


def about_page(content: bytes) -> str:
    """Say that a web page came, and its title, which often tells of a quota."""
    text = content.decode("utf-8", errors="replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
    said = f" ({html.unescape(title[1]).strip()!r})" if title else ""
    return f"it sent a web page{said} instead of the file"


def file_digest(path: Path, kind: str) -> str:
    """Hash a file without reading it into memory at once; kind is md5 or sha256."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """Count the bytes of a file; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0
