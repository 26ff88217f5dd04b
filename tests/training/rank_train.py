"""One of several processes that train together; run by test_distributed.py.

    python rank_train.py FOLDER METHOD [METHOD ...]

Trains each method in double precision on a few small images. RANK, WORLD_SIZE,
MASTER_ADDR and MASTER_PORT say which process this is, as torchrun would.
"""

import sys
from pathlib import Path

import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.recipe import Recipe
from workshop_lib.training.distributed import process_group
from workshop_lib.training.loop import train

RECIPE = Recipe(
    size=8,
    steps=6,
    eval_every=3,
    batch_size=4,
    mu=2,
    warmup_steps=1,
    threshold=0.4,
    projection_dim=4,
    precision="fp32",
)
# The endless one, for tests that interrupt it.
LONG = RECIPE.with_(steps=100_000, eval_every=20)


def scenes() -> Scenes:
    """Three classes of bright, dark and striped noise, in double precision."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(45) % 3
    images = torch.rand(45, 4, 8, 8, generator=generator, dtype=torch.float64) / 2
    images += 0.3 * (labels == 1).view(-1, 1, 1, 1)
    images[labels == 2, :, ::2] += 0.4
    return Scenes(
        images=images,
        labels=labels,
        class_names=("dark", "bright", "striped"),
        names=tuple(f"{k:02d}" for k in range(45)),
        bands=("B02", "B03", "B04", "B08"),
    )


def run(recipe: Recipe, folder: Path) -> None:
    """Train on the one split of these tests."""
    images = scenes()
    split = Split.make(images, labels_per_class=2, seed=0)
    train(recipe, images, split, folder=folder, device=torch.device("cpu"))


def main(folder: Path, methods: list[str]) -> None:
    """Train one method after the other, or the long run where none is named."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    with process_group():
        for method in methods:
            run(RECIPE.with_(method=method), folder / method)
        if not methods:
            run(LONG, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
