"""The ladder: weak, strong, FixMatch, all labels; one split, as many steps each."""

__all__ = ["CONTROLS", "LADDER", "ladder_recipe"]

from typing import Any

from workshop_lib.errors import unknown_name
from workshop_lib.methods import METHODS
from workshop_lib.recipe import Recipe

# What each rung changes in the recipe, and its title.
LADDER: dict[str, tuple[str, dict[str, Any]]] = {
    "supervised": (
        "Supervised, weak augmentation",
        {"method": "supervised", "labeled_view": "weak"},
    ),
    "supervised_strong": (
        "Supervised, strong augmentation",
        {"method": "supervised", "labeled_view": "strong"},
    ),
    "fixmatch": ("FixMatch", {"method": "fixmatch"}),
    "supervised_all": (
        "Supervised, all labels",
        {
            "method": "supervised",
            "labeled_view": "strong",
            "labels_per_class": 0,
            "batch_size": 64,  # as many images per step as FixMatch sees
        },
    ),
}

# Shown by the benchmark beside the ladder: what the gain does not come from.
CONTROLS: dict[str, tuple[str, dict[str, Any]]] = {
    "fixmatch_labelled_only": (
        "FixMatch, pool of labelled images only",
        {"method": "fixmatch", "pool": "labeled"},
    ),
    "fixmatch_paper": (
        "FixMatch, threshold 0.95 without alignment",
        {
            "method": "fixmatch",
            "labeled_view": "weak",
            "threshold": 0.95,
            "alignment": False,
        },
    ),
}


def ladder_recipe(name: str, base: Recipe) -> Recipe:
    """Turn a recipe into that of one rung of the ladder, a control, or any method.

    Raises:
        WorkshopError: an unknown name; lists the known ones.
    """
    changes = {method: {"method": method} for method in METHODS}
    changes |= {rung: change for rung, (_, change) in {**LADDER, **CONTROLS}.items()}
    if name not in changes:
        raise unknown_name("method", name, changes)
    return base.with_(**changes[name])
