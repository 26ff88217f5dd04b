"""What a training will need, before it is started: will it fit, and how long?"""

__all__ = ["Budget", "Option", "budget"]

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe
from workshop_lib.session import memory as memory_of_device
from workshop_lib.session import pick_device, tune_allocator
from workshop_lib.training.memory import VALIDATION, MemoryNeed, act_out
from workshop_lib.training.pixel_task import PixelTask
from workshop_lib.training.step_time import (
    first_trainer,
    half_precision,
    random_scenes,
    ratio_of_formats,
    time_steps,
)
from workshop_lib.training.trainer import Trainer

_SPARE = 0.9  # of the memory at hand: the rest is the allocator's own waste
_MICRO_BATCHES = (32, 16, 8)
_SMALLEST_IMAGE = 16


@dataclass(frozen=True)
class Option:
    """One way to train: what is changed in the recipe, and what it then takes."""

    name: str
    changes: dict[str, object]  # of the recipe
    need: MemoryNeed
    seconds_per_step: float
    says: str = ""  # what else changes

    @property
    def flags(self) -> str:
        """The changes as the command line takes them."""
        words = []
        for knob, value in self.changes.items():
            flag = knob.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words.append(f"--{flag} {value}")
        return " ".join(words)


@dataclass(frozen=True)
class Budget:
    """Memory in bytes, time in seconds, as it is and with changes; print it."""

    recipe: Recipe
    options: tuple[Option, ...]  # the first is the recipe as it is
    room: float  # bytes at hand
    seconds_per_validation: float
    timed: Recipe  # whose steps were timed

    @property
    def need(self) -> MemoryNeed:
        """What the recipe takes as it is."""
        return self.options[0].need

    @property
    def memory(self) -> int:
        """Bytes at the fullest moment, without what torch itself takes."""
        return self.need.total

    @property
    def seconds_per_step(self) -> float:
        """Seconds of one step."""
        return self.options[0].seconds_per_step

    @property
    def seconds(self) -> float:
        """Seconds of all steps and validations, without loading the data."""
        return self.seconds_with(self.options[0])

    def seconds_with(self, option: Option) -> float:
        """Return the seconds of the whole training with one of the options."""
        validations = math.ceil(self.recipe.steps / self.recipe.eval_every)
        steps = self.recipe.steps * option.seconds_per_step
        return steps + validations * self.seconds_per_validation

    def fits(self, option: Option) -> bool:
        """Tell whether an option's memory is at hand, with a tenth to spare."""
        return option.need.total <= _SPARE * self.room

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
        lines = [f"{name:44s}{b / 1e6:9.1f} MB" for name, b in self.need.rows()]
        lines += [f"{'together':44s}{self.memory / 1e6:9.1f} MB", ""]
        lines.append(f"{'':44s}{'GB':>7s}{'s/step':>9s}{'in all':>9s}  fits")
        for option in self.options:
            lines.append(
                f"{option.name:44s}{option.need.total / 1e9:7.2f}"
                f"{option.seconds_per_step:9.3f}{_time(self.seconds_with(option)):>9s}"
                f"  {'yes' if self.fits(option) else 'no'}"
            )
        if self.timed != self.recipe:
            lines.append(
                f"(timed with batch_size={self.timed.batch_size}, mu={self.timed.mu})"
            )
        return "\n".join([*lines, "", self.sentence])


def budget(
    recipe: Recipe,
    *,
    num_images: int = 4000,
    channels: int = 4,
    num_classes: int = 10,
    band_names: Sequence[str] = (),
    device: torch.device | None = None,
    room: float | None = None,
    alternatives: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> Budget:
    """Foresee memory and time of a recipe, and what would make it smaller.

    Memory is counted on tensors without content (`training.memory`), time on a few
    real steps on random images (`training.step_time`): a few seconds, and never more
    memory than there is.

    Args:
        recipe: what is to be trained.
        num_images, channels, num_classes: of the data that the recipe will meet
            (classes of pixels with task="segment"); 3 channels are taken as 8-bit RGB,
            others as 32-bit reflectance.
        band_names: of the channels, for a recipe that fuses modalities
            (`data.load.describe_bands`).
        device: default the GPU if there is one, else the CPU.
        room: bytes of memory to fit into; None takes what is free on the device.
            Another machine's: times are those of this one all the same.
        alternatives: False looks at the recipe as it is and no further.
        clock: of the timed steps; `time.process_time` on a machine busy otherwise.

    Raises:
        WorkshopError: a number below 1, or a recipe that cannot be built.
    """
    if min(num_images, channels, num_classes) < 1:
        raise WorkshopError(
            f"num_images={num_images}, channels={channels}, num_classes={num_classes}:"
            " each must be at least 1."
        )
    if bool(recipe.modalities) != bool(groups(band_names)) or (
        recipe.modalities and len(band_names) != channels
    ):
        raise WorkshopError(
            f"modalities={recipe.modalities}, {channels} channels named"
            f" {', '.join(band_names) or '(not)'}: give band_names as `describe_bands`"
            " of the recipe returns them."
        )
    if room is not None and room <= 0:
        raise WorkshopError(f"memory of {room / 1e9:g} GB: it must be above 0.")
    device = device or pick_device()
    if device.type == "cpu":
        tune_allocator()
    scenes = random_scenes(recipe, channels, num_classes, band_names)
    at_hand = memory_of_device(device)[0] * 2**30
    first = first_trainer(recipe, scenes, device)
    bands, *sides = first.views.inputs[0].shape[1:]  # features are images of one pixel
    stored = _stored(first) / len(scenes)  # bytes

    def need(changed: Recipe, precision: str) -> MemoryNeed:
        share = changed.size / recipe.size
        height, width = (round(side * share) for side in sides)
        return act_out(
            changed,
            shape=(bands, height, width),
            num_classes=num_classes,
            num_images=num_images,
            image_bytes=round(stored * share**2),
            precision=precision,
            band_names=band_names,
        )

    took = time_steps(recipe, scenes, first, need, at_hand / 2, clock)
    as_it_is = Option("as it is", {}, need(recipe, took.precision), took.step)
    options = [as_it_is]
    for change in _changes(recipe, as_it_is.need, took.precision) * alternatives:
        changed = recipe.with_(**change.knobs)
        precision = str(change.knobs.get("precision", took.precision))
        needed = need(changed, precision)
        seconds = took.scaled(needed.flops / as_it_is.need.flops)
        if changed.size != recipe.size:
            seconds = took.step * (changed.size / recipe.size) ** 2
        if precision != took.precision:
            formats = (took.precision, precision)
            seconds *= ratio_of_formats(first.recipe, scenes, device, formats, clock)
        options.append(Option(change.name, change.knobs, needed, seconds, change.says))
    validated = math.ceil(VALIDATION * num_images)
    return Budget(
        recipe=recipe,
        options=tuple(options),
        room=at_hand if room is None else room,
        # The averaged and the online weights look at each image
        seconds_per_validation=2 * validated * took.image,
        timed=took.timed,
    )


@dataclass(frozen=True)
class _Change:
    name: str
    knobs: dict[str, Any]
    says: str = ""


def _changes(recipe: Recipe, need: MemoryNeed, precision: str) -> list[_Change]:
    """List what may be changed, from what changes least to what changes most."""
    n = need.images_with_gradient
    blocks = not recipe.features  # a head on features has none
    changes = []
    if blocks and not recipe.checkpointing:
        knobs = {"checkpointing": True}
        changes.append(_Change("checkpointing", knobs, "no number changes"))
    if precision == "fp32":
        half = {"precision": half_precision()}
        changes.append(_Change(f"half precision ({half['precision']})", half))
    if recipe.joint_forward:
        says = "the weak view has batch statistics of its own"
        apart = {"joint_forward": False}
        changes.append(_Change("weak view apart, without gradient", apart, says))
    for m in _MICRO_BATCHES:
        if blocks and m < min(n, recipe.micro_batch or n):
            says = f"batch normalisation takes its statistics from {m} images, not {n}"
            changes.append(_Change(f"micro-batches of {m}", {"micro_batch": m}, says))
    if blocks and n > min(_MICRO_BATCHES):
        m = min(_MICRO_BATCHES)
        both: dict[str, Any] = {"checkpointing": True, "micro_batch": m}
        says = f"batch normalisation takes its statistics from {m} images, not {n}"
        changes.append(_Change(f"checkpointing, micro-batches of {m}", both, says))
    for size in (recipe.size * 3 // 4, recipe.size // 2):
        if blocks and size >= _SMALLEST_IMAGE:
            says = "smaller images show less"
            changes.append(_Change(f"images of {size} pixels", {"size": size}, says))
    return changes


def _stored(trainer: Trainer) -> int:
    """Return the bytes of all images, or their features, and masks on the device."""
    kept = [*trainer.views.inputs, *getattr(trainer.views, "features", {}).values()]
    if isinstance(trainer.task, PixelTask):
        kept.append(trainer.task.masks)
    return sum(one.nbytes for one in kept)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
