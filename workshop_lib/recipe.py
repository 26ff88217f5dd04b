"""Every knob of a training, on one screen."""

__all__ = ["PRESETS", "Recipe", "preset"]

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from workshop_lib.errors import WorkshopError, unknown_name


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, how, and for how long; `with_` makes a changed copy.

    The defaults are the FixMatch run of the quickstart: about 75 s on two CPU cores.
    Settings that differ from the paper (Sohn et al. 2020) say so.
    """

    # --- data
    data: str = "mini_eo"  # "mini_eo" (or "mini_eo:SEED"), or a folder per class
    size: int = 32  # side of the images in pixels; others are resized to it
    labels_per_class: int = 4  # 0 uses every label of the training part
    split_seed: int = 0  # which images are labelled, unlabelled, validation, test
    # where unlabelled images come from; "labeled" is the control without any
    pool: Literal["all", "labeled"] = "all"

    # --- model
    model: str = "small_cnn"  # small_cnn, wrn-28-2 (any depth and width), resnet18, ...
    projection_dim: int = 0  # width of the projection head; 0 leaves it out

    # --- method
    method: str = "fixmatch"  # supervised, fixmatch
    labeled_view: Literal["weak", "strong"] = "weak"  # augmentation of labelled images
    threshold: float = 0.8  # least confidence of a pseudo-label (paper: 0.95)
    alignment: bool = True  # distribution alignment of pseudo-labels (paper: no)
    temperature: float = 1.0  # of the pseudo-label softmax; below 1 sharpens
    lambda_u: float = 1.0  # weight of the loss on unlabelled images
    joint_forward: bool = False  # True: one forward for all views, as in the paper

    # --- optimisation
    steps: int = 2000  # optimiser steps (paper: 2**20)
    batch_size: int = 16  # labelled images per step, B (paper: 64)
    mu: int = 4  # unlabelled images per labelled one (paper: 7)
    optimizer: Literal["adamw", "sgd"] = "adamw"  # paper: sgd with Nesterov momentum
    lr: float = 0.002  # peak learning rate (paper: 0.03 with sgd)
    weight_decay: float = 0.02  # not on norms and biases (paper: 5e-4 with sgd)
    momentum: float = 0.9  # of sgd
    warmup_steps: int = 30  # linear warm-up before the 7/16 cosine (paper: none)
    ema_decay: float = 0.99  # of the weights that are evaluated (paper: 0.999)

    # --- machine and bookkeeping
    seed: int = 0  # of initial weights, order of images and augmentation
    # number format; auto: half precision where the machine is faster in it
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    eval_every: int = 200  # steps between validations (and checkpoints)

    def __post_init__(self) -> None:
        for name in ("size", "steps", "batch_size", "mu", "eval_every"):
            if getattr(self, name) < 1:
                raise WorkshopError(
                    f"{name}={getattr(self, name)} in the recipe: it must be at least"
                    " 1."
                )
        for name in ("seed", "split_seed"):
            if not 0 <= getattr(self, name) < 2**32:
                raise WorkshopError(
                    f"{name}={getattr(self, name)}: a seed is a whole number from 0 to"
                    f" {2**32 - 1}."
                )
        if self.labels_per_class < 0:
            raise WorkshopError(
                f"labels_per_class={self.labels_per_class}: use 0 for all labels, or a"
                " number of labels per class."
            )
        if not 0 <= self.threshold <= 1:
            raise WorkshopError(
                f"threshold={self.threshold}: a confidence lies between 0 and 1; usual"
                " values are 0.8 to 0.95."
            )

    def with_(self, **changes: Any) -> "Recipe":
        """Return a copy with some knobs changed.

        Raises:
            WorkshopError: a name that is not a knob; lists the known and the nearest.
        """
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("recipe knob", name, known)
        return replace(self, **changes)

    def to_json(self) -> str:
        """Write the recipe as JSON with sorted keys: equal recipes give equal text."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote.

        Raises:
            WorkshopError: the text is damaged, or holds a knob that is not known.
        """
        try:
            knobs = json.loads(text)
        except ValueError as error:
            raise WorkshopError(
                f"this is no recipe ({error}): restore recipe.json, or train anew."
            ) from error
        return cls().with_(**knobs)


# What to change for the time at hand; "class" is the recipe as it stands above.
PRESETS: dict[str, dict[str, Any]] = {
    # A test that all parts work: 1 to 3 s per training, 20 to 50 % on MiniEO.
    "ci": {"steps": 60, "eval_every": 30},
    # MiniEO on two CPU cores: FixMatch 75 s, 88 to 93 %; supervised 25 s, 66 to 79 %.
    "class": {},
    # Near the paper's setting (which has eight times the steps), for a GPU and a day.
    # Not run to the end by us: no figures to promise.
    "home": {
        "joint_forward": True,
        "model": "wrn-28-2",
        "threshold": 0.95,
        "alignment": False,
        "batch_size": 64,
        "mu": 7,
        "steps": 2**17,
        "optimizer": "sgd",
        "lr": 0.03,
        "weight_decay": 5e-4,
        "warmup_steps": 0,
        "ema_decay": 0.999,
        "eval_every": 2**11,
    },
}


def preset(name: str | None = None) -> Recipe:
    """Return the recipe for the time at hand.

    Args:
        name: "ci", "class" or "home"; default the environment variable WORKSHOP_PRESET,
            or "class" where that is not set.

    Raises:
        WorkshopError: an unknown name; lists the known ones.
    """
    name = name or os.environ.get("WORKSHOP_PRESET") or "class"
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return Recipe().with_(**PRESETS[name])
