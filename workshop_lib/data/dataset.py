"""The images of a data set and all that is known about them, as tensors."""

__all__ = ["Dataset"]

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workshop_lib.data.checks import check_scenes
from workshop_lib.data.read.images import (
    OnError,
    PictureReader,
    ReadImages,
    read_images,
)
from workshop_lib.data.read.index import index_images
from workshop_lib.errors import WorkshopError

RGB = ("red", "green", "blue")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set as tensors: image i, its label, its name, and what else is known.

    Small satellite images are best decoded once and kept as tensors: every batch is
    then one indexing operation, without files, workers or waiting. Tensors read from
    files are mapped, not loaded: they may be larger than memory. Index them; to change
    them, make a copy. Checked when made, so whatever comes later can rely on it.

    Args:
        images: (N, C, H, W), uint8 for pictures, or float32 reflectance (0 to ~1.5), dB
            or other numbers as the names of the bands say; see
            `workshop_lib.data.read.values`.
        labels: (N,) int64, 0 to K-1, or -1 where the class is unknown; or (N, K)
            int64 multi-hot, 1 for each class that is in the image.
        class_names: K names, in the order of the labels.
        names: N names, all different, e.g. "Forest/Forest_12.jpg"; splits go by them.
        bands: C names of the channels, e.g. ("B02", "B03", "B04", "B08").
        masks: (N, H, W) uint8 land cover, if known; 255 where it is unknown.
        modalities: more images by name, each (N, C', H', W') float32: "s1" backscatter
            in dB, "dem" height in m.
        metadata: numbers by name, each (N,) or (N, k): "lat", "lon", "day_of_year", ...
            Not known may be NaN here, and only here.
            "has_s1" is 1 for patches that have the modality "s1", 0 for those whose
            pixels there mean nothing; without it all have it.
        mask_names: names of the classes 0, 1, ... in the masks.

    Raises:
        WorkshopError: shapes, types or lengths that do not fit together; NaN, infinite
            or impossible pixels, such as -9999; labels outside 0 to K-1; names that
            occur twice.

    Example:
        >>> scenes = Dataset(
        ...     images=torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        ...     labels=torch.tensor([0, 1]),
        ...     class_names=("Forest", "River"),
        ...     names=("Forest/a.png", "River/b.png"),
        ... )
        >>> scenes
        Dataset(2 images of 8x8 px, 3 bands, 2 classes)
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    bands: tuple[str, ...] = RGB
    masks: Tensor | None = None
    modalities: dict[str, Tensor] = field(default_factory=dict)
    metadata: dict[str, Tensor] = field(default_factory=dict)
    mask_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("class_names", "names", "bands", "mask_names"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_scenes(self)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[-2:]
        return (
            f"Dataset({len(self)} images of {height}x{width} px, {len(self.bands)}"
            f" bands, {self.num_classes} classes)"
        )

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.class_names)

    @property
    def multi_label(self) -> bool:
        """Whether an image may belong to several classes: labels are (N, K)."""
        return self.labels.ndim == 2

    def class_counts(self) -> Tensor:
        """Count the images of each class, (K,) int64; those of unknown class do not."""
        K = self.num_classes
        return torch.stack([self.has_class(k).sum() for k in range(K)])

    def has_class(self, k: int) -> Tensor:
        """Return which images are of a class, or have it among others, (N,) bool."""
        return self.labels[:, k] == 1 if self.multi_label else self.labels == k

    @property
    def is_rgb(self) -> bool:
        """Whether the images are 8-bit pictures of three bands."""
        return self.images.dtype == torch.uint8 and self.images.shape[1] == 3

    def digest(self) -> str:
        """Hash what tells these images from others: bands, shape, some of the pixels.

        Only some 64 images spread over the set are read, so it takes no time.
        """
        step = max(1, len(self) // 64)
        some = self.images[::step].contiguous().cpu()
        about = f"{self.bands} {tuple(self.images.shape)} {self.images.dtype} "
        content = about.encode() + some.numpy().tobytes()
        return hashlib.sha256(content).hexdigest()

    def mask_digest(self) -> str:
        """Hash all masks and what is in them: they are labels, so every pixel counts.

        Half a second for a gigabyte, a few tiles in memory at a time.
        """
        found = hashlib.sha256(f"{self.mask_names}".encode())
        if self.masks is not None:
            found.update(f"{tuple(self.masks.shape)}".encode())
            for chunk in self.masks.split(64):
                found.update(chunk.contiguous().cpu().numpy().data)
        return found.hexdigest()

    def subset(self, indices: Tensor | Sequence[int]) -> "Dataset":
        """Keep some of the images, in the order of `indices`; the classes stay.

        Raises:
            WorkshopError: an index outside 0 to N-1, one that occurs twice, or a mask.
        """
        index = torch.as_tensor(indices)
        index = index if index.numel() else index.long().flatten()
        is_list = index.dtype == torch.int64 and index.ndim == 1
        if not is_list or not all(0 <= i < len(self) for i in index.tolist()):
            raise WorkshopError(
                f"indices {index}: give (n,) int64 positions, 0 to {len(self) - 1};"
                " of a mask, mask.nonzero().flatten()."
            )
        changes: dict[str, Any] = {
            "names": tuple(self.names[i] for i in index.tolist())
        }
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                changes[name] = value[index]
            elif isinstance(value, dict):
                changes[name] = {key: values[index] for key, values in value.items()}
        return replace(self, **changes)

    @classmethod
    def from_folder(
        cls,
        path: Path | str,
        size: int | None = None,
        cache: bool = True,
        on_error: OnError = "raise",
    ) -> "Dataset":
        """Read RGB images: a folder per class, a zip archive of these, or a names file.

        Decoded once, then mapped from one file until an image changes; see
        `workshop_lib.data.read.index` for what is an image (and for images without
        a class), `workshop_lib.data.read.images` for formats and unequal sizes.

        Args:
            path: the folder, whose folders' names are the class names; a .zip of such
                a folder, which is not unpacked; or a .txt with `path label` on each
                line. There the paths start at its folder and may hold spaces; the last
                word of a line is the label, -1 if it is not known.
            size: side of the images in pixels; None keeps their own size if they share
                one, else the most common size is taken.
            cache: whether to keep the decoded images.
            on_error: "raise", or "skip" to leave out what cannot be read, and say so.

        Raises:
            WorkshopError: one message that lists everything wrong with the images.
        """
        reader = PictureReader(index_images(path))
        return cls.from_read(read_images(reader, size, cache, on_error), RGB)

    from_zip = from_folder
    from_names = from_folder

    @classmethod
    def from_read(
        cls, found: ReadImages, bands: Sequence[str], **fields: Any
    ) -> "Dataset":
        """Take images that `read_images` read; prints what it resized or left out.

        Args:
            found: the images, and what their files hold besides.
            bands: names of the channels.
            fields: of the dataset, where they are not as found.
        """
        if found.note:
            print(found.note)
        given: dict[str, Any] = vars(found) | {"bands": bands}
        del given["note"]
        given["labels"] = torch.tensor(found.labels, dtype=torch.int64)
        given["metadata"] = {k: torch.tensor(v) for k, v in found.metadata.items()}
        return cls(**given | fields)

    @classmethod
    def without_pixels(
        cls, names: Sequence[str], labels: Tensor, class_names: Sequence[str]
    ) -> "Dataset":
        """Take names and labels alone, each with a black pixel: enough for a split."""
        pixel = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
        images = pixel.expand(len(names), -1, -1, -1)  # one byte for all
        return cls(images, labels, tuple(class_names), tuple(names))
