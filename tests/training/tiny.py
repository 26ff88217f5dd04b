"""A data set of a few small images with everything that a head can learn."""

import torch

from workshop_lib.config import Config
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.presets import preset

CLASSES = ("field", "forest", "water")


def tiny(n: int = 60, size: int = 8, seed: int = 0, several: bool = False) -> Scenes:
    """Images whose brightness tells the class; masks, elevation, a second sensor."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    images = 0.2 * torch.rand(n, 4, size, size, generator=generator)
    images += 0.3 * labels.view(-1, 1, 1, 1)
    masks = labels.view(-1, 1, 1).expand(n, size, size).to(torch.uint8).clone()
    masks[:, : size // 2] = 0
    masks[::7, -1] = 255  # some pixels are unknown
    elevation = 100.0 * labels + torch.rand(n, generator=generator)
    elevation[::5] = torch.nan
    many = torch.nn.functional.one_hot(labels, 3)
    many[:, 0] = 1
    return Scenes(
        images=images,
        labels=many if several else labels,
        class_names=CLASSES,
        names=tuple(f"{CLASSES[k]}/{i:03d}" for i, k in enumerate(labels.tolist())),
        bands=("B02", "B03", "B04", "B08"),
        masks=masks,
        mask_names=CLASSES,
        modalities={"s1": torch.rand(n, 2, size, size, generator=generator)},
        metadata={"elevation": elevation, "day_of_year": torch.full((n,), 180.0)},
    )


def parts(scenes: Scenes) -> Split:
    """Two labelled images of each class."""
    n = torch.arange(len(scenes))
    unlabeled = n[: len(n) // 2]
    return Split(
        labeled=unlabeled[:6],
        unlabeled=unlabeled,
        val=n[len(n) // 2 : 3 * len(n) // 4],
        test=n[3 * len(n) // 4 :],
        seed=0,
    )


def short(**changes: object) -> Config:
    """Six steps of four images, in single precision."""
    settings = {"steps": 6, "eval_every": 3, "batch_size": 4, "mu": 2}
    return preset("ci", precision="fp32", **{**settings, **changes})
