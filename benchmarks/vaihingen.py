"""The setting behind the published Vaihingen table: its budget, and its run.

    python -m benchmarks.vaihingen budget             seconds, no data needed
    python -m benchmarks.vaihingen run FOLDER         hours on a GPU

FOLDER is what `workshop data vaihingen get` makes. `budget` runs a training step on
tensors without content: memory and arithmetic are exact, nothing is computed.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import tyro
from PIL import Image

from benchmarks.page import run_command
from workshop_lib.config import Config
from workshop_lib.data.read.landcover import (
    PUBLISHED_TEST,
    PUBLISHED_VAL,
    TRAIN_TILES,
    VAIHINGEN_CLASSES,
    find_tiles,
    mask_of,
    vaihingen_scenes,
)
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.inference import single_sensor
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.evaluation.metrics import Scores, scores_from_confusion
from workshop_lib.pixels import pixel_confusion
from workshop_lib.training.inputs import initial_model
from workshop_lib.training.loop import train
from workshop_lib.training.memory import estimate_memory
from workshop_lib.training.run import Run

EPOCHS, BATCH, SIZE = 20, 16, 256
PATCHES = 4166  # of the published training: 2,083, and one augmented copy of each
KEPT_PATCHES = 3237  # of all 16 areas, edges included
PUBLISHED_SECONDS = 1449  # on one GPU, which one is not said
PUBLISHED_ACCURACY = {15: 80.68, 23: 78.78}  # from scratch


FACTS: dict[str, Any] = {
    "sensors": {"rgb": 3},  # eight bits, although the first band is near infrared
    "metadata": 0,
    "heads": {"cover": {"kind": "dense", "num_classes": len(VAIHINGEN_CLASSES)}},
}


def published_config() -> Config:
    """Return the published setting, as far as it is known.

    Differences: the copies of the patches are drawn anew at every step, not once; the
    weights that are evaluated are averaged ones; every pixel at the edges is used.
    """
    return Config().replace(
        data="vaihingen",
        heads=("cover",),
        method="supervised",
        encoder="fcn-resnet50",
        size=SIZE,
        labels_per_class=0,
        steps=EPOCHS * PATCHES // BATCH,
        batch_size=BATCH,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.0,
        eval_every=PATCHES // BATCH,  # once an epoch
    )


def training_budget(config: Config) -> dict[str, float]:
    """Count parameters, GB, and the TFLOP of the whole training."""
    need = estimate_memory(
        config,
        FACTS,
        num_images=KEPT_PATCHES,
        image_bytes=4 * config.data.size**2,  # three bands and the mask
    )
    model = initial_model(config, FACTS)
    steps = config.optim.steps
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "gb": need.total / 1e9,
        "steps": steps,
        "tflop_per_step": need.flops / 1e12,
        "tflop": steps * need.flops / 1e12,
    }


def run(folder: Path, config: Config, out: Path) -> pd.DataFrame:
    """Train with areas 15 and 23 held out, map them whole, score every pixel."""
    scenes = vaihingen_scenes(folder, TRAIN_TILES, size=config.data.size)
    split = Split.by_region(
        scenes, PUBLISHED_TEST, PUBLISHED_VAL, "tile", labels_per_class=0
    )
    trained = train(config, scenes, split, folder=out)
    rows = []
    for area in PUBLISHED_TEST:
        found = score_area(trained, folder, area, out)
        scores = (100 * found.accuracy, found.kappa, 100 * found.mean_iou)
        rows.append((area, *scores, PUBLISHED_ACCURACY[area]))
    heads = ["area", "accuracy", "kappa", "mIoU", "published accuracy"]
    return pd.DataFrame(rows, columns=heads)


def score_area(trained: Run, folder: Path, area: int, out: Path) -> Scores:
    """Map one area, patches blended, and compare it with its labels."""
    image, label = find_tiles(folder)[f"top_mosaic_09cm_area{area}"]
    pixels = np.asarray(Image.open(image).convert("RGB"))
    truth = mask_of(np.asarray(Image.open(label).convert("RGB")))
    model, normalize = single_sensor(trained)
    path = map_image(
        model, normalize, np.moveaxis(pixels, 2, 0), out / f"area{area}.npy",
        VAIHINGEN_CLASSES, size=trained.config.data.size,
    )  # fmt: skip
    K = len(VAIHINGEN_CLASSES)
    maps = torch.from_numpy(truth), torch.from_numpy(np.load(path))
    return scores_from_confusion(pixel_confusion(*maps, K), VAIHINGEN_CLASSES)


def main(
    what: tyro.conf.Positional[Literal["budget", "run"]],
    data: tyro.conf.Positional[Path | None] = None,
    out: Path = Path("runs/vaihingen"),
) -> None:
    """Print the budget, or train and print the scores.

    Args:
        what: budget needs no data.
        data: folder of the data, for run.
        out: for the run.

    Raises:
        WorkshopError: run without data.
    """
    if what == "run":
        if data is None:
            raise WorkshopError("run needs the folder of the data: run FOLDER.")
        found = run(data, published_config(), out)
        print(found.round(3).to_string(index=False))
        return
    need = training_budget(published_config())
    pace = need["tflop"] / PUBLISHED_SECONDS
    lines = {
        "parameters": f"{need['parameters']:,}",
        "memory": f"{need['gb']:.1f} GB (batch of {BATCH}, 32 bit)",
        "steps": f"{need['steps']:,} ({EPOCHS} epochs of {PATCHES:,})",
        "arithmetic": f"{need['tflop_per_step']:.2f} TFLOP per step",
        "in all": f"{need['tflop'] / 1000:.1f} PFLOP",
        "published": f"{PUBLISHED_SECONDS:,} s, so {pace:.1f} TFLOP/s were reached",
    }
    for speed in (0.05, 3, 8, 60):
        minutes = need["tflop"] / speed / 60
        lines[f"at {speed:.2f} TFLOP/s"] = f"{minutes:,.0f} min"
    for line, found in lines.items():
        print(f"{line:20}{found}")


if __name__ == "__main__":
    run_command(main, __doc__)
