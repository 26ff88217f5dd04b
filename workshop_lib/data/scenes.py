"""The images of a data set and all that is known about them, as tensors."""

__all__ = ["Scenes"]

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workshop_lib.data.checks import check_scenes
from workshop_lib.data.folder import read_folder
from workshop_lib.errors import WorkshopError, unknown_name

RGB = ("red", "green", "blue")


@dataclass(frozen=True, eq=False, repr=False)
class Scenes:
    """A data set in memory: image i, its label, its name, and what else is known of it.

    Small satellite images are best decoded once and kept as tensors: every batch is
    then one indexing operation, without files, workers or waiting. Checked when made,
    so whatever comes later can rely on it.

    Args:
        images: (N, C, H, W), uint8 for RGB (C = 3), or float32 reflectance (0 to ~1.5).
        labels: (N,) int64, 0 to K-1.
        class_names: K names, in the order of the labels.
        names: N names, all different, e.g. "Forest/Forest_12.jpg"; splits go by them.
        bands: C names of the channels, e.g. ("B02", "B03", "B04", "B08").
        masks: (N, H, W) uint8 land cover, if known.
        modalities: more images by name, each (N, C', H', W') float32: "s1" backscatter
            in dB, "dem" height in m.
        metadata: numbers by name, each (N,) or (N, k): "lat", "lon", "day_of_year", ...
            Not known may be NaN here, and only here.

    Raises:
        WorkshopError: shapes, types or lengths that do not fit together; NaN or
            infinite pixels; labels outside 0 to K-1; names that occur twice.

    Example:
        >>> scenes = Scenes(
        ...     images=torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        ...     labels=torch.tensor([0, 1]),
        ...     class_names=("Forest", "River"),
        ...     names=("Forest/a.png", "River/b.png"),
        ... )
        >>> scenes
        Scenes(2 images of 8x8 px, 3 bands, 2 classes)
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    bands: tuple[str, ...] = RGB
    masks: Tensor | None = None
    modalities: dict[str, Tensor] = field(default_factory=dict)
    metadata: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("class_names", "names", "bands"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_scenes(self)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        height, width = self.images.shape[-2:]
        return (
            f"Scenes({len(self)} images of {height}x{width} px, {len(self.bands)}"
            f" bands, {self.num_classes} classes)"
        )

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.class_names)

    @property
    def is_rgb(self) -> bool:
        """Whether the images are 8-bit pictures rather than reflectances."""
        return self.images.dtype == torch.uint8

    def digest(self) -> str:
        """Hash what tells these images from others: bands, shape, some of the pixels.

        Only some 64 images spread over the set are read, so it takes no time.
        """
        step = max(1, len(self) // 64)
        some = self.images[::step].contiguous().cpu()
        about = f"{self.bands} {tuple(self.images.shape)} {self.images.dtype} "
        content = about.encode() + some.numpy().tobytes()
        return hashlib.sha256(content).hexdigest()

    def subset(self, indices: Tensor | Sequence[int]) -> "Scenes":
        """Keep some of the images, in the order of `indices`; the classes stay.

        Raises:
            WorkshopError: an index outside 0 to N-1, one that occurs twice, or a mask.
        """
        index = torch.as_tensor(indices)
        if index.numel() and (index.dtype != torch.int64 or index.ndim != 1):
            raise WorkshopError(
                f"indices of shape {tuple(index.shape)} and type {index.dtype}: give"
                " (n,) int64 positions of images; mask.nonzero().flatten() makes them."
            )
        index = index.to(device=self.images.device, dtype=torch.int64).flatten()
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < len(self):
            raise WorkshopError(
                f"indices from {int(index.min())} to {int(index.max())}: these scenes"
                f" hold images 0 to {len(self) - 1}."
            )
        kept = self._each(lambda values: values[index])
        return replace(self, names=tuple(self.names[i] for i in index.tolist()), **kept)

    def to(self, device: torch.device | str) -> "Scenes":
        """Move all tensors to a device; whatever is there already is not copied."""
        return replace(self, **self._each(lambda values: values.to(device)))

    def _each(self, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
        """Apply a function to every tensor; return the fields that hold tensors."""
        changed: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                changed[f.name] = change(value)
            elif isinstance(value, dict):
                changed[f.name] = {k: change(v) for k, v in value.items()}
        return changed

    @classmethod
    def from_folder(
        cls, path: Path | str, size: int | None = None, cache: bool = True
    ) -> "Scenes":
        """Read a folder that holds one folder of RGB images per class.

        Decoded once, then loaded from a cache until a file changes; see
        `workshop_lib.data.folder` for the rules about sizes, hidden files and formats.

        Args:
            path: the folder; its folders' names are the class names.
            size: side of the images in pixels; None keeps their own size if they share
                one, else the most common size is taken.
            cache: whether to keep the decoded images.

        Raises:
            WorkshopError: one message that lists everything wrong with the folder.
        """
        found = read_folder(path, size=size, cache=cache)
        if found.note:
            print(found.note)
        return cls(found.images, found.labels, found.class_names, found.names)

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        class_names: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        bands: Sequence[str] | None = None,
    ) -> "Scenes":
        """Take images that are in memory already, from numpy, torch or lists.

        Args:
            images: (N, H, W, C) or (N, C, H, W): uint8 RGB, or float reflectance.
            labels: N whole numbers from 0, or N class names.
            class_names: names in the order of the labels; by default the sorted names
                that occur, or the numbers as text.
            names: N different names; by default "image_000000", ... Splits go by names:
                give your own where the order of the images may change.
            bands: names of the C channels; by default red, green, blue.

        Raises:
            WorkshopError: what cannot be read as images or labels, or does not fit.
        """
        bands = tuple(bands) if bands is not None else RGB
        tensor = _images_from(images, bands)
        codes, class_names = _labels_from(labels, class_names)
        if names is None:
            names = [f"image_{i:06d}" for i in range(len(tensor))]
        return cls(tensor, codes, tuple(class_names), tuple(names), bands)


def _images_from(images: Any, bands: tuple[str, ...]) -> Tensor:
    """Convert images of either layout to (N, C, H, W), uint8 or float32."""
    if isinstance(images, Tensor):
        tensor = images
    else:
        try:
            # A copy, so that later changes of the array do not change the scenes.
            tensor = torch.from_numpy(np.array(images))
        except (TypeError, ValueError) as error:
            raise WorkshopError(
                f"images that do not make one array ({error}): all images must have the"
                " same size and hold numbers."
            ) from error
    if tensor.dtype != torch.uint8 and not tensor.is_floating_point():
        raise WorkshopError(
            f"images of type {tensor.dtype}: give uint8 for RGB, or float reflectances"
            " (Sentinel-2 stores reflectance times 10,000: divide by 10,000)."
        )
    if tensor.ndim != 4 or len(bands) not in (tensor.shape[1], tensor.shape[3]):
        raise WorkshopError(
            f"images of shape {tuple(tensor.shape)} with the {len(bands)} bands"
            f" {', '.join(bands)}: give (N, H, W, C) or (N, C, H, W), and bands=[...]"
            " with one name per channel."
        )
    if tensor.shape[1] == tensor.shape[3]:
        raise WorkshopError(
            f"images of shape {tuple(tensor.shape)}: either side could be the channels."
            " Make Scenes(images=...) directly, with (N, C, H, W)."
        )
    if tensor.shape[3] == len(bands):
        tensor = tensor.permute(0, 3, 1, 2)  # (N, C, H, W)
    if tensor.is_floating_point():
        tensor = tensor.float()
        if tensor.numel() and float(tensor.max()) > 20:
            raise WorkshopError(
                f"float images with values up to {float(tensor.max()):g}: reflectances"
                " reach about 1.5. Divide by 10,000 (Sentinel-2), or give 0 to 255 as"
                " uint8."
            )
    return tensor.contiguous()


def _labels_from(
    labels: Any, class_names: Sequence[str] | None
) -> tuple[Tensor, tuple[str, ...]]:
    """Convert numbers or class names to (N,) int64 and the names of the classes."""
    values = (
        labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else list(labels)
    )
    if all(isinstance(value, str) for value in values):
        known = (
            tuple(class_names)
            if class_names is not None
            else tuple(sorted(set(values)))
        )
        number = {name: k for k, name in enumerate(known)}
        for value in values:
            if value not in number:
                raise unknown_name("class", value, known)
        return torch.tensor([number[v] for v in values], dtype=torch.int64), known
    if not all(isinstance(v, (int, np.integer)) for v in values):
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        raise WorkshopError(
            f"labels of type {kinds}: give one whole number from 0, or one class name,"
            " per image."
        )
    codes = torch.tensor([int(v) for v in values], dtype=torch.int64)
    if class_names is not None:
        return codes, tuple(class_names)
    found = codes.unique().tolist()
    if found != list(range(len(found))):
        raise WorkshopError(
            f"labels {_few(found)} without class_names: number the classes from 0"
            " without gaps, or give class_names for all numbers."
        )
    return codes, tuple(str(k) for k in found)


def _few(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
