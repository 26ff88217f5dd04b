"""What the Landsat benchmark found, as a page and a picture."""

__all__ = ["page", "picture"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workshop_lib.data.read.landcover import (
    LANDSAT_BANDS,
    LANDSAT_CLASSES,
    LandsatScene,
)
from workshop_lib.pixels import IGNORE, count_pixels
from workshop_lib.plots import AccessibleFigure, cover_maps

MEASURES = ("accuracy", "kappa", "mIoU")

# Ordered as the classes; Okabe and Ito's, the yellow for bare sediment
COLOURS = (
    "#d55e00", "#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#0072b2", "#f0e442",
)  # fmt: skip


def picture(
    scene: LandsatScene, maps: Mapping[str, NDArray[np.uint8]]
) -> AccessibleFigure:
    """Draw the map that is taken for true, each rival's, and where it is wrong."""
    shown = {"the map of 1996": scene.mask, **maps}
    return cover_maps(
        shown, LANDSAT_CLASSES, colours=COLOURS, picture=false_colour(scene),
        title="Each block mapped by models that never saw it",
    )  # fmt: skip


def false_colour(scene: LandsatScene) -> NDArray[np.uint8]:
    """Show near infrared, red and green as (H, W, 3), stretched; gaps are white."""
    bands = [LANDSAT_BANDS.index(name) for name in ("nir", "red", "green")]
    layers = scene.image[bands]  # (3, H, W)
    low, high = np.nanpercentile(layers, (2, 98), axis=(1, 2), keepdims=True)
    bright = np.clip((layers - low) / (high - low), 0, 1)
    return (255 * np.nan_to_num(bright, nan=1.0)).transpose(1, 2, 0).astype(np.uint8)


def page(scene: LandsatScene, results: pd.DataFrame, about: Mapping[str, Any]) -> str:
    """Write the tables and what they say."""
    counts = count_pixels([scene.mask], len(LANDSAT_CLASSES))
    rows = [_row(results, model) for model in results["model"].unique()]
    by_block = results[results["split"] == "block"]
    classes = [
        f"| {name} | {count:,} | "
        + " | ".join(_cell(by_block, m, name, 1) for m in results["model"].unique())
        + " |"
        for name, count in zip(LANDSAT_CLASSES, counts.tolist(), strict=True)
    ]
    models = results["model"].unique()
    return _PAGE.format(
        rows="\n".join(rows),
        class_head=" | ".join(models),
        class_rule="|---" * len(models),
        classes="\n".join(classes),
        flatter=_flatter(results),
        pixels=counts.sum(),
        share=100 * counts.max() / counts.sum(),
        largest=LANDSAT_CLASSES[int(counts.argmax())],
        side=" x ".join(str(n) for n in scene.mask.shape),
        alike=_alike(scene),
        **about,
    )


def _row(results: pd.DataFrame, model: str) -> str:
    cells = []
    for split in ("block", "pixel"):
        runs = results[results["split"] == split]
        cells += [_cell(runs, model, m, 3 if m == "kappa" else 1) for m in MEASURES]
    return f"| {model} | {' | '.join(cells)} |"


def _cell(runs: pd.DataFrame, model: str, column: str, digits: int) -> str:
    values = runs.loc[runs["model"] == model, column]
    if len(values) < 2:
        return f"{values.mean():.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


def _flatter(results: pd.DataFrame) -> str:
    """Say for each model how much better it looks when pixels are split at random."""
    mean = results.groupby(["model", "split"], sort=False)[list(MEASURES)].mean()
    lines = []
    for model in results["model"].unique():
        gain = mean.loc[(model, "pixel")] - mean.loc[(model, "block")]
        lines.append(
            f"- {model}: {gain['accuracy']:+.1f} points of accuracy,"
            f" {gain['kappa']:+.3f} of kappa, {gain['mIoU']:+.1f} points of mIoU"
        )
    return "\n".join(lines)


def _alike(scene: LandsatScene) -> float:
    """Count how many pixels have the class of their right neighbour, in %."""
    left, right = scene.mask[:, :-1], scene.mask[:, 1:]
    known = (left != IGNORE) & (right != IGNORE)
    return float(100 * (left == right)[known].mean())


_PAGE = """# A real scene, mapped

Written by `python -m benchmarks.landsat FOLDER --write-docs`. The scene comes with
`workshop data landsat get`: Landsat-7, five bands at 28.5 m, near Raleigh (North
Carolina) in the year 2000, {side} pixels, {pixels:,} of them with data and a class.
{share:.0f} % are {largest}: a map of nothing else would be right there.

The map taken for true is of 1996. What was built or felled in the four years between
counts as an error of whoever sees it, so 100 % is out of reach for an honest model.

## Two ways to split, two stories

By block: the scene is cut into blocks of about {block} pixels (1.8 km), the blocks are
dealt into {folds} folds, and each fold is mapped by a model that was taught the others.
No pixel of a test block is seen in training, nor any pixel of a patch that reaches into
one. By pixel: one pixel in {folds} is drawn at random for the test, whatever lies
beside it. Mean ± deviation over {seeds} seeds (of the deal and of the model), all test
pixels of a seed counted together.

| | by block: accuracy % | kappa | mIoU % | by pixel: accuracy % | kappa | mIoU % |
|---|---|---|---|---|---|---|
{rows}

What the split by pixel adds, without any model having become better:

{flatter}

Of the pixels with a class, {alike:.0f} % have the same class as their right neighbour.
A model that sees more than single pixels can remember the neighbours of a test pixel
instead of learning what a class looks like, and a test by pixel rewards that. The
figures by block are those to expect on ground that nobody has labelled.

## The rivals

- random forest on pixels: 50 trees on the five values of a pixel.
- random forest on 5x5 pixels: the same with mean and deviation of each band around it.
- U-Net: ours (`unet-16`, 0.12 million parameters), {steps} steps of {batch} patches of
  64 pixels, cross-entropy weighed by the root of the classes' rarity, the eight
  symmetries as augmentation; patches blended with overlap (`evaluation/tiling.py`).

The random forests learn from 20,000 pixels drawn from those of training. Nothing was
tuned, and no checkpoint chosen by the test. The number of steps is what minutes allow:
40, 100 and 200 were tried on one fold before.

## By class

Intersection over union in %, by block. What is rare lies in few places, and they are
either taught or tested.

| class | pixels | {class_head} |
|---|---{class_rule}|
{classes}

![Maps and errors](landsat.png)

Below: what differs from the map of 1996 is black. Data: North Carolina sample data set
of GRASS GIS, CC BY-SA 3.0.
"""
