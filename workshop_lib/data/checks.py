"""Validation of images and labels: what cannot be used is refused at the door."""

__all__ = ["check_scenes", "images_from", "labels_from"]

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError, listed, unknown_name
from workshop_lib.pixels import IGNORE

if TYPE_CHECKING:
    from workshop_lib.data.scenes import Scenes

_UNKNOWN = -1  # the label of an image whose class is not known
_CHUNK = 256  # images at a time: the whole set may be larger than memory

# Names are written one a line, as UTF-8, which has no surrogates.
_UNWRITABLE = re.compile("[\n\r\ud800-\udfff]")


def check_scenes(scenes: "Scenes") -> None:
    """Refuse scenes whose parts do not fit together.

    Raises:
        WorkshopError: the first thing that is wrong; see `Scenes`.
    """
    _check_images(scenes.images, scenes.bands)
    _check_labels(scenes.labels, len(scenes.images), scenes.class_names)
    _check_names(scenes.names, len(scenes.images))
    _check_extras(scenes)
    packed = bool(groups(scenes.bands))
    _check_finite("images", scenes.images, scenes.bands, scenes.names, gaps=packed)
    for name, values in scenes.modalities.items():
        channels = tuple(f"channel {c}" for c in range(values.shape[1]))
        _check_finite(f"modality {name!r}", values, channels, scenes.names)


def _check_images(images: Tensor, bands: tuple[str, ...]) -> None:
    if images.ndim != 4 or images.dtype not in (torch.uint8, torch.float32):
        raise WorkshopError(
            f"images of shape {tuple(images.shape)} and type {images.dtype}: give"
            " (N, C, H, W), uint8 for RGB or float32 for reflectances."
        )
    if images.shape[1] != len(bands) or len(set(bands)) != len(bands):
        raise WorkshopError(
            f"images with {images.shape[1]} channels and the bands {', '.join(bands)}:"
            " give one name per channel, all different."
        )
    if images.dtype == torch.uint8 and images.shape[1] != 3:
        raise WorkshopError(
            f"uint8 images with {images.shape[1]} channels: 8-bit images are RGB, three"
            " channels. Give other bands as float32 reflectances."
        )
    if 0 in images.shape[2:]:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: give at least 1x1 pixels."
        )


def _check_labels(labels: Tensor, count: int, class_names: tuple[str, ...]) -> None:
    known = len(class_names)
    if labels.shape not in ((count,), (count, known)) or labels.dtype != torch.int64:
        raise WorkshopError(
            f"labels of shape {tuple(labels.shape)} and type {labels.dtype} for {count}"
            f" images: give ({count},) int64, one class number per image, or"
            f" ({count}, {known}) int64, 1 for each class that is in the image."
        )
    twice = [name for name, n in Counter(class_names).items() if n > 1]
    if twice or not class_names:
        raise WorkshopError(
            f"class names {', '.join(map(repr, class_names)) or '(none)'}: give at"
            " least one, all different."
        )
    single = labels.ndim == 1
    least, most = (-1, known - 1) if single else (0, 1)
    outside = ((labels < least) | (labels > most)).nonzero()
    if len(outside):
        first = tuple(outside[0].tolist())
        meaning = f"the {known} classes (-1: not known)" if single else "no and yes"
        raise WorkshopError(
            f"{len(outside)} labels lie outside 0 to {most}, {meaning}; the first is"
            f" {int(labels[first])}, of image {first[0]}."
        )


def _check_names(names: tuple[str, ...], count: int) -> None:
    if len(names) != count:
        raise WorkshopError(
            f"{len(names)} names for {count} images: give one per image."
        )
    if len(set(names)) != count:
        twice = [name for name, n in Counter(names).items() if n > 1]
        raise WorkshopError(
            f"{len(twice)} names occur more than once ({listed(twice)}): splits go by"
            " names, so give every image its own."
        )
    bad = [n for n in names if not n or _UNWRITABLE.search(n)]
    if bad:
        raise WorkshopError(
            f"{len(bad)} names are empty, hold line breaks or cannot be written as"
            f" UTF-8 ({listed([repr(n) for n in bad])}): rename these images."
        )


def _check_extras(scenes: "Scenes") -> None:
    n, _, height, width = scenes.images.shape
    masks = scenes.masks
    if masks is not None and (
        masks.shape != (n, height, width) or masks.dtype != torch.uint8
    ):
        raise WorkshopError(
            f"masks of shape {tuple(masks.shape)} and type {masks.dtype}: give"
            f" ({n}, {height}, {width}) uint8, one cover number per pixel."
        )
    if masks is not None and scenes.mask_names:
        _check_mask_classes(masks, scenes.mask_names)
    for name, values in scenes.modalities.items():
        if values.ndim != 4 or len(values) != n or values.dtype != torch.float32:
            raise WorkshopError(
                f"modality {name!r} of shape {tuple(values.shape)} and type"
                f" {values.dtype}: give ({n}, channels, height, width) float32."
            )
    for name, values in scenes.metadata.items():
        if values.ndim not in (1, 2) or len(values) != n:
            raise WorkshopError(
                f"metadata {name!r} of shape {tuple(values.shape)}: give ({n},) or"
                f" ({n}, k), one row per image."
            )


def _check_mask_classes(masks: Tensor, names: tuple[str, ...]) -> None:
    known = len(names)
    for chunk in masks.split(_CHUNK):
        odd = chunk[(chunk >= known) & (chunk != IGNORE)]
        if len(odd):
            raise WorkshopError(
                f"class {int(odd[0])} in the masks, which have {known} names"
                f" ({listed(names)}): use 0 to {known - 1}, or {IGNORE} where nobody"
                " knows."
            )


def _check_finite(
    what: str,
    values: Tensor,
    channels: tuple[str, ...],
    names: tuple[str, ...],
    gaps: bool = False,
) -> None:
    """Refuse NaN and infinity: a single one turns a whole network into NaN.

    With `gaps` NaN says that a patch lacks a modality, which fusion models understand.
    """
    if not values.is_floating_point() or values.numel() == 0:
        return
    bad = torch.cat(
        [
            _not_finite(chunk.masked_fill(chunk.isnan(), 0) if gaps else chunk)
            for chunk in values.split(_CHUNK)
        ]
    )  # (N, C)
    if not bool(bad.any()):
        return
    images = bad.any(dim=1).nonzero().flatten().tolist()
    bands = [channels[c] for c in bad.any(dim=0).nonzero().flatten().tolist()]
    raise WorkshopError(
        f"NaN or infinite values in {what}: {len(images)} of {len(names)} images"
        f" ({listed([names[i] for i in images])}), bands {listed(bands)}. Leave these"
        " images out, or fill the gaps (torch.nan_to_num) if you know what they mean."
    )


def _not_finite(chunk: Tensor) -> Tensor:
    """Mark the bands that hold NaN or infinity. (n, C, H, W) -> (n, C)"""
    low, high = torch.aminmax(chunk)  # one pass without a copy; NaN shows in both
    if bool(torch.isfinite(low)) and bool(torch.isfinite(high)):
        return torch.zeros(chunk.shape[:2], dtype=torch.bool, device=chunk.device)
    return ~torch.isfinite(chunk).flatten(2).all(dim=2)


def images_from(images: Any, bands: tuple[str, ...]) -> Tensor:
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


def labels_from(
    labels: Any, class_names: Sequence[str] | None
) -> tuple[Tensor, tuple[str, ...]]:
    """Convert numbers, class names or rows of 0 and 1 to int64, and name the classes.

    Shape: (N,), or (N, K) multi-hot from a table of that shape. -1 stays -1: unknown.
    """
    if isinstance(labels, (Tensor, np.ndarray)) and labels.ndim == 2:
        return _multi_hot(torch.as_tensor(labels), class_names)
    values = (
        labels.tolist() if isinstance(labels, (Tensor, np.ndarray)) else list(labels)
    )
    if all(isinstance(value, str) for value in values):
        return _from_names(values, class_names)
    if not all(isinstance(v, (int, np.integer)) for v in values):
        kinds = ", ".join(sorted({type(value).__name__ for value in values}))
        raise WorkshopError(
            f"labels of type {kinds}: give one whole number from 0, or one class name,"
            " per image."
        )
    codes = torch.tensor([int(v) for v in values], dtype=torch.int64)
    if class_names is not None:
        return codes, tuple(class_names)
    found = [code for code in codes.unique().tolist() if code != _UNKNOWN]
    if found != list(range(len(found))):
        raise WorkshopError(
            f"labels {listed([str(code) for code in found])} without class_names:"
            " number the classes from 0 without gaps, or give class_names for all"
            " numbers."
        )
    return codes, tuple(str(k) for k in found)


def _from_names(
    values: list[str], class_names: Sequence[str] | None
) -> tuple[Tensor, tuple[str, ...]]:
    known = tuple(class_names if class_names is not None else sorted(set(values)))
    number = {name: k for k, name in enumerate(known)}
    for value in values:
        if value not in number:
            raise unknown_name("class", value, known)
    return torch.tensor([number[v] for v in values], dtype=torch.int64), known


def _multi_hot(
    labels: Tensor, class_names: Sequence[str] | None
) -> tuple[Tensor, tuple[str, ...]]:
    whole = labels.to(torch.int64)
    if not bool((whole == labels).all()):
        raise WorkshopError(
            "labels (N, K) with fractions: give 1 for each class there."
        )
    names = class_names if class_names is not None else map(str, range(len(labels.T)))
    return whole, tuple(names)
