"""Budget of a training before it starts: will it fit, and how long will it take?"""

__all__ = ["Budget", "Option", "budget"]

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from workshop_lib.config import Config
from workshop_lib.data.random_scenes import random_scenes
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.session import memory as memory_of_device
from workshop_lib.session import pick_device, tune_allocator
from workshop_lib.training.memory import (
    VALIDATION,
    MemoryEstimate,
    estimate_memory,
)
from workshop_lib.training.precision import relative_time, trial_step
from workshop_lib.training.trainer import Trainer
from workshop_lib.training.validation import validate

Clock = Callable[[], float]
_USABLE = 0.9  # of the memory at hand: the rest is the allocator's own waste
_MICRO_BATCHES = (32, 16, 8)
_SMALLEST_IMAGE = 16
_LONGEST = 1.5  # seconds that a timed step may take


@dataclass(frozen=True)
class Option:
    """One way to train: what is changed in the config, and what it then takes."""

    name: str
    changes: dict[str, Any]  # of the config
    need: MemoryEstimate
    seconds_per_step: float
    says: str = ""  # what else changes

    @property
    def flags(self) -> str:
        """The changes as the command line takes them."""
        words = []
        for name, value in self.changes.items():
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words.append(f"--{flag} {value}")
        return " ".join(words)


@dataclass(frozen=True)
class Budget:
    """Memory in bytes, time in seconds, as it is and with changes; print it."""

    config: Config
    options: tuple[Option, ...]  # the first is the config as it is
    room: float  # bytes at hand
    seconds_per_validation: float

    @property
    def memory(self) -> int:
        """Bytes at the fullest moment, without what torch itself takes."""
        return self.options[0].need.total

    @property
    def seconds(self) -> float:
        """Seconds of all steps and validations, without loading the data."""
        return self.seconds_with(self.options[0])

    def seconds_with(self, option: Option) -> float:
        """Return the seconds of the whole training with one of the options."""
        steps = self.config.optim.steps
        validations = math.ceil(steps / self.config.run.eval_every)
        checked = validations * self.seconds_per_validation
        return steps * option.seconds_per_step + checked

    def fits(self, option: Option) -> bool:
        """Return whether an option's memory is at hand, with a tenth to spare."""
        return option.need.total <= _USABLE * self.room

    @property
    def sentence(self) -> str:
        """Whether it fits; if not, the smallest change with which it does."""
        asked = f"{self.memory / 1e9:.2g} of {self.room / 1e9:.3g} GB"
        first, *others = self.options
        if self.fits(first):
            return f"It fits: {asked}, {_time(self.seconds)}."
        option = next((o for o in others if self.fits(o)), None)
        if option is None:
            return (
                f"It does not fit ({asked}), nor with any of these changes: choose a"
                " smaller network, smaller images or a smaller batch."
            )
        slower = option.seconds_per_step / first.seconds_per_step
        says = f"; {option.says}" if option.says else ""
        return (
            f"It does not fit ({asked}); with {option.flags} it does:"
            f" {option.need.total / 1e9:.2g} GB, {slower:.1f} times as long{says}."
        )

    def __str__(self) -> str:
        lines = [
            f"{name:44s}{b / 1e6:9.1f} MB" for name, b in self.options[0].need.rows()
        ]
        lines += [f"{'together':44s}{self.memory / 1e6:9.1f} MB", ""]
        lines.append(f"{'':44s}{'GB':>7s}{'s/step':>9s}{'in all':>9s}  fits")
        for option in self.options:
            lines.append(
                f"{option.name:44s}{option.need.total / 1e9:7.2f}"
                f"{option.seconds_per_step:9.3f}{_time(self.seconds_with(option)):>9s}"
                f"  {'yes' if self.fits(option) else 'no'}"
            )
        return "\n".join([*lines, "", self.sentence])


def budget(
    config: Config,
    facts: Mapping[str, Any],
    *,
    num_images: int = 4000,
    device: torch.device | None = None,
    room: float | None = None,
    alternatives: bool = True,
    clock: Clock = time.perf_counter,
) -> Budget:
    """Predict memory and time of a training, and what would make it smaller.

    Memory is counted on tensors without content (`estimate_memory`), time on three real
    steps on random images, of a smaller batch where the whole would take long: a few
    seconds, and never more memory than there is.

    Args:
        config: what is to be trained.
        facts: sensors, metadata and heads, as `Inputs.facts` and `describe` give them.
        num_images: of the data set.
        device: default the GPU if there is one, else the CPU.
        room: bytes of memory to fit into; None takes what is free on the device.
            Another machine's: times are those of this one all the same.
        alternatives: False looks at the config as it is and no further.
        clock: of the timed steps; `time.process_time` on a machine busy otherwise.

    Raises:
        WorkshopError: a number below 1, or a config that cannot be built.
    """
    if min(num_images, 1 if room is None else room) <= 0:
        raise WorkshopError(f"num_images={num_images}, room={room}: give above 0.")
    device = device or pick_device()
    if device.type == "cpu":
        tune_allocator()
    at_hand = memory_of_device(device)[0] * 2**30
    scenes = random_scenes(facts, config.data.size)
    trainer, ratio = _small_trainer(config, facts, scenes, device, at_hand / 2)
    read = next(iter(trainer.inputs.sensors.values())).shape[2:]  # (H, W) of the model
    stored = [*trainer.inputs.sensors.values(), *trainer.inputs.targets.values()]
    stored += list(getattr(trainer.views, "features", {}).values())
    image_bytes = sum(one.nbytes for one in stored) / len(scenes)

    def need(changed: Config, precision: str) -> MemoryEstimate:
        scale = changed.data.size / config.data.size
        return estimate_memory(
            changed,
            trainer.inputs.facts(),
            size=(round(read[0] * scale), round(read[1] * scale)),
            num_images=num_images,
            image_bytes=round(image_bytes * scale**2),
            precision=precision,
        )

    precision = trainer.precision.name
    step = _median_seconds(trainer.step, 3, device, clock) * ratio
    index = torch.arange(min(len(scenes), 16), device=device)
    look = _median_seconds(
        lambda: validate(trainer.model, trainer.views, index), 3, device, clock
    )
    as_it_is = Option("as it is", {}, need(config, precision), step)
    options = [as_it_is]
    for change in _changes(config, as_it_is.need, precision) * alternatives:
        changed = config.replace(**change.settings)
        wanted = str(change.settings.get("precision", precision))
        needed = need(changed, wanted)
        seconds = step * needed.flops / as_it_is.need.flops
        if wanted != precision and device.type == "cpu":
            shapes = {k: tuple(v.shape[1:]) for k, v in trainer.inputs.sensors.items()}
            seconds *= relative_time(trial_step(trainer.model, 8, shapes))
        options.append(
            Option(change.name, change.settings, needed, seconds, change.says)
        )
    validated = math.ceil(VALIDATION * num_images)
    return Budget(
        config=config,
        options=tuple(options),
        room=at_hand if room is None else room,
        # The averaged and the online weights look at each image
        seconds_per_validation=2 * validated * look / len(index),
    )


def _small_trainer(
    config: Config,
    facts: Mapping[str, Any],
    scenes: Scenes,
    device: torch.device,
    room: float,
) -> tuple[Trainer, float]:
    """Make a trainer whose steps are short and fit, warmed up by one step.

    Returns:
        The trainer, and how many of its steps one step of the config takes: their
        arithmetic is very nearly proportional to the number of images.
    """
    every = torch.arange(len(scenes))
    split = Split(labeled=every, unlabeled=every, val=every[:1], test=every[:0])
    B, mu = config.optim.batch_size, config.optim.mu
    base = config.replace(propagation_steps=0)

    def trainer_of(batch: int, unlabeled: int) -> Trainer:
        small = base.replace(batch_size=batch, mu=unlabeled)
        trainer = Trainer(small, scenes, split, device)
        trainer.step()
        return trainer

    least = min(2, B)
    probe = trainer_of(least, 1)
    seconds = _median_seconds(probe.step, 1, device, time.perf_counter)
    images = least * 2  # labelled and unlabelled ones of the probe's step
    fraction = min(1.0, _LONGEST / (seconds * B * (1 + mu) / images))
    batch = int(B * fraction)
    while batch >= least:
        small = base.replace(batch_size=batch)
        if estimate_memory(small, probe.inputs.facts()).total <= room:
            return trainer_of(batch, mu), B / batch
        batch //= 2
    return probe, B * (1 + mu) / images


@dataclass(frozen=True)
class _Change:
    name: str
    settings: dict[str, Any]
    says: str = ""


def _changes(config: Config, need: MemoryEstimate, precision: str) -> list[_Change]:
    """List what may be changed, from what changes least to what changes most."""
    n, run = need.images_with_gradient, config.run
    blocks = not config.model.features  # a head on features has none
    changes = []
    if blocks and not run.checkpointing:
        spared = {"checkpointing": True}
        changes.append(_Change("checkpointing", spared, "no number changes"))
    if precision == "fp32":
        changes.append(_Change("half precision (bf16)", {"precision": "bf16"}))
    if getattr(config.method, "joint_forward", False):
        says = "the weak view has batch statistics of its own"
        apart = {"joint_forward": False}
        changes.append(_Change("weak view apart, without gradient", apart, says))
    least = min(_MICRO_BATCHES)
    for m in (*_MICRO_BATCHES, 0):  # 0: the least, with checkpointing as well
        if not blocks or (m or least) >= min(n, run.micro_batch or n):
            continue
        says = f"batch norm takes its statistics from {m or least} images, not {n}"
        settings: dict[str, Any] = {"micro_batch": m or least}
        if m:
            changes.append(_Change(f"micro-batches of {m}", settings, says))
        else:
            name = f"checkpointing, micro-batches of {least}"
            changes.append(_Change(name, {"checkpointing": True, **settings}, says))
    for size in (config.data.size * 3 // 4, config.data.size // 2):
        if blocks and size >= _SMALLEST_IMAGE:
            says = "smaller images show less"
            changes.append(_Change(f"images of {size} pixels", {"size": size}, says))
    return changes


def _median_seconds(
    work: Callable[[], object], count: int, device: torch.device, clock: Clock
) -> float:
    seconds = []
    for _ in range(count):
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(clock() - start)
    return median(seconds)


def _time(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
