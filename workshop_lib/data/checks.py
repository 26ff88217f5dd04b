"""Validation of images and labels: what cannot be used is refused at the door."""

__all__ = ["check_scenes"]

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workshop_lib.data.read.values import limits_of
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.pixels import IGNORE

if TYPE_CHECKING:
    from workshop_lib.data.dataset import Dataset

_ENDS = (torch.amin, torch.amax)
_CHUNK = 256  # images at a time: the whole set may be larger than memory

# Names are written one a line, as UTF-8, which has no surrogates.
_UNWRITABLE = re.compile("[\n\r\ud800-\udfff]")


def check_scenes(scenes: "Dataset") -> None:
    """Refuse scenes whose parts do not fit together.

    Raises:
        WorkshopError: the first thing that is wrong; see `Dataset`.
    """
    _check_images(scenes.images, scenes.bands)
    n, _, H, W = scenes.images.shape
    _check_labels(scenes.labels, n, scenes.class_names)
    _check_names(scenes.names, n)
    if scenes.masks is not None:
        _check_masks(scenes.masks, (n, H, W), scenes.mask_names)
    for name, values in scenes.metadata.items():
        _require(
            values.ndim in (1, 2) and len(values) == n,
            f"metadata {name!r} {_given(values)}: give ({n},) or ({n}, k).",
        )
    for name, values in scenes.modalities.items():
        _require(
            values.ndim == 4 and len(values) == n and values.dtype == torch.float32,
            f"modality {name!r} {_given(values)}: give ({n}, channels, height, width)"
            " float32.",
        )
    for name in ("", *scenes.modalities):
        _check_values(scenes, name)


def _require(fits: bool, message: str) -> None:
    if not fits:
        raise WorkshopError(message)


def _given(values: Tensor) -> str:
    return f"of shape {tuple(values.shape)} and type {values.dtype}"


def _check_images(images: Tensor, bands: Sequence[str]) -> None:
    C = images.shape[1] if images.ndim == 4 else 0
    known = images.dtype in (torch.float32, torch.uint8)
    named = C == len(bands) == len(set(bands))
    _require(
        known and named and 0 not in images.shape[1:],
        f"images {_given(images)} with the bands {', '.join(bands)}: give (N, C, H, W),"
        " uint8 for pictures or float32 for reflectances, of at least 1x1 pixels, and"
        " one name per channel, all different.",
    )


def _check_labels(labels: Tensor, n: int, class_names: Sequence[str]) -> None:
    K = len(class_names)
    _require(
        0 < K == len(set(class_names)),
        f"class names {', '.join(class_names) or '(none)'}: give at least one, all"
        " different.",
    )
    _require(
        labels.shape in ((n,), (n, K)) and labels.dtype == torch.int64,
        f"labels {_given(labels)} for {n} images: give ({n},) int64, one class number"
        f" per image, or ({n}, {K}) int64, 1 for each class in the image.",
    )
    least, most = (-1, K - 1) if labels.ndim == 1 else (0, 1)
    meaning = f"the {K} classes (-1: not known)" if least else "no and yes"
    for row, *rest in ((labels < least) | (labels > most)).nonzero().tolist():
        raise WorkshopError(
            f"labels are outside 0 to {most}, {meaning}; the first is"
            f" {int(labels[(row, *rest)])}, of image {row}."
        )


def _check_names(names: Sequence[str], n: int) -> None:
    _require(len(names) == n, f"{len(names)} names for {n} images: give one per image.")
    bad = [name for name, times in Counter(names).items() if times > 1]
    bad += [name for name in names if not name or _UNWRITABLE.search(name)]
    _require(
        not bad,
        f"{len(bad)} names are empty, hold line breaks, cannot be written as UTF-8 or"
        f" occur more than once ({listed([*map(repr, bad)])}): splits go by names, so"
        " give every image its own.",
    )


def _check_masks(masks: Tensor, shape: tuple[int, ...], names: Sequence[str]) -> None:
    _require(
        masks.shape == shape and masks.dtype == torch.uint8,
        f"masks {_given(masks)}: give {shape} uint8, a class per pixel.",
    )
    K = len(names)
    if not K:
        return
    _require(K <= IGNORE, f"{K} classes of pixels: give at most {IGNORE}.")
    counts = torch.zeros(256, dtype=torch.int64)
    for chunk in masks.split(_CHUNK):
        counts += torch.bincount(chunk.flatten(), minlength=256)
    seen = [k for k in counts.nonzero().flatten().tolist() if k != IGNORE]
    odd = [k for k in seen if k >= K]
    _require(
        not odd,
        f"class {odd[:1]} in the masks, which have {K} names ({listed(names)}): use 0"
        f" to {K - 1}, or {IGNORE} for unknown.",
    )
    _require(
        K != 2 or len(seen) != 1 or not counts[IGNORE],
        f"masks of {seen} and {IGNORE} for the classes {listed(names)}: {IGNORE} means"
        " unknown. Write the two classes as 0 and 1.",
    )


def _check_values(scenes: "Dataset", name: str) -> None:
    """Refuse NaN, which turns a whole network into NaN, and what no band can hold.

    Args:
        name: of a modality; empty for the images.
    """
    values = scenes.modalities[name] if name else scenes.images
    bands = [f"{name} {c}" for c in range(values.shape[1])] if name else scenes.bands
    if not values.is_floating_point() or values.numel() == 0:
        return
    limits = [limits_of(band) for band in bands]
    least, most = (torch.tensor([one[k] for one in limits]) for k in (1, 2))  # (C,)
    chunks = values.flatten(2).split(_CHUNK)  # without a copy; NaN shows in both ends
    low, high = (torch.cat([end(x, dim=2) for x in chunks]) for end in _ENDS)  # (N, C)
    bad = ~((low >= least) & (high <= most))  # of NaN, too
    there = scenes.metadata.get(f"has_{name}", torch.ones(len(values)))
    # What is not there has no limits, but must be finite
    bad &= (there[:, None] != 0) | ~(low.isfinite() & high.isfinite())
    if not bad.any():
        return
    images = [scenes.names[i] for i in bad.any(dim=1).nonzero().flatten().tolist()]
    found = [bands[c] for c in bad.any(dim=0).nonzero().flatten().tolist()]
    i, c = bad.nonzero()[0].tolist()
    unit, lowest, highest = limits[c]
    what = f"modality {name!r}" if name else "images"
    raise WorkshopError(
        f"NaN, infinite or impossible values in {what}: {len(images)} of {len(values)}"
        f" images ({listed(images)}), bands {listed(found)}. {bands[c]} of the first is"
        f" {low[i, c]:g} to {high[i, c]:g}; {unit} is {lowest:g} to {highest:g}. Scale"
        " them, leave these images out, or fill the gaps (torch.nan_to_num)."
    )
