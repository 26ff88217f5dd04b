"""Views of every image, seen through a frozen backbone once, and kept.

A frozen network gives the same features for the same view every time. So a handful of
augmented views per image are computed once; a training then draws among them, and a
step costs what its small head costs: a thousandth.
"""

__all__ = ["feature_views"]

import hashlib
import json
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from workshop_lib.augment.normalize import to_float
from workshop_lib.augment.policies import get_policy
from workshop_lib.augment.policy import Policy
from workshop_lib.data.cache import cached
from workshop_lib.errors import WorkshopError
from workshop_lib.models.pretrained import Backbone, pretrained_backbone
from workshop_lib.recipe import Recipe
from workshop_lib.training.log import someone_watches
from workshop_lib.training.precision import Precision, choose_precision

_RULES = 2  # of how features are computed; another number computes them anew
_BATCH = 64  # images through the backbone at a time


def feature_views(
    recipe: Recipe, images: Tensor, policies: Sequence[str], device: torch.device
) -> dict[str, Tensor]:
    """Return the features of augmented views, computed now or loaded from the cache.

    Each view of the whole data set is one file of the cache, so an interrupted
    computation goes on where it was, and a method that asks for one policy more costs
    only that. Validation and test images are among them (they are needed to evaluate);
    nothing here learns from any image.

    Args:
        recipe: `features` names the backbone, `feature_size` the side of the images
            that it sees, `feature_views` the number of views of each policy.
        images: (N, 3, H, W) uint8.
        policies: names of augmentation policies; "none" always gives a single view.
        device: where to compute.

    Returns:
        For each policy (V, N, D) float16 on the CPU.

    Raises:
        WorkshopError: images that are not RGB, or a backbone that cannot be loaded.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise WorkshopError(
            f"features={recipe.features!r} of images {tuple(images.shape)} of type"
            f" {images.dtype}: the backbones have learnt on photographs, (N, 3, H, W)"
            " uint8. Give RGB images, or train from pixels (features='')."
        )
    # What was asked for, not what "auto" comes to: that is measured, and may come out
    # otherwise the next time, when the same images must give the same features.
    about = [_RULES, recipe.features, recipe.feature_size, recipe.precision]
    content = _digest(images)
    backbone: list[Backbone] = []  # loaded when the first view is missing

    def view(policy: str, v: int) -> Tensor:
        def compute() -> dict[str, Tensor]:
            if not backbone:
                backbone.append(pretrained_backbone(recipe.features).to(device))
            return {"features": see(backbone[0], policy, v)}

        key = json.dumps([*about, policy, v, content])
        digest = hashlib.sha256(key.encode()).hexdigest()
        found: Tensor = cached(f"features-{policy}-{v}-{digest}", compute)["features"]
        return found

    def see(network: Backbone, policy: str, v: int) -> Tensor:
        label = f"{recipe.features}, {policy} view {v + 1}"
        change = get_policy(policy, is_rgb=True)
        text = f"{policy}/{v}".encode()  # the same views, in whatever order they come
        seed = int.from_bytes(hashlib.sha256(text).digest()[:6], "big")
        generator = torch.Generator(device).manual_seed(seed)
        size = recipe.feature_size
        precision = choose_precision(recipe.precision, device)  # measured once
        return _through(network, images, change, generator, size, precision, label)

    counts = {name: 1 if name == "none" else recipe.feature_views for name in policies}
    return {
        name: torch.stack([view(name, v) for v in range(count)])  # (V, N, D)
        for name, count in counts.items()
    }


def _through(
    backbone: Backbone,
    images: Tensor,
    change: Policy,
    generator: torch.Generator,
    size: int,
    precision: Precision,
    label: str,
) -> Tensor:
    """Send one view of every image through the backbone: (N, C, H, W) -> (N, D)."""
    parts = []
    device = generator.device
    bar = tqdm(
        total=len(images), desc=label, unit="image", disable=not someone_watches()
    )
    with bar, torch.inference_mode(), precision.autocast():
        for batch in images.split(_BATCH):
            x = change(to_float(batch.to(device)), generator)  # (B, 3, H, W)
            if size and x.shape[-2:] != (size, size):
                x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
            parts.append(backbone(x).half().cpu())  # (B, D)
            bar.update(len(batch))
    return torch.cat(parts)


def _digest(images: Tensor) -> str:
    """Hash every pixel, piece by piece: a set may be larger than memory."""
    digest = hashlib.blake2b(str(tuple(images.shape)).encode(), digest_size=20)
    for chunk in images.split(4096):
        digest.update(chunk.cpu().contiguous().numpy().data)
    return digest.hexdigest()
