"""Baselines: supervised with weak and strong augmentation, FixMatch, all labels.

All on one split, with as many steps each. A gain over the better of the two supervised
baselines is what unlabelled images are worth; the ceiling has all labels.
"""

__all__ = ["BASELINES", "CONTROLS", "Baseline", "baseline_config"]

from collections.abc import Mapping
from typing import Any, NamedTuple

from workshop_lib.config import Config
from workshop_lib.errors import unknown_name
from workshop_lib.methods import METHODS
from workshop_lib.presets import preset_method


class Baseline(NamedTuple):
    """One bar of the comparison: its title, and what it changes in a config."""

    title: str
    method: str
    hyperparameters: Mapping[str, Any]
    settings: Mapping[str, Any]


BASELINES = {
    "supervised": Baseline(
        "Supervised, weak augmentation", "supervised", {"labeled_view": "weak"}, {}
    ),
    "supervised_strong": Baseline(
        "Supervised, strong augmentation", "supervised", {"labeled_view": "strong"}, {}
    ),
    "fixmatch": Baseline("FixMatch", "fixmatch", {}, {}),
    "supervised_all": Baseline(
        "Supervised, all labels",
        "supervised",
        {"labeled_view": "strong"},
        # As many images per step as FixMatch sees
        {"labels_per_class": 0, "batch_size": 64},
    ),
}

# Shown by the benchmark beside the baselines: where the gain does not come from.
CONTROLS = {
    "fixmatch_labelled_only": Baseline(
        "FixMatch, labelled images only", "fixmatch", {}, {"unlabeled_from": "labeled"}
    ),
    "fixmatch_paper": Baseline(
        "FixMatch, threshold 0.95 without alignment",
        "fixmatch",
        {"labeled_view": "weak", "threshold": 0.95, "alignment": False},
        {},
    ),
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
    known = {**{method: Baseline(method, method, {}, {}) for method in METHODS}}
    known |= {**BASELINES, **CONTROLS}
    if name not in known:
        raise unknown_name("method", name, known)
    one = known[name]
    method = base.method
    if base.method_name != one.method:
        method = preset_method(one.method, time, _task(base))
    own = method.hyperparameters()
    given = {k: v for k, v in (options or {}).items() if k in own}
    changes = {**given, **one.hyperparameters, **one.settings}
    return base.replace(method=method, **changes)


def _task(config: Config) -> str:
    """Return the task of the preset that a config is closest to."""
    if config.model.features:
        return "features"
    return "segment" if "cover" in config.model.heads else "scenes"
