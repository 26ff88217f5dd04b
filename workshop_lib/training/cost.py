"""Cost of a training before it starts: will it fit, and how long will it take?"""

__all__ = ["Budget", "Option", "budget"]

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from workshop_lib.config import Config
from workshop_lib.data.samples import random_scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.presets import flag_words
from workshop_lib.session import memory as memory_of_device
from workshop_lib.session import pick_device, tune_allocator
from workshop_lib.training.memory import VALIDATION, MemoryEstimate, estimate_memory
from workshop_lib.training.step import relative_time, trial_step
from workshop_lib.training.trainer import Trainer

Clock = Callable[[], float]
Change = tuple[str, dict[str, Any], str]  # name, settings, what else changes
_USABLE = 0.9  # of the memory at hand: the rest is the allocator's own waste
_SMALLEST_IMAGE = 16
_LONGEST = 1.5  # seconds that a timed step may take
_VALIDATED = 16  # images of a timed validation


@dataclass(frozen=True)
class Option:
    """One way to train: what is changed in the config, and what it then takes."""

    name: str
    changes: dict[str, Any]  # of the config
    says: str  # what else changes
    need: MemoryEstimate
    fits: bool  # into the memory at hand, with a tenth to spare
    seconds_per_step: float
    seconds: float  # of all steps and validations, without loading the data


@dataclass(frozen=True)
class Budget:
    """Memory in bytes, time in seconds, as it is and with changes; print it."""

    options: tuple[Option, ...]  # the first is the config as it is
    room: float  # bytes at hand

    @property
    def memory(self) -> int:
        """Bytes at the fullest moment, without what torch itself takes."""
        return self.options[0].need.total

    @property
    def seconds(self) -> float:
        """Seconds of all steps and validations, without loading the data."""
        return self.options[0].seconds

    @property
    def sentence(self) -> str:
        """Whether it fits; if not, the smallest change with which it does."""
        asked = f"{self.memory / 1e9:.2g} of {self.room / 1e9:.3g} GB"
        first, *_ = self.options
        if first.fits:
            return f"It fits: {asked}, {_time(self.seconds)}."
        option = next((o for o in self.options if o.fits), None)
        if option is None:
            return (
                f"It does not fit ({asked}), nor with any of these changes: choose a"
                " smaller network, smaller images or a smaller batch."
            )
        slower = option.seconds_per_step / first.seconds_per_step
        says = f"; {option.says}" if option.says else ""
        words = [flag_words(name, value) for name, value in option.changes.items()]
        return (
            f"It does not fit ({asked}); with {' '.join(sum(words, []))} it does:"
            f" {option.need.total / 1e9:.2g} GB, {slower:.1f} times as long{says}."
        )

    def __str__(self) -> str:
        rows = [*self.options[0].need.rows.items(), ("together", self.memory)]
        lines = [f"{name:44s}{size / 1e6:9.1f} MB" for name, size in rows]
        lines += ["", f"{'':44s}{'GB':>7s}{'s/step':>9s}{'in all':>9s}  fits"]
        for option in self.options:
            lines.append(
                f"{option.name:44s}{option.need.total / 1e9:7.2f}"
                f"{option.seconds_per_step:9.3f}{_time(option.seconds):>9s}"
                f"  {'yes' if option.fits else 'no'}"
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
    if num_images <= 0 or (room is not None and room <= 0):
        raise WorkshopError(f"num_images={num_images}, room={room}: give above 0.")
    device = device or pick_device()
    if device.type == "cpu":
        tune_allocator()
    at_hand = memory_of_device(device)[0] * 2**30
    room = at_hand if room is None else room
    trainer, flops = _small_trainer(config, facts, device, at_hand / 2)
    inputs, format_now = trainer.inputs, trainer.precision.name
    step = _median_seconds(trainer.step, 3, device, clock)
    look = _median_seconds(trainer.validate, 3, device, clock)
    looks = math.ceil(config.optim.steps / config.run.eval_every)
    looking = looks * math.ceil(VALIDATION * num_images) * look / _VALIDATED

    def option(name: str, settings: dict[str, Any], says: str) -> Option:
        precision = str(settings.get("precision", format_now))
        need = _need(config.replace(**settings), trainer, num_images, precision)
        seconds = step * need.flops / flops
        if precision != format_now and device.type == "cpu":
            seconds *= relative_time(trial_step(trainer.model, 8, inputs.sensors))
        fits = need.total <= _USABLE * room
        total = config.optim.steps * seconds + looking
        return Option(name, settings, says, need, fits, seconds, total)

    options = [option("as it is", {}, "")]
    if alternatives:
        changes = _changes(config, options[0].need, format_now)
        options += [option(*change) for change in changes]
    return Budget(tuple(options), room)


def _small_trainer(
    config: Config, facts: Mapping[str, Any], device: torch.device, room: float
) -> tuple[Trainer, int]:
    """Make a trainer whose steps are short and fit, warmed up by one step.

    Its batch is the whole one, or a half, a quarter, and so on: whichever takes no
    longer than `_LONGEST`, judged by a step of two labelled and two unlabelled images.

    Returns:
        The trainer, and the arithmetic of its steps.
    """
    scenes = random_scenes(facts, config.data.size)
    every = torch.arange(len(scenes))
    split = Split(every, every, val=every[:_VALIDATED], test=every[:0])

    def trainer_of(batch: int, mu: int) -> Trainer:
        small = config.replace(propagation_steps=0, batch_size=batch, mu=mu)
        trainer = Trainer(small, scenes, split, device)
        trainer.step()
        return trainer

    batch, least = config.optim.batch_size, min(2, config.optim.batch_size)
    probe = trainer_of(least, 1)
    n, precision = len(scenes), probe.precision.name
    flops = _need(probe.config, probe, n, precision).flops
    seconds = _median_seconds(probe.step, 1, device, time.perf_counter)
    while batch >= least:
        need = _need(config.replace(batch_size=batch), probe, n, precision)
        if need.total <= room and seconds * need.flops / flops <= _LONGEST:
            return trainer_of(batch, config.optim.mu), need.flops
        batch //= 2
    return probe, flops


def _need(
    config: Config, trainer: Trainer, num_images: int, precision: str
) -> MemoryEstimate:
    """Predict the memory of a config on images such as those of a trainer."""
    inputs = trainer.inputs
    stored = [*inputs.sensors.values(), *inputs.targets.values()]
    stored += inputs.features.values()
    image_bytes = sum(one.nbytes for one in stored) / len(stored[0])
    scale = config.data.size / trainer.config.data.size
    return estimate_memory(
        config,
        inputs.facts(),
        num_images=num_images,
        image_bytes=round(image_bytes * scale**2),
        precision=precision,
    )


def _changes(config: Config, need: MemoryEstimate, precision: str) -> list[Change]:
    """List what may be changed, from what changes least to what changes most."""
    n, run, found = need.images_with_gradient, config.run, list[Change]()
    pixels = not config.model.features  # a head on features has no blocks
    spared = {"checkpointing": True}
    if pixels and not run.checkpointing:
        found.append(("checkpointing", spared, "no number changes"))
    if precision == "fp32":
        found.append(("half precision (bf16)", {"precision": "bf16"}, ""))
    own = config.method.hyperparameters()
    if own.get("joint_forward") and not own.get("teacher_decay"):
        says = "the weak view has batch statistics of its own"
        name = "weak view apart, without gradient"
        found.append((name, {"joint_forward": False}, says))
    if not pixels:
        return found
    for m, more in ((32, {}), (16, {}), (8, {}), (8, spared)):
        if m < min(n, run.micro_batch or n):
            name = f"micro-batches of {m}" + (", checkpointing" if more else "")
            says = f"batch norm takes its statistics from {m} images, not {n}"
            found.append((name, {**more, "micro_batch": m}, says))
    for size in (config.data.size * 3 // 4, config.data.size // 2):
        if size >= _SMALLEST_IMAGE:
            name = f"images of {size} pixels"
            found.append((name, {"size": size}, "smaller images show less"))
    return found


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
