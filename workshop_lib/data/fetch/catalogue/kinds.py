"""What there is to know of a data set before any of it is on the disk."""

__all__ = ["Remote", "Source", "archive_at"]

from dataclasses import dataclass, field
from typing import Literal

from workshop_lib.data.fetch.mirrors import Mirror


@dataclass(frozen=True)
class Remote:
    """One file of a data set.

    Args:
        name: of the file, as people know it.
        mirrors: where it is, the best place first; empty where one has to ask for it.
        size: bytes to download, about.
        unpacked: bytes on the disk, about.
        folder: where an archive is unpacked to; empty for a file that stays as it is.
    """

    name: str
    mirrors: tuple[Mirror, ...]
    size: int = 0
    unpacked: int = 0
    folder: str = ""


@dataclass(frozen=True)
class Source:
    """A data set: what it is, where it comes from, what must be in it.

    Args:
        name: for commands and recipes; a variant follows a colon.
        title, about: for people.
        licence, citation: what one has to keep and to cite.
        files: to download.
        layout: "classes" (a folder of images per class), "patches" (BigEarthNet's
            folder of bands per patch), "tiles" (large images beside label images),
            "scene" (one large image and its map), "made" (nothing to download).
        classes: images per class, of "classes".
        count: images in all.
        side: pixels of most images.
        landmarks: folders that lie side by side where the images are.
        odd: what is known to be odd, and no fault.
        steps: what to do where nothing can be downloaded without asking.
    """

    name: str
    title: str
    about: str
    licence: str
    citation: tuple[str, ...]
    layout: Literal["classes", "patches", "tiles", "scene", "made"]
    count: int
    side: int
    files: tuple[Remote, ...] = ()
    classes: dict[str, int] = field(default_factory=dict)
    landmarks: tuple[str, ...] = ()
    odd: str = ""
    steps: str = ""


def archive_at(
    url: str, checksum: str, size: int, unpacked: int, folder: str
) -> Remote:
    """Describe a file that has a single address, whose end is its name."""
    name = url.rpartition("/")[2]
    return Remote(name, (Mirror(url, checksum),), size, unpacked, folder)
