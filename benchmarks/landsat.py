"""A real scene mapped: a small U-Net against random forests, and two ways to split.

    python -m benchmarks.landsat ../shared/data/nc_landsat7_landcover --write-docs

About 5 minutes on one CPU core. The scene is what `workshop data landsat get` fetches.
Each map is kept in --folder: a run that was stopped goes on, a finished one is only
scored. --write-docs writes docs/landsat.md and docs/landsat.png.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.landsat_models import (
    BATCH,
    FORESTS,
    PATCH,
    Map,
    Pixels,
    forest_map,
    unet_map,
)
from benchmarks.landsat_page import page, picture
from workshop_lib.data.read.landcover import (
    LANDSAT_BANDS,
    LANDSAT_CLASSES,
    LandsatScene,
    open_landsat,
)
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.tiles import Tile, blocks, cut_scenes
from workshop_lib.evaluation.metrics import Scores, scores_from_confusion
from workshop_lib.files import write_or_explain, write_text
from workshop_lib.pixels import IGNORE
from workshop_lib.session import setup

DOCS = Path("docs")
BLOCK = 64  # pixels: 1.8 km
FOLDS = 4
STEPS = 200
UNET = "U-Net"
RIVALS = (*FORESTS, UNET)
How = Literal["block", "pixel"]


def folds(scene: LandsatScene, how: How, seed: int) -> np.ndarray:
    """Deal blocks, or single pixels, into folds: (H, W) numbers from 0."""
    draw = np.random.default_rng(seed)
    if how == "pixel":
        return draw.integers(0, FOLDS, scene.mask.shape)
    areas = blocks(*scene.mask.shape, BLOCK)
    of_block = draw.permutation(len(areas)) % FOLDS
    found = np.zeros(scene.mask.shape, dtype=np.int64)
    for area, fold in zip(areas, of_block, strict=True):
        rows = slice(area.row, area.row + area.height)
        found[rows, area.col : area.col + area.width] = fold
    return found


def patches(scene: LandsatScene, how: How, train: Pixels) -> Scenes:
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
        name = f"{how}-{seed}-{k}-{rival.replace(' ', '-')}-{steps}.npy"

        def make(train: Pixels = train, test: Pixels = test) -> Map:
            if rival == UNET:
                return unet_map(scene.image, patches(scene, how, train), steps, seed)
            features = FORESTS[rival](scene.image)
            return forest_map(features, scene.mask, train, test & known, seed)

        one = kept(folder / name, make)
        found[test] = one[test]
    found[~known] = IGNORE
    return found


def kept(path: Path, make: Callable[[], Map]) -> Map:
    """Load a map that an earlier run has made, or make it."""
    if path.exists():
        return np.load(path)
    found = make()
    print(f"made {path}", flush=True)

    def save(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, found)

    write_or_explain(path, save)
    return found


def score(scene: LandsatScene, found: Map) -> Scores:
    """Score the pixels that were mapped and have a class."""
    scored = (scene.mask != IGNORE) & (found != IGNORE)
    K = len(LANDSAT_CLASSES)
    cells = scene.mask[scored].astype(np.int64) * K + found[scored]
    matrix = np.bincount(cells, minlength=K * K).reshape(K, K)
    return scores_from_confusion(matrix, LANDSAT_CLASSES)


def table(
    scene: LandsatScene, seeds: list[int], folder: Path, steps: int
) -> tuple[pd.DataFrame, dict[str, Map]]:
    """Run all rivals; return a row for each run, and the first seed's maps by block."""
    rows, maps = [], {}
    for seed in seeds:
        for rival in RIVALS:
            for how in ("block", "pixel"):
                found = run(scene, how, seed, rival, folder, steps)
                scores = score(scene, found)
                rows.append(
                    {
                        "model": rival,
                        "split": how,
                        "seed": seed,
                        "accuracy": 100 * scores.accuracy,
                        "kappa": scores.kappa,
                        "mIoU": 100 * scores.mean_iou,
                        **dict(zip(LANDSAT_CLASSES, 100 * scores.iou, strict=True)),
                    }
                )
                if how == "block" and seed == seeds[0]:
                    maps[rival] = found
    return pd.DataFrame(rows), maps


def main() -> None:
    """Read the flags, map, score, print, and write the page if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with the scene's files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS, help="of each U-Net")
    parser.add_argument("--folder", type=Path, default=Path("runs/landsat"))
    parser.add_argument("--write-docs", action="store_true")
    flags = parser.parse_args()
    setup()
    scene = open_landsat(flags.data)
    results, maps = table(scene, flags.seeds, flags.folder, flags.steps)
    seen = int(results["seed"].nunique())
    print(results.groupby(["model", "split"], sort=False)[["accuracy", "kappa", "mIoU"]]
          .agg(["mean", "std"]).round(3).to_string())  # fmt: skip
    if flags.write_docs:
        about = {"seeds": seen, "steps": flags.steps, "batch": BATCH, "folds": FOLDS}
        write_text(DOCS / "landsat.md", page(scene, results, {**about, "block": BLOCK}))
        figure = picture(scene, maps)
        write_or_explain(
            DOCS / "landsat.png",
            lambda part: figure.savefig(part, format="png", dpi=80),
        )


if __name__ == "__main__":
    main()
