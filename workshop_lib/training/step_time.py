"""How long a step takes here: a few real ones, at a batch that fits."""

__all__ = [
    "StepTime",
    "first_trainer",
    "half_precision",
    "random_scenes",
    "ratio_of_formats",
    "time_steps",
]

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.models.predict import predict
from workshop_lib.recipe import Recipe
from workshop_lib.training.memory import MemoryNeed
from workshop_lib.training.trainer import Trainer

Clock = Callable[[], float]

_WARM_UP, _TIMED = 2, 5
_LONGEST = 1.5  # seconds that a timed step may take
_SMALL = 2  # labeled images of the first try
_HOPELESS = 3.0  # times as long: no need to try a second time


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step of the whole batch, and what they were found with."""

    step: float
    drawing: float  # the part of it that makes the views
    image: float  # of looking at one image in a validation
    precision: str  # that the recipe comes to here
    timed: Recipe  # whose steps were timed: the recipe, or one with a smaller batch

    def scaled(self, share: float) -> float:
        """Return the seconds of a step of so much of the arithmetic, same views."""
        return (self.step - self.drawing) * share + self.drawing


def first_trainer(recipe: Recipe, scenes: Scenes, device: torch.device) -> Trainer:
    """Make a trainer of the smallest batch, whose step is taken before all others."""
    small = recipe.with_(batch_size=min(recipe.batch_size, _SMALL), mu=1)
    return Trainer(small, scenes, _everything(scenes), device)


def time_steps(
    recipe: Recipe,
    scenes: Scenes,
    first: Trainer,
    act_out: Callable[[Recipe, str], MemoryNeed],
    room: float,
    clock: Clock = time.perf_counter,
) -> StepTime:
    """Time steps of a recipe, of a smaller batch where the whole would take long.

    The time of a smaller batch is scaled by its arithmetic, which `act_out` counts:
    in images that is very nearly a straight line.

    Args:
        recipe: what is to be trained.
        scenes: images to do it with.
        first: of `first_trainer`; says where.
        act_out: gives arithmetic and memory of a recipe in a number format.
        room: bytes that the timed step may take.
        clock: what tells the seconds.
    """
    small, device, precision = first.recipe, first.device, first.precision.name
    first.step()
    seconds = _steps(first, 1, clock)
    whole, tried = act_out(recipe, precision), act_out(small, precision)
    times = _LONGEST / seconds * tried.flops  # what may be timed
    timed = recipe
    if whole.flops > times or whole.total > room:
        shrunk = _shrunk(recipe, times / whole.flops)
        if act_out(shrunk, precision).total > room:
            shrunk = small
        timed = shrunk
    flops = act_out(timed, precision).flops
    fixed = timed.with_(precision=precision)
    trainer = Trainer(fixed, scenes, _everything(scenes), device)
    for _ in range(_WARM_UP):
        trainer.step()
    seconds = _steps(trainer, _TIMED, clock)
    share = recipe.batch_size * (1 + recipe.mu) / (timed.batch_size * (1 + timed.mu))
    drawing = _median(trainer.draw_batch, 3, device, clock)
    n = min(len(scenes), 16)
    inputs = [view[:n] for view in trainer.views.inputs]

    def look() -> None:
        for view in inputs:
            predict(trainer.model, trainer.normalize, view)

    look()
    return StepTime(
        step=(seconds - drawing) * whole.flops / flops + drawing * share,
        drawing=drawing * share,
        image=_median(look, 3, device, clock) / n,
        precision=precision,
        timed=timed,
    )


def half_precision() -> str:
    """Return the half precision that this machine's GPU has, bf16 without one."""
    if torch.cuda.is_available() and torch.cuda.get_device_capability()[0] < 8:
        return "fp16"
    return "bf16"


def ratio_of_formats(
    recipe: Recipe,
    scenes: Scenes,
    device: torch.device,
    formats: tuple[str, str],
    clock: Clock = time.perf_counter,
) -> float:
    """Return how many times as long a step takes in the second of two formats."""
    took: list[float] = []
    for name in formats:
        fixed = recipe.with_(precision=name)
        trainer = Trainer(fixed, scenes, _everything(scenes), device)
        once = _steps(trainer, 1, clock)
        hopeless = bool(took) and once > _HOPELESS * took[0]  # it is emulated here
        took.append(once if hopeless else _steps(trainer, 3, clock))
    return took[1] / took[0]


def _shrunk(recipe: Recipe, share: float) -> Recipe:
    """Return a recipe of about this share of the images, as like as can be."""
    batch = int(recipe.batch_size * share)
    if batch >= _SMALL:
        return recipe.with_(batch_size=batch)
    batch = min(recipe.batch_size, _SMALL)
    mu = int(recipe.batch_size * (1 + recipe.mu) * share / batch) - 1
    return recipe.with_(batch_size=batch, mu=max(1, min(mu, recipe.mu)))


def _everything(scenes: Scenes) -> Split:
    every = torch.arange(len(scenes))
    return Split(labeled=every, unlabeled=every, val=every[:1], test=every[:0])


def _steps(trainer: Trainer, count: int, clock: Clock) -> float:
    return _median(trainer.step, count, trainer.device, clock)


def _median(
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


def random_scenes(
    recipe: Recipe, channels: int, num_classes: int, band_names: Sequence[str]
) -> Scenes:
    """Make up images, and masks where maps are learnt, to time steps with.

    Args:
        recipe: its size and task; three channels without names are 8-bit RGB.
        channels, num_classes, band_names: see `budget`.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (max(2 * num_classes, 64), channels, recipe.size, recipe.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    rgb = channels == 3 and not band_names
    names = tuple(f"class {k}" for k in range(num_classes))
    masks = torch.randint(0, num_classes, (shape[0], *shape[2:]), generator=generator)
    maps = recipe.task == "segment"
    return Scenes(
        images=images if rgb else images.float() / 255,
        labels=torch.arange(shape[0]) % num_classes,
        class_names=names,
        names=tuple(f"{k}" for k in range(shape[0])),
        bands=("red", "green", "blue")
        if rgb
        else tuple(band_names) or tuple(f"b{k}" for k in range(channels)),
        masks=masks.to(torch.uint8) if maps else None,
        mask_names=names if maps else (),
    )
