"""A real scene mapped: a small U-Net and random forests, and two ways to split.

    python -m benchmarks.landsat ../shared/data/nc_landsat7_landcover --write-docs

About 5 minutes on one CPU core. The scene is what `workshop data landsat get` fetches.
Each map is kept in --folder: a run that was stopped is resumed, a finished one only
scored. --write-docs writes the tables of docs/landsat.md, and docs/landsat.png.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
import tyro
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier

from benchmarks import page
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.landcover import (
    LANDSAT_BANDS,
    LANDSAT_CLASSES,
    LandsatScene,
    open_landsat,
)
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.split import Split
from workshop_lib.data.tiles import Tile, blocks, cut_scenes
from workshop_lib.evaluation.inference import single_sensor
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.evaluation.metrics import Scores, scores_from_confusion
from workshop_lib.files import write_npz
from workshop_lib.pixels import IGNORE, count_pixels, pixel_confusion
from workshop_lib.plots import AccessibleFigure, mask_grid
from workshop_lib.training.loop import train

Array = NDArray[np.float32]
Map = NDArray[np.uint8]
Pixels = NDArray[np.bool_]

DOCS = Path("docs")
BLOCK = 64  # pixels: 1.8 km
FOLDS = 4
STEPS = 200
PATCH = 64
BATCH = 8
LR = 3e-3
_TREES = 50
_PIXELS = 20_000  # that a forest learns from, drawn from its training pixels
How = Literal["block", "pixel"]
HOW: tuple[How, ...] = get_args(How)
MEASURES = {"accuracy": 1, "kappa": 3, "mIoU": 1}  # and their digits
_TITLES = ("accuracy %", "kappa", "mIoU %")
# Ordered as the classes; Okabe and Ito's, the yellow for bare sediment
COLOURS = (
    *("#d55e00", "#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#0072b2", "#f0e442"),
)


def neighbourhood(image: Array) -> Array:
    """Add to each band its mean and deviation over 5x5 pixels: (3 C, H, W).

    Missing pixels are left out of both.
    """
    known = np.isfinite(image).astype(np.float64)
    values = np.nan_to_num(image.astype(np.float64))
    size = (0, 5, 5)
    share = np.maximum(uniform_filter(known, size), 1e-9)
    mean = uniform_filter(values, size) / share
    spread = uniform_filter(values**2, size) / share - mean**2
    found = np.concatenate([values, mean, np.sqrt(np.maximum(spread, 0))])
    return found.astype(np.float32)


FORESTS: dict[str, Callable[[Array], Array]] = {
    "random forest on pixels": np.nan_to_num,
    "random forest on 5x5 pixels": neighbourhood,
}
UNET = "U-Net"
RIVALS = (*FORESTS, UNET)


def folds(scene: LandsatScene, how: How, seed: int) -> np.ndarray:
    """Deal blocks, or single pixels, into folds: (H, W) numbers from 0."""
    draw = np.random.default_rng(seed)
    if how == "pixel":
        return draw.integers(0, FOLDS, scene.mask.shape)
    height, width = scene.mask.shape
    areas = blocks(height, width, BLOCK)
    of_block = draw.permutation(len(areas)) % FOLDS
    found = np.zeros(scene.mask.shape, dtype=np.int64)
    for area, fold in zip(areas, of_block, strict=True):
        rows = slice(area.row, area.row + area.height)
        found[rows, area.col : area.col + area.width] = fold
    return found


def patches(scene: LandsatScene, how: How, train: Pixels) -> Dataset:
    """Cut what the U-Net learns from; what is no training pixel is ignored.

    Split by block, a patch lies in one block: nothing of a test block is ever seen.
    """
    mask = np.where(train, scene.mask, IGNORE)
    return cut_scenes(
        [Tile("raleigh", ArrayImage(scene.image), ArrayImage(mask))],
        LANDSAT_CLASSES,
        size=PATCH,
        overlap_factor=0.5,
        block=BLOCK if how == "block" else 0,
        least_known=0.05,
        bands=LANDSAT_BANDS,
    )


def forest_map(
    features: Array, mask: Map, train: Pixels, test: Pixels, seed: int
) -> Map:
    """Teach a random forest the training pixels; let it map the test pixels.

    Shape: features (C, H, W), the others (H, W) -> (H, W), `IGNORE` elsewhere.
    """
    index = np.flatnonzero(train.ravel())
    index = np.random.default_rng(seed).permutation(index)[:_PIXELS]
    forest = RandomForestClassifier(_TREES, min_samples_leaf=3, random_state=seed)
    forest.fit(features.reshape(len(features), -1).T[index], mask.ravel()[index])
    found = np.full(mask.shape, IGNORE, dtype=np.uint8)
    found[test] = forest.predict(features[:, test].T)
    return found


def unet_map(image: Array, scenes: Dataset, steps: int, seed: int, folder: Path) -> Map:
    """Train a U-Net on patches with masks; let it map the image, (H, W).

    Cross-entropy with weights for rare classes; the eight symmetries and small shifts
    are the only augmentation. Nothing is chosen by validation: the number of steps is
    fixed, and the last weights count.

    Args:
        image: (C, H, W), NaN where unknown.
        scenes: patches of it.
        steps: of training.
        seed: of the initial weights and the order of patches.
        folder: for the run.
    """
    every = torch.arange(len(scenes))
    # Some patches of training stand in for a validation that decides nothing
    split = Split(labeled=every, unlabeled=every, val=every[:BATCH], test=every[:0])
    config = Config().replace(
        method="supervised",
        labeled_view="weak",
        heads=("cover",),
        encoder="unet-16",
        class_weighting=0.5,
        size=PATCH,
        labels_per_class=0,
        steps=steps,
        eval_every=steps,
        batch_size=BATCH,
        lr=LR,
        seed=seed,
    )
    run = train(config, scenes, split, folder=folder, verbose=False)
    model, normalize = single_sensor(run, "last")
    path = map_image(
        model, normalize, image, folder / "map.npy", LANDSAT_CLASSES, size=PATCH,
        overlap_factor=0.75, verbose=False,
    )  # fmt: skip
    found: Map = np.load(path)
    return found


def run(
    scene: LandsatScene, how: How, seed: int, rival: str, folder: Path, steps: int
) -> Map:
    """Map each fold by a model that was taught the others: (H, W).

    Of a split by pixel, the first fold only: one is enough to see what it hides.
    """
    fold = folds(scene, how, seed)
    known = scene.mask != IGNORE
    found = np.full(scene.mask.shape, IGNORE, dtype=np.uint8)
    for k in range(FOLDS if how == "block" else 1):
        train, test = known & (fold != k), fold == k
        slug = rival.replace(" ", "-")
        place = folder / f"{how}-{seed}-{k}-{slug}-{steps}.npz"
        if not place.exists():  # else an earlier run has made it
            if rival == UNET:
                cut, own = patches(scene, how, train), place.with_suffix("")
                one = unet_map(scene.image, cut, steps, seed, own)
            else:
                features = FORESTS[rival](scene.image)
                one = forest_map(features, scene.mask, train, test & known, seed)
            write_npz(place, map=one)
            print(f"made {place}", flush=True)
        found[test] = np.load(place)["map"][test]
    found[~known] = IGNORE
    return found


def score(scene: LandsatScene, found: Map) -> Scores:
    """Score the pixels that were mapped and have a class."""
    truth = np.where(found == IGNORE, IGNORE, scene.mask)
    K = len(LANDSAT_CLASSES)
    matrix = pixel_confusion(torch.from_numpy(truth), torch.from_numpy(found), K)
    return scores_from_confusion(matrix.numpy(), LANDSAT_CLASSES)


def table(
    scene: LandsatScene, seeds: Sequence[int], folder: Path, steps: int
) -> tuple[pd.DataFrame, dict[str, Map]]:
    """Run all rivals; return a row for each run, and the first seed's maps by block."""
    rows, maps = [], {}
    for seed, rival, how in product(seeds, RIVALS, HOW):
        found = run(scene, how, seed, rival, folder, steps)
        scores = score(scene, found)
        figures = (100 * scores.accuracy, scores.kappa, 100 * scores.mean_iou)
        rows.append((rival, how, seed, *figures, *(100 * scores.iou)))
        if how == "block" and seed == seeds[0]:
            maps[rival] = found
    heads = ["model", "split", "seed", *MEASURES, *LANDSAT_CLASSES]
    return pd.DataFrame(rows, columns=heads), maps


def picture(scene: LandsatScene, maps: Mapping[str, Map]) -> AccessibleFigure:
    """Draw the map taken for true, each model's, and below them where it is wrong."""
    K = len(LANDSAT_CLASSES)
    known = scene.mask != IGNORE
    # The truth has no errors: room for the picture
    columns = {"the map of 1996": np.stack([scene.mask, np.full_like(scene.mask, K)])}
    for name, one in maps.items():
        wrong = one != scene.mask
        errors = np.where(known, K + wrong, IGNORE).astype(np.uint8)
        heading = f"{name}\nwrong (black): {100 * wrong[known].mean():.1f} %"
        columns[heading] = np.stack([one, errors])  # (2, H, W)
    figure = mask_grid(
        columns, [*LANDSAT_CLASSES, "right", "wrong"],
        colours=[*COLOURS, "#b8bec6", "black"], nothing="no data", side=3.0,
        title="Each block mapped by models that never saw it",
    )  # fmt: skip
    figure.axes[len(columns)].imshow(false_colour(scene), interpolation="nearest")
    return figure


def false_colour(scene: LandsatScene) -> Map:
    """Show near infrared, red and green as (H, W, 3), stretched; gaps are white."""
    bands = [LANDSAT_BANDS.index(name) for name in ("nir", "red", "green")]
    layers = scene.image[bands]  # (3, H, W)
    low, high = np.nanpercentile(layers, (2, 98), axis=(1, 2), keepdims=True)
    bright = np.clip((layers - low) / (high - low), 0, 1)
    return (255 * np.nan_to_num(bright, nan=1.0)).transpose(1, 2, 0).astype(np.uint8)


def table_of_splits(results: pd.DataFrame) -> str:
    """Lay out every model's scores by block and by pixel as Markdown."""
    heads = [f"by {split}: {m}" for split, m in product(HOW, _TITLES)]
    lines = []
    for model, runs in results.groupby("model", sort=False):
        cells = [
            page.mean_and_deviation(runs.loc[runs["split"] == split, m], digits)
            for split, (m, digits) in product(HOW, MEASURES.items())
        ]
        lines.append((model, *cells))
    return page.markdown(("", *heads), lines)


def table_of_classes(scene: LandsatScene, results: pd.DataFrame) -> str:
    """Lay out the intersection over union of each class by block as Markdown."""
    counts = count_pixels([scene.mask], len(LANDSAT_CLASSES)).tolist()
    by_block = results[results["split"] == "block"].groupby("model", sort=False)
    lines = [
        (name, f"{count:,}", *by_block[name].agg(page.mean_and_deviation))
        for name, count in zip(LANDSAT_CLASSES, counts, strict=True)
    ]
    return page.markdown(("class", "pixels", *by_block["model"].first()), lines)


def gains(results: pd.DataFrame) -> str:
    """List how much better each model looks when pixels are split at random."""
    mean = results.groupby(["split", "model"], sort=False)[list(MEASURES)].mean()
    return "\n".join(
        f"- {model}: {gain['accuracy']:+.1f} points of accuracy,"
        f" {gain['kappa']:+.3f} of kappa, {gain['mIoU']:+.1f} points of mIoU"
        for model, gain in (mean.loc["pixel"] - mean.loc["block"]).iterrows()
    )


def main(
    data: tyro.conf.Positional[Path],
    seeds: tuple[int, ...] = (0, 1, 2),
    steps: int = STEPS,
    folder: Path = Path("runs/landsat"),
    write_docs: bool = False,
) -> None:
    """Map, score, print.

    Args:
        data: folder with the scene's files.
        seeds: of the folds and of the models.
        steps: of each U-Net; the page's text says 200.
        folder: for the maps.
        write_docs: write the tables into docs/landsat.md, and landsat.png.
    """
    scene = open_landsat(data)
    results, maps = table(scene, seeds, folder, steps)
    splits = table_of_splits(results)
    print(splits)
    if write_docs:
        page.write_marked(
            DOCS / "landsat.md",
            splits=splits,
            gains=gains(results),
            classes=table_of_classes(scene, results),
        )
        page.save_figure(DOCS / "landsat.png", picture(scene, maps))


if __name__ == "__main__":
    page.run_command(main, __doc__)
