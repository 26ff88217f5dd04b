"""Presets: the config for the time and the task at hand.

time    ci      a test that all parts work: 1 to 3 s per training
        class   the time of a workshop: MiniEO on two CPU cores, FixMatch 75 s
        home    near the paper's setting, for a GPU and a day; not run to the end
task    scenes    a class per image, from random weights
        segment   maps from ten labelled tiles, see docs/segmentation.md
        multitask class, map and elevation with one network, see docs/multitask.md
        features  photographs, on the features of a frozen pretrained network
        finetune  photographs, its last stage trained too: from 25 labels per class on,
                  see docs/results.md
        pretrain  an encoder, without labels: SimCLR
"""

__all__ = [
    "TASKS",
    "TIMES",
    "preset",
    "preset_hyperparameters",
    "preset_settings",
    "preset_time",
    "train_flags",
]

import os
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from workshop_lib.config import Config, method_class
from workshop_lib.errors import unknown_name

# What each changes; "class" and "scenes" are the config's own defaults.
TIMES: dict[str, dict[str, Any]] = {
    "ci": {"steps": 60, "eval_every": 30},
    "class": {},
    "home": {
        "encoder": "wrn-28-2",
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
TASKS: dict[str, dict[str, Any]] = {
    "scenes": {},
    "segment": {
        "heads": ("cover",),
        "encoder": "unet-16",
        "labels_per_class": 1,
        "batch_size": 8,
        "mu": 2,
        "eval_every": 250,
    },
    "multitask": {
        "heads": ("scene", "cover", "elevation"),
        "labels_per_class": 0,
        "labels_per_head": (0, 1, 0),
        "encoder": "unet-8",
        "batch_size": 32,
        "mu": 1,
        "steps": 1000,
        "eval_every": 250,
    },
    "features": {
        "size": 160,
        "features": "efficientnet_lite0",
        "feature_size": 160,
        "feature_views": 6,
        "propagation_steps": 300,
        "encoder": "mlp-256",
        "steps": 1000,
        "batch_size": 32,
        "mu": 7,
        "lr": 0.001,
        "weight_decay": 0.2,
        "eval_every": 250,
    },
    "finetune": {
        "size": 160,
        "features": "efficientnet_lite0",
        "feature_size": 160,
        "feature_views": 4,
        "propagation_steps": 200,
        "encoder": "efficientnet_lite0",
        "init_from": "imagenet",
        "freeze": 4,
        "encoder_lr": 0.2,
        "weight_decay": 0.1,
        "steps": 400,
        "eval_every": 100,
    },
    "pretrain": {"batch_size": 64, "mu": 1, "steps": 3000, "eval_every": 250},
}
# Hyperparameters of whichever method has them, where they differ from its paper's.
_SHORT = {"threshold": 0.8, "alignment": True, "momentum": 0.99}
_METHOD: dict[str, dict[str, Any]] = {
    "ci": _SHORT,
    "class": _SHORT,
    "home": {"joint_forward": True},
    "scenes": {},
    "segment": {"labeled_view": "strong", "threshold": 0.6, "teacher_decay": 0.99},
    "multitask": {"labeled_view": "strong", "teacher_decay": 0.99},
    "features": {"labeled_view": "strong", "threshold": 0.9},
    "finetune": {"labeled_view": "strong", "threshold": 0.95, "teacher_decay": 0.99},
    "pretrain": {"view": "strong"},  # better at 32 px: docs/pretraining.md
}


def preset(
    time: str | None = None,
    task: str = "scenes",
    method: Any = None,
    **changes: Any,
) -> Config:
    """Return the config for the time and the task at hand.

    Args:
        time: "ci", "class" or "home"; default the environment variable
            WORKSHOP_PRESET, or "class" where that is not set.
        task: "scenes", "segment", "multitask", "features", "finetune" or "pretrain".
        method: a name, whose hyperparameters fit time and task; or an instance, which
            is taken as it is. Default "simclr" to pretrain, else "fixmatch".
        changes: settings by name, as `Config.replace` takes them.

    Raises:
        WorkshopError: an unknown name; lists the known ones and the nearest.

    >>> preset("class", method="freematch", steps=500).method.momentum
    0.99
    """
    time = time or preset_time()
    settings = preset_settings(time, task)
    method = method or usual_method(task)
    if isinstance(method, str):
        cls = method_class(method)
        known = [f.name for f in fields(cls)]
        method = cls(**preset_hyperparameters(method, known, time, task))
    return Config().replace(method=method, **settings).replace(**changes)


def usual_method(task: str) -> str:
    """Return the method that a task is usually learned with."""
    return "simclr" if task == "pretrain" else "fixmatch"


def preset_settings(time: str, task: str) -> dict[str, Any]:
    """Return the settings that a time and a task change, without importing torch.

    Raises:
        WorkshopError: an unknown name; lists the known ones and the nearest.
    """
    for kind, name, known in (("preset", time, TIMES), ("task", task, TASKS)):
        if name not in known:
            raise unknown_name(kind, name, known)
    both = [TIMES[time], TASKS[task]]
    first, last = reversed(both) if time == "ci" else both
    settings = {**first, **last}
    if settings.get("propagation_steps", 0) >= settings.get("steps", 2000):
        settings["propagation_steps"] = settings["steps"] // 3
    return settings


def preset_hyperparameters(
    name: str, known: Iterable[str], time: str, task: str
) -> dict[str, Any]:
    """Return the hyperparameters that a time and a task change, without torch.

    Args:
        name: of the method.
        known: names of all its hyperparameters.
        time, task: as in `preset`.
    """
    values = {**_METHOD[time], **_METHOD[task]}
    if name == "mean_teacher":  # the teacher is the average that is evaluated
        values["teacher_decay"] = preset_settings(time, task).get("ema_decay", 0.99)
    return {k: v for k, v in values.items() if k in set(known)}


def preset_time() -> str:
    """Return the environment variable WORKSHOP_PRESET, or "class"."""
    return os.environ.get("WORKSHOP_PRESET") or "class"


def flag_words(name: str, value: Any) -> list[str]:
    """Return a setting as the command line takes it.

    >>> flag_words("batch_size", 8), flag_words("checkpointing", False)
    (['--batch-size', '8'], ['--no-checkpointing'])
    """
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    several = value if isinstance(value, list | tuple) else (value,)
    return [f"--{flag}", *map(str, several)]


def train_flags(config: Config) -> list[str]:
    """Return the flags of `workshop train` that make this config, whatever is set.

    >>> train_flags(preset("class", method="uda", lr=0.01))
    ['--preset', 'class', '--task', 'scenes', '--method', 'uda', '--lr', '0.01']
    """
    usual = preset("class", method=config.method_name)
    flags = ["--preset", "class", "--task", "scenes", "--method", config.method_name]
    for name, (value, _) in config.difference(usual).items():
        name = "data" if name == "data.name" else name.partition(".")[2]
        flags += flag_words(name, value)
    return flags
