"""A data set of a few small images, short trainings on it, and how to compare them."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.presets import preset
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.loop import train
from workshop_lib.training.pseudo_labels import PseudoMaps
from workshop_lib.training.run import Run
from workshop_lib.training.trainer import Trainer

CLASSES = ("field", "forest", "water")


def tiny(n: int = 60, size: int = 8, seed: int = 0, several: bool = False) -> Dataset:
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
    return Dataset(
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


class Means(nn.Module):
    """In the place of a pretrained network: mean and spread of each colour."""

    def __init__(self, name: str = "efficientnet_lite0", stages: int = 0) -> None:
        super().__init__()
        assert name == "efficientnet_lite0"

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], dim=1)  # (B, 6)


def parts(scenes: Dataset) -> Split:
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
    return with_known(preset("ci", precision="fp32", **{**settings, **changes}))


def with_known(config: Config, **usual: object) -> Config:
    """Change those of the options that the config's method has, and tell a teacher."""
    known = config.method.hyperparameters()
    usual = {k: v for k, v in usual.items() if k in known}
    told = {"metadata": ("date",)} if config.method.withholds_metadata else {}
    return config.replace(**told, **usual)


def quietly(folder, config, scenes=None, split=None, **more) -> Run:
    """Train and print nothing; on the tiny scenes if no others are given."""
    scenes = scenes or tiny()
    more = {"verbose": False, **more}
    return train(config, scenes, split or parts(scenes), folder=folder, **more)


def until_first_validation(*args: object) -> None:
    """Train as `quietly` does, and stop right after the first checkpoint."""

    def stop(row: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quietly(*args, on_log=stop)


def resumed(folder: Path, *args: object) -> Run:
    """Train twice as `quietly` does, once with a stop: both must end with equal bits.

    Returns:
        The one that was stopped and resumed.
    """
    quietly(folder / "whole", *args)
    until_first_validation(folder / "cut", *args)
    run = quietly(folder / "cut", *args)
    assert compare(folder / "whole", folder / "cut") == []
    return run


def before_step(monkeypatch, step, act):
    """Let something happen right before a step, counted from 1."""
    real = Trainer.step

    def stepping(self: Trainer) -> None:
        if self.steps_done == step - 1:
            act(self)
        real(self)

    monkeypatch.setattr(Trainer, "step", stepping)


def differences(a: object, b: object, name: str = "") -> list[str]:
    """Name everything in two checkpoints that is not the same to the last bit."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted({*a, *b} - {"seconds"}, key=str)
        found = [differences(a.get(k), b.get(k), f"{name}.{k}") for k in keys]
        return [each for one in found for each in one]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return differences(dict(enumerate(a)), dict(enumerate(b)), name)
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.dtype == b.dtype and torch.equal(a, b)
    else:
        same = a == b or (a != a and b != b)  # NaN is like NaN here
    return [] if same else [name]


def compare(whole: Path, killed: Path) -> list[str]:
    """Compare two folders of runs: checkpoints, log without seconds, pseudo-labels."""
    readers = {
        **dict.fromkeys(("last.pt", "previous.pt", "best.pt"), load_checkpoint),
        "log.csv": lambda path: pd.read_csv(path, dtype=str).to_dict("list"),
        "pseudo_labels.csv": lambda path: path.read_text(),
        "pseudo_maps.npz": lambda path: vars(PseudoMaps.load(path)),
    }
    found = []
    for name, read in readers.items():
        paths = (whole / name, killed / name)
        ours, theirs = (read(path) if path.exists() else None for path in paths)
        found += differences(ours, theirs, name)
    return found + [path.name for path in killed.glob(".*.tmp")]
