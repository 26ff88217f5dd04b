"""Catalogue of public data sets: facts from catalog.yaml, and folders on the disk.

A data set is in `data/NAME` under the current folder, or in `$WORKSHOP_DATA/NAME`.
`workshop_lib.data.download` fetches it, `workshop_lib.data.verify` checks it.
"""

__all__ = [
    "DatasetInfo",
    "Mirror",
    "RemoteFile",
    "data_folder",
    "datasets",
    "find_dataset",
    "resolve",
    "web_page_error",
]

import html
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import human_size

_PAGE = (b"<!doctype html", b"<html")


class Mirror(NamedTuple):
    """One address of a file.

    Args:
        url: http, https, or `https://drive.google.com/uc?id=...`; empty for a file
            that has to be asked for.
        checksum: "md5:..." or "sha256:..."; empty if none is published.
    """

    url: str = ""
    checksum: str = ""

    def checksum_error(self, path: Path) -> str:
        """Explain why a file on the disk is not this one; empty if it may be.

        A web page is recognised even where no checksum is published.
        """
        import pooch

        with path.open("rb") as file:
            if error := web_page_error(file.read(4096)):
                return error
        kind, _, expected = self.checksum.partition(":")
        found = pooch.file_hash(path, kind) if kind else ""
        wrong = f"its {kind} is {found}, expected {expected}"
        return "" if found == expected else wrong


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Args:
        name: name of the file on the disk.
        mirrors: where it is, the best place first. Their bytes may differ.
        size: bytes to download, about.
        unpacked: bytes on the disk, about.
        folder: where an archive is unpacked; empty for a file that stays as it is.
    """

    name: str
    mirrors: Sequence[Mirror]
    size: int = 0
    unpacked: int = 0
    folder: str = ""

    def checksum_error(self, path: Path) -> str:
        """Explain why a file on the disk is not this one; empty if a mirror has it."""
        different = {mirror.checksum: mirror for mirror in self.mirrors}.values()
        reasons = [mirror.checksum_error(path) for mirror in different]
        return "" if "" in reasons else " / ".join(reasons)

    def is_in(self, folder: Path) -> bool:
        """Report whether this file has been unpacked or copied to a data folder."""
        if self.folder:
            return (folder / self.folder).is_dir()
        path = folder / self.name
        return path.exists() and not self.checksum_error(path)


@dataclass(frozen=True)
class DatasetInfo:
    """A data set: what it is, where it comes from, what must be in it.

    Args:
        name: for commands and configs; a variant follows a colon.
        title, about: for people.
        licence, citation: what to respect and what to cite.
        layout: "classes" (a folder of images per class), "patches" (BigEarthNet's
            folder of bands per patch), "tiles" (large images beside label images),
            "scene" (one large image and its map), "made" (nothing to download).
        count: images in all.
        side: pixels of most images.
        files: to download.
        classes: images per class, for the layout "classes".
        landmarks: folders that are side by side where the images are.
        odd: what is known to be unusual, but not wrong.
        steps: how to ask for a data set that cannot be downloaded directly.
    """

    name: str
    title: str
    about: str
    licence: str
    citation: Sequence[str]
    layout: Literal["classes", "patches", "tiles", "scene", "made"]
    count: int
    side: int
    files: Sequence[RemoteFile] = ()
    classes: dict[str, int] = field(default_factory=dict)
    landmarks: Sequence[str] = ()
    odd: str = ""
    steps: str = ""

    def find_images(self, folder: Path) -> Path | None:
        """Find the folder that holds all classes (or landmarks), at whatever depth."""
        wanted = set(self.classes or self.landmarks)
        for place, folders, _ in os.walk(folder, followlinks=True):
            if wanted <= set(folders):
                return Path(place)
            folders[:] = sorted(one for one in folders if not one.startswith("."))
        return None

    def describe(self, folder: Path) -> str:
        """Describe the data set in a few lines, and whether it is in a folder."""
        classes = f" in {len(self.classes)} classes" if self.classes else ""
        images = f"images: {self.count:,}{classes}, about {self.side} pixels a side"
        lines = [f"{self.title}: {self.about}.", images]
        if self.odd:
            lines.append(f"known to be odd: {self.odd}")
        lines.append(f"licence: {self.licence}")
        lines += [f"cite: {paper}" for paper in self.citation]
        for remote in self.files:
            size = f", {human_size(remote.size)}" if remote.size else ""
            lines.append(f"file: {remote.name}{size}")
            for url, checksum in remote.mirrors:
                known = checksum or "no checksum published"
                lines.append(f"  {url or 'on request'} ({known})")
        if self.layout != "made":
            there = all(remote.is_in(folder) for remote in self.files)
            get = f"not in {folder} yet: workshop data {self.name} get"
            lines.append(f"it is in {folder}" if there else get)
        return "\n".join(lines)


@cache
def datasets() -> dict[str, DatasetInfo]:
    """List the known data sets by name, as catalog.yaml describes them.

    Example:
        >>> datasets()["eurosat"].count
        27000
    """
    import yaml

    text = Path(__file__).with_name("catalog.yaml").read_text(encoding="utf-8")
    found = {}
    for name, entry in yaml.safe_load(text).items():
        files = entry.get("files", ())
        for one in files:
            one["mirrors"] = [Mirror(**mirror) for mirror in one["mirrors"]]
        facts = entry | {"files": [RemoteFile(**one) for one in files]}
        found[name] = DatasetInfo(name, **facts)
    return found


def find_dataset(name: str) -> DatasetInfo:
    """Look a data set up by its name.

    Raises:
        WorkshopError: no such name; lists the known ones and the nearest.
    """
    if name not in datasets():
        raise unknown_name("data set", name, datasets())
    return datasets()[name]


def data_folder(name: str, root: Path | str | None = None) -> Path:
    """Return the folder of a data set, whether or not it exists yet.

    Args:
        name: of the data set; `eurosat:bands` is in `eurosat-bands`.
        root: the answer, if given.

    Example:
        >>> data_folder("eurosat:bands", root="here").as_posix()
        'here'
    """
    if root is not None:
        return Path(root)
    base = Path(os.environ.get("WORKSHOP_DATA") or "data")
    return base / name.replace(":", "-")


def resolve(name: str, root: Path | str | None = None) -> Path:
    """Find the folder with the images of a data set that `get` has fetched.

    Raises:
        WorkshopError: no such data set, or it is not there; names the command.
    """
    info, folder = find_dataset(name), data_folder(name, root)
    whole = info.files and all(remote.is_in(folder) for remote in info.files)
    images = info.find_images(folder) if whole else None
    if images is None:
        size = sum(remote.size for remote in info.files)
        about = f" ({human_size(size)})" if size else ""
        raise WorkshopError(
            f"{info.title} is not in {folder}: run `workshop data {name} get` once"
            f"{about}, or set WORKSHOP_DATA to the folder that holds {folder.name}/."
        )
    return images


def web_page_error(head: bytes, content_type: str = "") -> str:
    """Recognise a web page sent under a file's name; empty for anything else.

    Hosts answer "quota exceeded" or "please log in" with status 200 and any content
    type, so the content is looked at, too. The page's title often says why.

    Args:
        head: the first bytes of the content.
        content_type: what the server called it.

    Example:
        >>> web_page_error(b"<!DOCTYPE html><title>Quota exceeded</title>")
        "a web page ('Quota exceeded') was sent instead of the file"
        >>> web_page_error(b"PK")
        ''
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if "text/html" not in content_type and not start.startswith(_PAGE):
        return ""
    text = head.decode("utf-8", errors="replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
    quoted = f" ({html.unescape(title[1]).strip()!r})" if title else ""
    return f"a web page{quoted} was sent instead of the file"
