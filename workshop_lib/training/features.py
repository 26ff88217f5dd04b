"""Features of a frozen backbone: a few views of every image, computed once and kept.

A frozen network gives the same features for the same view every time. So a handful of
augmented views per image are computed once; a training then draws among them, and a
step costs what its small head costs: a thousandth.
"""

__all__ = ["extract_features", "open_features"]

import hashlib
import json
from collections.abc import Iterable
from contextlib import closing

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.augment import Augmentation, augmentations_for, to_float
from workshop_lib.config import Config
from workshop_lib.data.cache import cached
from workshop_lib.errors import WorkshopError
from workshop_lib.models.pretrained import FeatureExtractor
from workshop_lib.sample import Sample
from workshop_lib.training.log import Progress
from workshop_lib.training.step import Precision, choose_precision

_RULES = 3  # version of how features are computed; another one computes them anew
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
    precision = choose_precision(config.run.precision, device)
    backbone: list[FeatureExtractor] = []  # loaded when the first view is missing

    def version(view: str, v: int) -> Tensor:
        def compute() -> dict[str, Tensor]:
            if not backbone:
                backbone.append(FeatureExtractor(settings.features).to(device))
            label = f"{settings.features}, {view} view {v + 1}"
            text = f"{view}/{v}".encode()  # the same versions, in whatever order
            seed = int.from_bytes(hashlib.sha256(text).digest()[:6], "big")
            generator = torch.Generator(device).manual_seed(seed)
            augment = augmentations_for(is_rgb=True)[view]
            size = settings.feature_size
            found = extract_features(
                backbone[0], images, augment, generator, size, precision, label
            )
            return {"features": found}

        key = json.dumps([*about, view, v, content])
        digest = hashlib.sha256(key.encode()).hexdigest()
        found: Tensor = cached(f"features-{view}-{v}-{digest}", compute)["features"]
        return found

    counts = {
        name: 1 if name == "none" else settings.feature_views
        for name in sorted({"none", "weak", *views})
    }
    return {
        name: torch.stack([version(name, v) for v in range(count)]).float().to(device)
        for name, count in counts.items()
    }


def extract_features(
    backbone: FeatureExtractor,
    images: Tensor,
    augment: Augmentation,
    generator: torch.Generator,
    size: int,
    precision: Precision,
    label: str,
) -> Tensor:
    """Send one view of every image through the backbone: (N, C, H, W) -> (N, D)."""
    parts = []
    device = generator.device
    bar = Progress(len(images), label=label, unit="image")
    with closing(bar), torch.inference_mode(), precision.autocast():
        for batch in images.split(_BATCH):
            x = augment(to_float(batch.to(device)), generator)  # (B, 3, H, W)
            if size and x.shape[-2:] != (size, size):
                x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
            parts.append(backbone(x).half().cpu())  # (B, D)
            bar.tick(len(batch))
    return torch.cat(parts)


def _digest(images: Tensor) -> str:
    """Hash every pixel, chunk by chunk: a set may be larger than memory."""
    digest = hashlib.blake2b(str(tuple(images.shape)).encode(), digest_size=20)
    for chunk in images.split(4096):
        digest.update(chunk.cpu().contiguous().numpy().data)
    return digest.hexdigest()
