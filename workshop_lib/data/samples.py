"""What a training reads of a data set: its sensors, its targets, and in which order."""

__all__ = ["IndexStream", "random_scenes", "sample_of", "sensors_of", "targets_of"]

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.data.dataset import RGB, Dataset
from workshop_lib.data.metadata import METADATA_ENCODERS, metadata_vector
from workshop_lib.data.mini_eo import COVERS
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.pixels import IGNORE
from workshop_lib.sample import METADATA, Sample

COVER = "cover"  # the land-cover map, as a target or as an input
COVERS_PRESENT = "covers"  # which covers a map has, several labels per image
LEAST_COVER = 0.05  # of the known pixels of an image: what has more is a label
SCENE = "scene"  # the class of the whole image, or its classes
ELEVATION = "elevation"  # the mean of a digital elevation model, in metres

_CHUNK = 256  # images that are resized at a time


def known_sensors(dataset: Dataset) -> list[str]:
    """List the names that `sensors_of` accepts for a data set."""
    cover = [COVER] if dataset.masks is not None else []
    return [_own_sensor(dataset), *dataset.modalities, *cover]


def sensors_of(dataset: Dataset, names: Sequence[str] | None = None) -> Sample:
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
    stored = {own: dataset.images, **dataset.modalities}
    for name in names:
        if name in stored:
            values = _resized(stored[name], dataset.images.shape[2:])
        elif name == COVER and dataset.masks is not None:
            values = _one_hot(dataset.masks, len(dataset.mask_names))
        else:
            known = known_sensors(dataset)
            raise unknown_name("sensor of this data set", name, known)
        has = dataset.metadata.get(f"has_{name}")
        sensors[name] = values if has is None else _without(values, has == 0)
    return sensors


def sample_of(
    dataset: Dataset, sensors: Sequence[str] | None = None, metadata: Sequence[str] = ()
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


def targets_of(dataset: Dataset, names: Sequence[str] = (SCENE,)) -> dict[str, Tensor]:
    """Return what each head is to predict.

    Args:
        dataset: the labels.
        names: "scene" for the class or the classes of each image; "cover" for the
            land-cover map, "covers" for the covers of more than 5 % of the known pixels
            of each image; the name of a metadata column for a number to regress;
            "elevation" without such a column for the mean of the sensor "dem".

    Returns:
        By name. "scene": (N,) int64, -1 where unknown, or (N, K) float32, 1 for each
        class in the image. "cover": (N, H, W) uint8, 255 where unknown. "covers":
        (N, K) float32, 1 for each of `mask_names` that is there, NaN where no pixel is
        known. A number: (N,) float32 in its own unit, NaN where unknown.

    Raises:
        WorkshopError: a target that this data set does not have.
    """
    there = {k: v.float() for k, v in dataset.metadata.items() if v.ndim == 1}
    there = {k: v for k, v in there.items() if not k.startswith("has_")}
    if ELEVATION in names and "dem" in dataset.modalities:
        dem = sensors_of(dataset, ("dem",))["dem"]  # (N, 1, H, W), NaN where missing
        there.setdefault(ELEVATION, dem.mean((1, 2, 3)))
    there[SCENE] = dataset.labels.float() if dataset.multi_label else dataset.labels
    if dataset.masks is not None:
        there[COVER] = dataset.masks
        if COVERS_PRESENT in names and dataset.mask_names:
            there[COVERS_PRESENT] = _covers(dataset.masks, len(dataset.mask_names))
    for name in names:
        if name not in there:
            raise unknown_name("target of this data set", name, there)
    return {name: there[name] for name in names}


def _own_sensor(dataset: Dataset) -> str:
    return "rgb" if dataset.is_rgb else "s2"


def _resized(images: Tensor, size: Sequence[int]) -> Tensor:
    """Bring (N, C, h, w) to (N, C, H, W)."""
    if images.shape[2:] == tuple(size):
        return images
    how: dict[str, Any] = {"mode": "bilinear", "antialias": True}
    chunks = images.split(_CHUNK)
    return torch.cat([F.interpolate(some, tuple(size), **how) for some in chunks])


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


def _covers(masks: Tensor, count: int) -> Tensor:
    """Mark the covers that are more than a trace: (N, H, W) -> (N, K) float32."""
    chunks = (_one_hot(some, count)[:, :count] for some in masks.split(_CHUNK))
    share = torch.cat([hot.nanmean(dim=(2, 3)) for hot in chunks])  # (N, K)
    return (share > LEAST_COVER).float().masked_fill(share.isnan(), math.nan)


class IndexStream:
    """Shuffled positions of images without end: step s always gives the same batch.

    A loader that ends has to be restarted, and the labeled set ends long before the
    unlabeled one. A stream has no end, and as it is a pure function of the step, a
    resumed training needs no saved state.

    Pass e goes once through all indices in an order drawn from (seed, e). The passes
    are laid end to end and cut into batches, so a batch may run across the border of
    two passes, and over several if the set is smaller than the batch. Every image is
    seen equally often, to within one.

    Args:
        indices: (n,) int64 positions of images, e.g. `split.labeled`.
        batch_size: indices per step, of all ranks together (see `ranks.own_rows`).
        seed: of the orders; give streams that are used side by side different seeds.

    Raises:
        WorkshopError: no indices, or no batch.

    Example:
        >>> stream = IndexStream(torch.tensor([10, 20, 30]), batch_size=6, seed=0)
        >>> sorted(stream.at(step=1000).tolist())
        [10, 10, 20, 20, 30, 30]
    """

    def __init__(self, indices: Tensor, batch_size: int, seed: int) -> None:
        if not len(indices) or batch_size < 1:
            raise WorkshopError(
                f"batches of {batch_size} from {len(indices)} images: give at least one"
                " image (is a part of the split empty?), and a batch_size from 1."
            )
        self.indices, self.batch_size, self.seed = indices, batch_size, seed
        self._kept: tuple[int, Tensor] | None = None  # the current pass and its order

    def at(self, step: int) -> Tensor:
        """Return the indices of a step 0, 1, 2, ...; in any order of steps.

        Shape: (batch_size,) int64.
        """
        n = len(self.indices)
        first, past = step * self.batch_size, (step + 1) * self.batch_size
        pieces = []
        for e in range(first // n, (past - 1) // n + 1):
            begin, end = max(first - e * n, 0), min(past - e * n, n)
            pieces.append(self._pass(e)[begin:end])
        return torch.cat(pieces)

    def _pass(self, e: int) -> Tensor:
        """Shuffle the indices for pass e; the last one is kept: steps come in order."""
        if self._kept is None or self._kept[0] != e:
            # Hashed, for neighbouring seeds and passes to give unrelated orders; drawn
            # on the CPU, for every device to give the same one.
            text = f"{self.seed}/{e}".encode()
            number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
            generator = torch.Generator().manual_seed(number)
            order = torch.randperm(len(self.indices), generator=generator)  # (n,)
            self._kept = e, self.indices[order.to(self.indices.device)]
        return self._kept[1]


def random_scenes(facts: Mapping[str, Any], size: int) -> Dataset:
    """Make up images, targets and metadata of given shapes: to time steps, to try code.

    Args:
        facts: sensors, metadata and heads, as `Inputs.facts` gives them.
        size: side of the images in pixels.

    Returns:
        At least 64 images, two of each class.
    """
    generator = torch.Generator().manual_seed(0)
    heads, sensors = facts["heads"], dict(facts["sensors"])
    classes = {k: max(1, about["num_classes"]) for k, about in heads.items()}
    n = max(64, 2 * max(classes.values()))
    own = next((name for name in ("rgb", "s2") if name in sensors), "s2")
    channels = sensors.pop(own, 4)

    def images(c: int) -> Tensor:
        return torch.rand(n, c, size, size, generator=generator)

    mine = images(channels)
    scene = heads.get("scene", {"kind": "categorical", "num_classes": 2})
    K = max(2, scene["num_classes"])
    cover = max(classes.get(name, 2) for name in (COVER, COVERS_PRESENT))
    labels = torch.arange(n) % K
    masks = torch.randint(0, cover, (n, size, size), generator=generator)
    columns = [name for one in METADATA_ENCODERS.values() for name in one.needs]
    numbers = dict.fromkeys(columns, torch.arange(n) % 2 + 1.0)  # 1 and 2 fit all
    for name, about in heads.items():
        if about["kind"] == "regression":
            numbers[name] = torch.rand(n, generator=generator)
    return Dataset(
        images=(255 * mine).to(torch.uint8) if own == "rgb" else mine,
        labels=F.one_hot(labels, K) if scene["kind"] == "multilabel" else labels,
        class_names=tuple(f"class {k}" for k in range(K)),
        names=tuple(f"{k}" for k in range(n)),
        bands=RGB if own == "rgb" else tuple(f"b{k}" for k in range(channels)),
        masks=masks.to(torch.uint8),
        mask_names=tuple(f"cover {k}" for k in range(cover)),
        modalities={name: images(c) for name, c in sensors.items() if name != COVER},
        metadata=numbers,
    )
