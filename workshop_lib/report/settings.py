"""Settings of the runs: beside the defaults, beside the paper, and as a command."""

__all__ = ["changes_table", "paper_table", "train_command"]

import shlex
from typing import Any

import pandas as pd

from workshop_lib.config import Config
from workshop_lib.methods import METHODS
from workshop_lib.presets import preset
from workshop_lib.report.data import MethodResult, ReportData

_DASH = "\N{EN DASH}"

# Sohn et al. 2020, arXiv 2001.07685, section 4 and appendix B (CIFAR-10)
_PAPER: dict[str, tuple[Any, str]] = {
    "threshold": (0.95, "confidence a pseudo-label needs to be used"),
    "alignment": (False, "pseudo-labels are pulled towards equal use of the classes"),
    "lambda_u": (1.0, "weight of the loss on unlabelled images"),
    "mu": (7, "unlabelled images per labelled one in a step"),
    "batch_size": (64, "labelled images in a step"),
    "steps": (2**20, "optimiser steps"),
    "optimizer": ("sgd", "optimiser"),
    "lr": (0.03, "peak learning rate"),
    "weight_decay": (5e-4, "weight decay"),
    "warmup_steps": (0, "steps of linear warm-up"),
    "ema_decay": (0.999, "decay of the averaged weights that are evaluated"),
    "encoder": ("wrn-28-2", "network"),
    "size": (32, "side of the images (pixels)"),
}


def changes_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the settings that differ from the defaults, a column per method.

    A method's own hyperparameters are compared with its paper's.
    """
    columns = {
        result.title: {
            name: _setting(value)
            for section in result.config.changes().values()
            for name, value in section.items()
        }
        for result in data.results
    }
    names = dict.fromkeys(name for one in columns.values() for name in one)
    table = pd.DataFrame({"setting": list(names)})
    for title, values in columns.items():
        table[title] = [values.get(name, _DASH) for name in names]
    return table


def paper_table(result: MethodResult) -> pd.DataFrame:
    """Compare FixMatch's settings with the paper's; empty for another method."""
    sections = result.config.to_dict().values()
    here = {name: value for section in sections for name, value in section.items()}
    rows = [
        {
            "setting": name,
            "meaning": meaning,
            "here": _setting(here[name]),
            "paper": _setting(paper),
            "note": "" if here[name] == paper else "differs",
        }
        for name, (paper, meaning) in _PAPER.items()
        if result.config.method_name == "fixmatch"
    ]
    return pd.DataFrame(rows)


def train_command(config: Config, split_folder: str = "") -> str:
    """Return the command that trains by a config: all that differs from the defaults.

    The method's hyperparameters are given wherever they differ from its paper's or from
    the preset's, so that the command does the same wherever it starts from.

    Args:
        config: of a run.
        split_folder: of the split, where the config does not draw it.

    Returns:
        The command; "" for a method of one's own, which no command knows.

    >>> from workshop_lib.methods import UDA
    >>> train_command(Config(method=UDA(lambda_u=0.5)).replace(lr=0.01, data="ucm"))
    'workshop train --method uda --lambda-u 0.5 --data ucm --no-alignment --lr 0.01'
    """
    if config.method_name not in METHODS:
        return ""
    usual = preset("class", method=config.method_name)
    values: dict[str, Any] = {"method": config.method_name}
    values |= config.changes()["method"]
    for key, (mine, _) in config.difference(usual).items():
        values["data" if key == "data.name" else key.rpartition(".")[2]] = mine
    flags: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            several = value if isinstance(value, list | tuple) else (value,)
            flags += [f"--{flag}", *map(str, several)]
    split = ["--split", split_folder] if split_folder else []
    return shlex.join(["workshop", "train", *flags, *split])


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value}"
