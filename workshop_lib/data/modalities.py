"""Several sensors, maps and facts of a place as the channels of one image.

Fusion begins with putting things together. Numbers that describe a whole patch (its
season, its place) are blown up to maps of one value, so that everything is one tensor
(N, C, H, W): splits, views, normalisation, training, prediction and resuming work as
for any image, and `workshop_lib.channels.groups` takes the parts out again.

What a patch lacks is NaN, and stays NaN up to the door of the model: augmentation
moves it along, `Normalize` is fitted without it, and `models.fusion.Fill` puts there
what it has learnt to put there, at first 0, the mean of the training images.
"""

__all__ = ["FACTS", "known_modalities", "pack"]

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.data.facts import FACTS, find_fact
from workshop_lib.data.mini_eo import COVERS
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.pixels import IGNORE


def known_modalities(scenes: Scenes) -> list[str]:
    """List the names that `pack` knows for these scenes."""
    own = "rgb" if scenes.is_rgb else "s2"
    cover = ["cover"] if scenes.masks is not None else []
    facts = [name for name in FACTS if find_fact(name, scenes.metadata) is not None]
    others = [k for k in scenes.metadata if k not in facts and k[:4] != "has_"]
    return [own, *scenes.modalities, *cover, *facts, *others]


def pack(scenes: Scenes, names: Sequence[str]) -> Scenes:
    """Make images of several modalities; labels, masks, names and metadata stay.

    Args:
        scenes: with the modalities and metadata that are asked for.
        names: in the order wanted. "s2" is what `scenes.images` hold ("rgb" for 8-bit
            pictures, divided by 255); "s1", "dem" and others are in
            `scenes.modalities`, resized to the images where they are coarser or finer;
            "cover" is the land-cover map, a channel per cover; "season" (one number),
            "season_onehot" (a channel per season), "date" (on a circle), "place",
            "climate" and "region_onehot" (a channel per zone), "weather" and each name
            in `scenes.metadata` are facts, blown up to maps (`data.facts`). Patches
            that lack a modality are told by "has_s1" (0), of facts by NaN, of the cover
            by 255.

    Returns:
        Scenes whose images are float32 (N, sum of C, H, W) and whose bands are named
        "s2:B04", "s1:VV", "climate=Dfc". NaN where a patch lacks a modality.

    Raises:
        WorkshopError: no names, one twice, or one that these scenes do not have.
    """
    if not names or len(set(names)) != len(names):
        raise WorkshopError(
            f"modalities {', '.join(names) or '(none)'}: give at least one, each once."
        )
    parts = [_part(scenes, name) for name in names]
    for name, (images, _) in zip(names, parts, strict=True):
        if f"has_{name}" in scenes.metadata:
            images[scenes.metadata[f"has_{name}"] == 0] = math.nan
    return replace(
        scenes,
        images=torch.cat([images for images, _ in parts], 1),
        bands=tuple(band for _, bands in parts for band in bands),
        modalities={},
    )


def _part(scenes: Scenes, name: str) -> tuple[Tensor, list[str]]:
    """Copy one modality as images (N, C, H, W) float32, and name its channels."""
    H, W = scenes.images.shape[2:]
    if name == ("rgb" if scenes.is_rgb else "s2"):
        images = scenes.images.float() / 255 if scenes.is_rgb else scenes.images.clone()
        return images, [f"{name}:{band}" for band in scenes.bands]
    if name in scenes.modalities:
        images = scenes.modalities[name].clone()
        if images.shape[2:] != (H, W):
            images = F.interpolate(images, (H, W), mode="bilinear", antialias=True)
        return images, [f"{name}:{band}" for band in _bands_of(name, images.shape[1])]
    if name == "cover" and scenes.masks is not None:
        masks = scenes.masks[:, None]  # (N, 1, H, W)
        unknown = masks == IGNORE
        highest = int(masks.masked_fill(unknown, 0).max())
        count = max(len(COVERS), len(scenes.mask_names), highest + 1)
        numbers = torch.arange(count, device=masks.device).view(1, -1, 1, 1)
        one_hot = (masks == numbers).float().masked_fill(unknown, math.nan)
        return one_hot, [f"cover:{k}" for k in range(count)]
    values, labels = _fact(scenes, name)
    maps = values[:, :, None, None].repeat(1, 1, H, W)
    return maps, [f"{name}={label}" for label in labels]


def _fact(scenes: Scenes, name: str) -> tuple[Tensor, Sequence[str]]:
    """Return a fact of each patch, (N, k), and the names of its k numbers."""
    fact = find_fact(name, scenes.metadata)
    if fact is not None:
        return fact.encode(*(scenes.metadata[k] for k in fact.needs)), fact.parts
    if name not in scenes.metadata:
        raise unknown_name("modality of these scenes", name, known_modalities(scenes))
    values = scenes.metadata[name].float().reshape(len(scenes), -1)
    k = values.shape[1]
    return values, [name] if k == 1 else [f"{name}-{i}" for i in range(k)]


def _bands_of(name: str, count: int) -> list[str]:
    usual = {"s1": ["VV", "VH"], "dem": ["height"]}.get(name, [])
    return usual if len(usual) == count else [str(k) for k in range(count)]
