"""Baselines: supervised with weak and strong augmentation, FixMatch, all labels.

All on one split, with as many steps each. FixMatch's gain over the better of the two
supervised baselines has two parts: what the method makes of the labelled images alone,
which the control shows, and what the unlabelled images bring. The ceiling has all the
labels. The quickstart trains these five.
"""

__all__ = ["BASELINES", "CONTROLS", "baseline_config", "baselines_table", "quickstart"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workshop_lib.config import Config
from workshop_lib.errors import unknown_name
from workshop_lib.experiments.sweeps import RunSpec, train_all
from workshop_lib.methods import METHODS
from workshop_lib.presets import preset


class Baseline(NamedTuple):
    """One bar of the comparison: its title, and what it changes in a config."""

    title: str
    method: str
    changes: Mapping[str, Any]  # hyperparameters and other settings


BASELINES = {
    "supervised": Baseline(
        "Supervised, weak augmentation", "supervised", {"labeled_view": "weak"}
    ),
    "supervised_strong": Baseline(
        "Supervised, strong augmentation", "supervised", {"labeled_view": "strong"}
    ),
    "fixmatch_labelled_only": Baseline(
        "FixMatch, labelled images only", "fixmatch", {"unlabeled_from": "labeled"}
    ),
    "fixmatch": Baseline("FixMatch", "fixmatch", {}),
    "supervised_all": Baseline(
        "Supervised, all labels",
        "supervised",
        # As many images per step as FixMatch sees
        {"labeled_view": "strong", "labels_per_class": 0, "batch_size": 64},
    ),
}

# Shown by the benchmark beside the baselines: where the gain does not come from.
CONTROLS = {
    "fixmatch_paper": Baseline(
        "FixMatch, threshold 0.95 without alignment",
        "fixmatch",
        {"labeled_view": "weak", "threshold": 0.95, "alignment": False},
    )
}


def baseline_config(
    name: str,
    base: Config,
    *,
    time: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """Return the config of a baseline, a control, or any method, on the same data.

    Args:
        name: of `BASELINES`, `CONTROLS` or `METHODS`.
        base: everything else. Its method is kept where it is the one that is named;
            another gets the hyperparameters of the preset.
        time: of the preset, "ci", "class" or "home"; default as in `preset`.
        options: hyperparameters for whichever method has them. Those that define the
            baseline cannot be changed.

    Raises:
        WorkshopError: an unknown name; lists the known ones and the nearest.
    """
    known = {method: Baseline(method, method, {}) for method in METHODS}
    known |= BASELINES | CONTROLS
    if name not in known:
        raise unknown_name("method", name, known)
    one = known[name]
    method = base.method
    if base.method_name != one.method:
        method = preset(time, _task(base), one.method).method
    own = method.hyperparameters()
    given = {k: v for k, v in (options or {}).items() if k in own}
    return base.replace(method=method, **{**given, **one.changes})


def quickstart(base: Config, folder: Path, *, fresh: bool = False) -> pd.DataFrame:
    """Train every baseline on one split, and score it; see `folder`/runs.csv.

    Finished runs are loaded and an interrupted one is resumed, unless `fresh`.

    Args:
        base: the config of FixMatch; the others change what `BASELINES` says.
        folder: for the runs, each in the folder of its name.
        fresh: train again, also what is finished.

    Returns:
        A row for each of `BASELINES`, as `run_row` makes it.
    """
    todo = [RunSpec(n, baseline_config(n, base), folder / n) for n in BASELINES]
    return train_all(todo, folder, fresh=fresh)


def baselines_table(rows: pd.DataFrame) -> str:
    """Draw the rows of `quickstart` in text: a bar, score and time of each baseline."""
    by_name = rows.set_index("name")
    lines = []
    for name, one in by_name.iterrows():
        bar = ("#" * round(30 * one["value"])).ljust(30, ".")
        lines.append(
            f"{BASELINES[str(name)].title:34s} {bar} {one['value']:6.1%}"
            f"  {one['labels']:5d} labels  {one['seconds']:4.0f} s"
        )
    value = by_name["value"]
    weak, strong = value["supervised"], value["supervised_strong"]
    better = max(weak, strong)
    control = value["fixmatch_labelled_only"]
    most = max(better, control)  # without unlabelled images
    lines += [
        "",
        f"augmentation was worth           {100 * (strong - weak):+5.1f} points",
        f"FixMatch on the labelled images  {100 * (control - better):+5.1f} points",
        "the unlabelled images themselves"
        f" {100 * (value['fixmatch'] - most):+5.1f} points",
        "FixMatch's settings that differ from the defaults, which are its paper's for"
        f" the method: {by_name['config']['fixmatch'] or 'none'}",
    ]
    return "\n".join(lines)


def _task(config: Config) -> str:
    """Return the task of the preset that a config is closest to."""
    if config.model.features:
        return "finetune" if config.model.skipped_stages else "features"
    if len(config.model.heads) > 1:
        return "multitask"
    return "segment" if "cover" in config.model.heads else "scenes"
