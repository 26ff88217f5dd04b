"""Features of a frozen backbone: a few views of every image, computed once and kept.

A frozen network gives the same features for the same view every time. So a handful of
augmented views per image are computed once; a training then draws among them, and a
step costs what its small head costs: a thousandth.
"""

__all__ = ["open_features"]

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.augment import augmentations_for, to_float
from workshop_lib.config import Config
from workshop_lib.data.cache import cached
from workshop_lib.errors import WorkshopError
from workshop_lib.models.pretrained import FeatureExtractor
from workshop_lib.sample import Sample
from workshop_lib.training.log import Progress
from workshop_lib.training.step import choose_precision

_RULES = 4  # version of how features are computed; another one computes them anew
_BATCH = 64  # images through the backbone at a time


def open_features(
    config: Config, sensors: Sample, views: Iterable[str], device: torch.device
) -> dict[str, Tensor]:
    """Return the features of augmented views, computed now or loaded from the cache.

    Each view of the whole data set is one file of the cache, so an interrupted
    computation continues where it was, and a method that asks for one view more costs
    only that. Validation and test images are among them (they are needed to evaluate);
    nothing here learns from any image.

    Args:
        config: `model.features` names the backbone, `feature_size` the side of the
            images that it sees, `feature_views` the number of versions of each view.
        sensors: {"rgb": (N, 3, H, W) uint8}.
        views: names of views that a training asks for; "none", a single version, and
            "weak", over which predictions are averaged, come with them.
        device: where to compute.

    Returns:
        For each view (V, N, D) float32 on the device.

    Raises:
        WorkshopError: images that are not RGB, or a backbone that cannot be loaded.
    """
    settings = config.model
    images = sensors.get("rgb")
    if images is None or len(sensors) > 1:
        raise WorkshopError(
            f"features={settings.features!r} of {', '.join(sensors)}: the backbones"
            " have learned on photographs. Give RGB images, or train from pixels"
            " (features='')."
        )
    # The precision asked for, not what "auto" comes to: that is measured, and may come
    # out otherwise the next time, when the same images must give the same features.
    about = [_RULES, settings.features, settings.feature_size, config.run.precision]
    content = _digest(images)

    @cache  # loaded when the first view is missing
    def backbone() -> FeatureExtractor:
        return FeatureExtractor(settings.features).to(device)

    found = {}
    for view in sorted({"none", "weak", *views}):
        versions = []
        for v in range(1 if view == "none" else settings.feature_views):
            key = json.dumps([*about, view, v, content])
            name = f"features-{view}-{v}-{hashlib.sha256(key.encode()).hexdigest()}"
            compute = partial(_compute, config, images, view, v, backbone, device)
            versions.append(cached(name, compute)["features"])
        found[view] = torch.stack(versions).float().to(device)
    return found


def _compute(
    config: Config,
    images: Tensor,
    view: str,
    v: int,
    backbone: Callable[[], FeatureExtractor],
    device: torch.device,
) -> dict[str, Tensor]:
    """Send a version of a view of every image through the backbone: (N, D)."""
    seed = hashlib.sha256(f"{view}/{v}".encode()).digest()[:6]  # in whatever order
    generator = torch.Generator(device).manual_seed(int.from_bytes(seed, "big"))
    augment = augmentations_for(is_rgb=True)[view]
    size = config.model.feature_size
    precision = choose_precision(config.run.precision, device)
    label = f"{config.model.features}, {view} view {v + 1}"
    bar = Progress(len(images), label=label, unit="image")
    parts = []
    with closing(bar), torch.inference_mode():
        for batch in images.split(_BATCH):
            x = augment(to_float(batch.to(device)), generator)  # (B, 3, H, W)
            if x.shape[-2:] != (size, size):
                x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
            with precision.autocast():  # of the network alone: pixels stay float32
                parts.append(backbone()(x).half().cpu())  # (B, D)
            bar.tick(len(batch))
    return {"features": torch.cat(parts)}


def _digest(images: Tensor) -> str:
    """Hash every pixel, chunk by chunk: a set may be larger than memory."""
    digest = hashlib.blake2b(str(tuple(images.shape)).encode(), digest_size=20)
    for chunk in images.split(4096):
        digest.update(chunk.cpu().contiguous().numpy().data)
    return digest.hexdigest()
