"""What a training will need, before it is started: memory and time."""

__all__ = ["Budget", "estimate"]

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe
from workshop_lib.session import pick_device, tune_allocator
from workshop_lib.training.trainer import Trainer

_WARM_UP, _TIMED = 3, 5


@dataclass(frozen=True)
class Budget:
    """An estimate from a few real steps on random images. Bytes and seconds."""

    weights: int  # network, averaged copy, gradients, optimiser
    activations: int  # kept for the backward pass, at most, in one step
    data: int  # the images, which stay on the device
    seconds_per_step: float
    steps: int

    @property
    def memory(self) -> int:
        """Bytes in all, without what torch itself takes."""
        return self.weights + self.activations + self.data

    @property
    def seconds(self) -> float:
        """Seconds of all steps, without loading the data."""
        return self.seconds_per_step * self.steps

    def __str__(self) -> str:
        rows = [
            ("weights, gradients, optimiser", f"{self.weights / 2**20:9.1f} MiB"),
            ("activations of one step", f"{self.activations / 2**20:9.1f} MiB"),
            ("images", f"{self.data / 2**20:9.1f} MiB"),
            ("together", f"{self.memory / 2**20:9.1f} MiB"),
            ("one step", f"{self.seconds_per_step * 1000:9.1f} ms"),
            (f"{self.steps} steps", f"{self.seconds / 60:9.1f} min"),
        ]
        return "\n".join(f"{name:32s}{value}" for name, value in rows)


def estimate(
    recipe: Recipe,
    *,
    num_images: int = 4000,
    channels: int = 4,
    num_classes: int = 10,
    device: torch.device | None = None,
) -> Budget:
    """Take a few steps of a recipe on random images and extrapolate.

    Activations are counted where torch keeps them for the backward pass, each storage
    once; the forward pass without gradient needs next to nothing beside them.

    Args:
        num_images, channels, num_classes: of the data that the recipe will meet;
            3 channels are taken as 8-bit RGB, others as 32-bit reflectance.

    Raises:
        WorkshopError: a number below 1, or a recipe that cannot be built.
    """
    if min(num_images, channels, num_classes) < 1:
        raise WorkshopError(
            f"num_images={num_images}, channels={channels}, num_classes={num_classes}:"
            " each must be at least 1."
        )
    device = device or pick_device()
    tune_allocator()
    scenes = _random_scenes(recipe, channels, num_classes)
    everything = torch.arange(len(scenes))
    split = Split(
        labeled=everything,
        unlabeled=everything,
        val=everything[:1],
        test=everything[:0],
    )
    trainer = Trainer(recipe, scenes, split, device)
    activations = _saved_bytes(trainer)
    seconds = []
    for _ in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        trainer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    parameters = sum(p.numel() * p.element_size() for p in trainer.model.parameters())
    moments = 2 if recipe.optimizer == "adamw" else 1
    one_image = scenes.images[0].numel() * scenes.images.element_size()
    return Budget(
        weights=parameters * (3 + moments),
        activations=activations,
        data=one_image * num_images,
        seconds_per_step=median(seconds[_WARM_UP:]),
        steps=recipe.steps,
    )


def _random_scenes(recipe: Recipe, channels: int, num_classes: int) -> Scenes:
    generator = torch.Generator().manual_seed(0)
    shape = (max(2 * num_classes, 64), channels, recipe.size, recipe.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    rgb = channels == 3
    return Scenes(
        images=images if rgb else images.float() / 255,
        labels=torch.arange(shape[0]) % num_classes,
        class_names=tuple(f"class {k}" for k in range(num_classes)),
        names=tuple(f"{k}" for k in range(shape[0])),
        bands=("red", "green", "blue")
        if rgb
        else tuple(f"b{k}" for k in range(channels)),
    )


def _saved_bytes(trainer: Trainer) -> int:
    """Take one step and add up what autograd keeps, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in trainer.model.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        trainer.step()
    return sum(seen.values())
