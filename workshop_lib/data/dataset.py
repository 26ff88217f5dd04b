"""What a training reads from a data set: its sensors, its metadata, and its targets."""

__all__ = ["known_sensors", "sample_of", "sensors_of", "targets_of"]

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.data.metadata import known_metadata, metadata_vector
from workshop_lib.data.mini_eo import COVERS
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.pixels import IGNORE
from workshop_lib.sample import METADATA, Sample

COVER = "cover"  # the land-cover map, as a target or as an input
SCENE = "scene"  # the class of the whole image, or its classes

_CHUNK = 256  # images that are resized at a time


def known_sensors(dataset: Scenes) -> list[str]:
    """List the names that `sensors_of` accepts for a data set."""
    cover = [COVER] if dataset.masks is not None else []
    return [_own_sensor(dataset), *dataset.modalities, *cover]


def sensors_of(dataset: Scenes, names: Sequence[str] | None = None) -> Sample:
    """Return the images of each sensor, in the form in which they are stored.

    Images that need no change are not copied: a file that is mapped stays on the disk.

    Args:
        dataset: the images.
        names: "rgb" (8-bit images) or "s2" (reflectance) for the images themselves;
            "s1", "dem" and others for more sensors; "cover" for the land-cover map, a
            channel per class. None: all sensors, without the map.

    Returns:
        By sensor (N, C, H, W), uint8 for "rgb", else float32. Sensors of another
        resolution are resized to the images. An image that is missing a sensor (whose
        metadata "has_s1" is 0) is NaN there; unknown cover is NaN.

    Raises:
        WorkshopError: no name, a name twice, or one that this data set does not have.
    """
    own = _own_sensor(dataset)
    names = [own, *dataset.modalities] if names is None else list(names)
    if not names or len(set(names)) != len(names):
        raise WorkshopError(
            f"sensors {', '.join(names) or '(none)'}: give at least one, each once."
        )
    sensors = {}
    for name in names:
        if name == own:
            values = dataset.images
        elif name in dataset.modalities:
            values = _resized(dataset.modalities[name], dataset.images.shape[2:])
        elif name == COVER and dataset.masks is not None:
            values = _one_hot(dataset.masks, len(dataset.mask_names))
        else:
            known = known_sensors(dataset)
            raise unknown_name("sensor of this data set", name, known)
        has = dataset.metadata.get(f"has_{name}")
        sensors[name] = values if has is None else _without(values, has == 0)
    return sensors


def sample_of(
    dataset: Scenes,
    sensors: Sequence[str] | None = None,
    metadata: Sequence[str] = (),
) -> Sample:
    """Return all images of a data set as one sample, with their metadata.

    Args:
        dataset: the images.
        sensors: names for `sensors_of`; None: all.
        metadata: names for `metadata_vector`; none: no metadata.
    """
    sample = sensors_of(dataset, sensors)
    if metadata:
        sample[METADATA] = metadata_vector(dataset, metadata)
    return sample


def targets_of(dataset: Scenes, names: Sequence[str] = (SCENE,)) -> dict[str, Tensor]:
    """Return what each head is to predict.

    Args:
        dataset: the labels.
        names: "scene" for the class or the classes of each image; "cover" for the
            land-cover map; the name of a metadata column for a number to regress.

    Returns:
        By name. "scene": (N,) int64, -1 where unknown, or (N, K) float32, 1 for each
        class in the image. "cover": (N, H, W) uint8, 255 where unknown. A number: (N,)
        float32 in its own unit, NaN where unknown.

    Raises:
        WorkshopError: a target that this data set does not have.
    """
    targets = {}
    for name in names:
        if name == SCENE:
            labels = dataset.labels
            targets[name] = labels.float() if dataset.multi_label else labels
        elif name == COVER and dataset.masks is not None:
            targets[name] = dataset.masks
        elif name in dataset.metadata and dataset.metadata[name].ndim == 1:
            targets[name] = dataset.metadata[name].float()
        else:
            raise unknown_name("target of this data set", name, _targets(dataset))
    return targets


def _targets(dataset: Scenes) -> list[str]:
    cover = [COVER] if dataset.masks is not None else []
    numbers = [k for k, v in dataset.metadata.items() if v.ndim == 1]
    return [SCENE, *cover, *(k for k in numbers if k in known_metadata(numbers))]


def _own_sensor(dataset: Scenes) -> str:
    return "rgb" if dataset.is_rgb else "s2"


def _resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """Bring (N, C, h, w) to (N, C, H, W)."""
    if images.shape[2:] == tuple(size):
        return images
    chunks = (
        F.interpolate(some, tuple(size), mode="bilinear", antialias=True)
        for some in images.split(_CHUNK)
    )
    return torch.cat(list(chunks))


def _one_hot(masks: Tensor, names: int) -> Tensor:
    """Make a channel per class, NaN where unknown: (N, H, W) -> (N, K, H, W)."""
    masks = masks[:, None]
    unknown = masks == IGNORE
    highest = int(masks.masked_fill(unknown, 0).max())
    count = max(len(COVERS), names, highest + 1)
    numbers = torch.arange(count, device=masks.device).view(1, -1, 1, 1)
    return (masks == numbers).float().masked_fill(unknown, math.nan)


def _without(images: Tensor, missing: Tensor) -> Tensor:
    """Put NaN in place of the images that are missing; those of 8 bits become float."""
    if not missing.any():
        return images
    eight_bits = images.dtype == torch.uint8
    images = images.float() / 255 if eight_bits else images.clone()
    images[missing] = math.nan
    return images
