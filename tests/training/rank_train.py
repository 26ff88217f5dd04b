"""One of several processes that train together; run by test_distributed.py.

    python rank_train.py FOLDER STEPS METHOD [METHOD ...]

Trains each method in double precision on a few small images. RANK, WORLD_SIZE,
MASTER_ADDR and MASTER_PORT say which process this is, as torchrun would; with
SIGNAL_AT set, the process sends itself SIGUSR1 in that step; KNOBS holds what the
recipe changes, as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.models import predict
from workshop_lib.recipe import Recipe
from workshop_lib.training import views
from workshop_lib.training.distributed import process_group
from workshop_lib.training.loop import train
from workshop_lib.training.trainer import Trainer

RECIPE = Recipe(
    size=8,
    eval_every=20,
    batch_size=4,
    mu=2,
    warmup_steps=1,
    threshold=0.4,
    projection_dim=4,
    precision="fp32",
)


def scenes() -> Scenes:
    """Three classes of bright, dark and striped noise; masks of what is bright.

    In some masks many pixels are unknown, in others none.
    """
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(45) % 3
    images = torch.rand(45, 4, 8, 8, generator=generator, dtype=torch.float32) / 2
    images += 0.3 * (labels == 1).view(-1, 1, 1, 1)
    images[labels == 2, :, ::2] += 0.4
    masks = (images.mean(1) > 0.45).to(torch.uint8)
    for k, mask in enumerate(masks):
        mask[8 - k % 7 :] = 255
    return Scenes(
        images=images,
        labels=labels,
        class_names=("dark", "bright", "striped"),
        names=tuple(f"{k:02d}" for k in range(45)),
        bands=("B02", "B03", "B04", "B08"),
        masks=masks,
        mask_names=("dark", "bright"),
    )


def in_double_precision() -> None:
    """Let network and views have so many digits that rounding cannot hide a mistake."""
    torch.set_default_dtype(torch.float64)
    for module in (views, predict):
        module.to_float = lambda images: images.double()


def signal_at(step: int) -> None:
    """Send this process SIGUSR1 in the middle of a step."""
    real = Trainer.step

    def stepping(self: Trainer) -> None:
        if self.steps_done == step - 1:
            os.kill(os.getpid(), signal.SIGUSR1)
        real(self)

    Trainer.step = stepping  # type: ignore[method-assign]


def main(folder: Path, steps: int, methods: list[str]) -> None:
    """Train one method after the other, on one split."""
    torch.set_num_threads(1)
    in_double_precision()
    if "SIGNAL_AT" in os.environ:
        signal_at(int(os.environ["SIGNAL_AT"]))
    images = scenes()
    split = Split.random(images, labels_per_class=2, seed=0)
    with process_group():
        for method in methods:
            knobs = json.loads(os.environ.get("KNOBS", "{}"))
            recipe = RECIPE.with_(method=method, steps=steps, **knobs)
            place = folder / method
            train(recipe, images, split, folder=place, device=torch.device("cpu"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
