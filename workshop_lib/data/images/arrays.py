"""Images and labels that are in memory already, in whatever form they came."""

__all__ = ["images_from", "labels_from"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workshop_lib.data.checks import listed
from workshop_lib.data.images.listing import UNKNOWN
from workshop_lib.errors import WorkshopError, unknown_name


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
    found = [code for code in codes.unique().tolist() if code != UNKNOWN]
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
