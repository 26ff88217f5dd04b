"""Read images from a folder that holds one folder per class.

The rules, the same on every operating system:

- A folder is a class, the image files directly in it are its images. Names that begin
  with a dot, `__MACOSX`, and files that are no images by their ending are left out.
- Classes and images are sorted by name (Unicode NFC); `Forest/a.png` is a name.
- Every image becomes 8-bit RGB: grey is repeated, transparency dropped, of 16-bit grey
  the high byte is kept.
- Sizes: images that already have the target size are kept as they are. Any other is
  resized until it just covers the target, then cropped to its centre. The target is
  `size` x `size`, or the most common size if none is given.
- Whatever cannot be read is an error, and one message lists all of it.
"""

__all__ = ["FolderImages", "decode_images", "read_folder"]

import hashlib
import json
import os
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from workshop_lib.data.cache import cached
from workshop_lib.data.listing import list_classes
from workshop_lib.errors import WorkshopError

RULES = 1  # of decoding; another number makes every cache anew
_CHUNK = 512  # images per hand-out to the threads; Ctrl-C waits for one
_LISTED = 20  # offenders that an error names

# What Pillow raises for files that are damaged or are no images.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class FolderImages:
    """What was read, in the order of the names."""

    images: Tensor  # (N, 3, H, W) uint8
    labels: Tensor  # (N,) int64
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    note: str  # how many images were resized; empty if none was


def read_folder(
    path: Path | str, size: int | None = None, cache: bool = True
) -> FolderImages:
    """Decode the images of a folder per class, or load them from an earlier call.

    Args:
        size: side in pixels of the images; None for their own or most common size.
        cache: whether to keep the images until a name, a file size or a time of change
            differs.

    Raises:
        WorkshopError: no folder, fewer than two classes, a class without images, images
            that cannot be read.
    """
    if size is not None and size < 1:
        raise WorkshopError(f"size={size}: give the side of the images in pixels.")
    root = Path(path)
    classes, problems = list_classes(root)
    names = [f"{name}/{image}" for name, images in classes.items() for image in images]
    paths = [file for images in classes.values() for file in images.values()]

    def build() -> dict[str, Any]:
        images, note, broken = _decode(paths, names, size)
        _raise_if_any(root, problems + broken)
        return {"images": images, "note": note}

    found = cached(_key(names, paths, size), build) if cache else build()
    labels = [k for k, images in enumerate(classes.values()) for _ in images]
    return FolderImages(
        images=found["images"],
        labels=torch.tensor(labels, dtype=torch.int64),
        class_names=tuple(classes),
        names=tuple(names),
        note=found["note"],
    )


def decode_images(paths: Sequence[Path | str], size: int | None = None) -> Tensor:
    """Decode single image files by the rules of this module, for instance to predict.

    Shape: (N, 3, H, W) uint8.

    Raises:
        WorkshopError: no files, or files that cannot be read.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise WorkshopError("no image files were given.")
    images, _, broken = _decode(files, [str(file) for file in files], size)
    _raise_if_any(None, broken)
    return images


def _key(names: list[str], paths: list[Path], size: int | None) -> str:
    """Name everything that the decoded images depend on."""
    states = []
    for name, path in zip(names, paths, strict=True):
        try:
            stat = path.stat()
            states.append((name, stat.st_size, stat.st_mtime_ns))
        except OSError:  # a dangling link: decoding will report it
            states.append((name, -1, -1))
    text = json.dumps([RULES, size, states])
    return f"images-{hashlib.sha256(text.encode()).hexdigest()}"


def _raise_if_any(root: Path | None, problems: list[str]) -> None:
    if not problems:
        return
    where = f" in {root}" if root is not None else ""
    number = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = [f"{number}{where}: mend or remove what is listed.", *problems[:_LISTED]]
    if len(problems) > _LISTED:
        lines.append(f"... and {len(problems) - _LISTED} more")
    raise WorkshopError("\n  ".join(lines))


def _decode(
    paths: list[Path], names: list[str], size: int | None
) -> tuple[Tensor, str, list[str]]:
    """Decode on all cores: images (N, 3, H, W), the note, a line per broken file."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        height, width = (size, size) if size else _most_common_size(pool, paths)
        images = np.zeros((len(paths), 3, height, width), dtype=np.uint8)

        def decode(i: int) -> tuple[bool, str]:
            try:
                with Image.open(paths[i]) as file:
                    picture = _fit(_to_rgb(file), height, width)
                    resized = file.size != (width, height)
            except _UNREADABLE as error:
                return False, f"{names[i]}: {_reason(paths[i], error)}"
            images[i] = np.asarray(picture).transpose(2, 0, 1)  # (3, H, W)
            return resized, ""

        results: list[tuple[bool, str]] = []
        # disable=None: a bar in terminals, nothing elsewhere.
        with tqdm(total=len(paths), desc="decoding", unit="image", disable=None) as bar:
            for k in range(0, len(paths), _CHUNK):
                chunk = range(k, min(k + _CHUNK, len(paths)))
                results += pool.map(decode, chunk)
                bar.update(len(chunk))
    changed = sum(resized for resized, _ in results)
    note = (
        f"{changed} of {len(paths)} images are not {width}x{height} px: resized to"
        " cover it, and cropped to the centre."
    )
    broken = [text for _, text in results if text]
    return torch.from_numpy(images), note if changed else "", broken


def _most_common_size(pool: ThreadPoolExecutor, paths: list[Path]) -> tuple[int, int]:
    """Count sizes by the headers: (height, width); (1, 1) if no file is readable."""

    def read(path: Path) -> tuple[int, int] | None:
        try:
            with Image.open(path) as file:
                return file.height, file.width
        except _UNREADABLE:
            return None

    votes = Counter(found for found in pool.map(read, paths) if found)
    # Of equally common sizes, the larger.
    return max(votes, key=lambda s: (votes[s], s[0] * s[1], s)) if votes else (1, 1)


def _to_rgb(file: Image.Image) -> Image.Image:
    if file.mode == "F":
        raise ValueError(
            "floating-point pixels: read it yourself, use Scenes.from_arrays"
        )
    if file.mode.startswith("I"):  # 16-bit grey; older versions of Pillow say "I"
        wide = np.asarray(file)
        if wide.min() < 0 or wide.max() > 65535:
            raise ValueError("32-bit pixels: read it yourself, use Scenes.from_arrays")
        return Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB")
    if file.mode == "P":  # a palette may hold transparency, which RGB alone warns about
        return file.convert("RGBA").convert("RGB")
    return file.convert("RGB")


def _fit(picture: Image.Image, height: int, width: int) -> Image.Image:
    """Resize until it covers the target, crop the centre; untouched if it fits."""
    if picture.size == (width, height):
        return picture
    scale = max(width / picture.width, height / picture.height)
    w = max(width, round(picture.width * scale))
    h = max(height, round(picture.height * scale))
    left, top = (w - width) // 2, (h - height) // 2
    picture = picture.resize((w, h), Image.Resampling.BILINEAR)
    return picture.crop((left, top, left + width, top + height))


def _reason(path: Path, error: Exception) -> str:
    """Tell in a few words why a file could not be read."""
    if path.is_file() and path.stat().st_size == 0:
        return "empty file (0 bytes)"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image that can be read"
    return (str(error) or type(error).__name__).splitlines()[0]
