"""What deck 08 shows of finished benchmarks: slides/data/08_*.json."""

__all__ = ["MEASURED", "RUNGS", "bench_run", "shown_tiles"]

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import landsat, landsat_page, mapping_cost
from slides.draw.numerals import text_of
from workshop_lib.augment.paired import places, same_pixels
from workshop_lib.augment.policies import policies_for
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.read.landcover import open_landsat
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.segmentation import predict_maps
from workshop_lib.files import read_json
from workshop_lib.models.predict import predict
from workshop_lib.pixels import IGNORE
from workshop_lib.training.run import Run

BENCH = Path("runs/bench")
COMMAND = "python -m benchmarks.segmentation --tiles 10"
TILES = 10
RUNGS = {
    "supervised, weak": "weak views",
    "supervised, strong": "strong views",
    "fixmatch": "FixMatch",
}
CLASSES_SHOWN = ("River", "Residential", "Orchard", "Quarry")
UNDONE = 4  # seed of the two views that are compared
LANDSAT = ("data/landsat", "../shared/data/nc_landsat7_landcover")
COARSER = 4  # of the Landsat maps every fourth pixel is kept
PICTURE = 6  # of its picture every sixth


def _place(method: str, seed: int) -> Path:
    return BENCH / "segmentation" / f"{TILES}-{method.replace(', ', '-')}-{seed}"


def bench_run(method: str, seed: int = 0) -> tuple[Run, Scenes, Split]:
    """Load a finished run of the benchmark, and what it was trained on."""
    run = Run.load(_place(method, seed))
    scenes = load_dataset(run.recipe)
    return run, scenes, make_split(run.recipe, scenes)


def rungs() -> dict[str, Any]:
    """Read mIoU and the IoU of each class, on the seeds that all rungs have.

    Raises:
        WorkshopError: there is no such seed yet.
    """
    path = BENCH / "segmentation.json"
    if not path.exists():
        raise WorkshopError(f"{path} is missing: run {COMMAND} first.")
    rows = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
    rows = rows[(rows["tiles"] == TILES) & rows["method"].isin(RUNGS)]
    wide = rows.pivot(index="seed", columns="method", values="miou").dropna()
    if len(wide) == 0 or len(wide.columns) < len(RUNGS):
        raise WorkshopError(f"no seed has all of {', '.join(RUNGS)}: run {COMMAND}.")
    run, scenes, split = bench_run("fixmatch", int(wide.index[0]))
    assert scenes.masks is not None
    pixels = scenes.masks[split.test].flatten().long()
    counts = pixels[pixels != IGNORE].bincount(minlength=len(scenes.mask_names))
    found: dict[str, Any] = {
        "command": COMMAND,
        "folder": BENCH.as_posix(),
        "steps": run.recipe.steps,
        "seeds": wide.index.tolist(),
        "class_names": list(scenes.mask_names),
        "shares": (counts / counts.sum()).double().numpy().round(4).tolist(),
    }
    for method in RUNGS:
        places_ = [_place(method, seed) / "evaluation.json" for seed in wide.index]
        iou = [read_json(path)["scores"]["iou"] for path in places_]
        found[method] = {
            "miou": wide[method].round(4).tolist(),
            "iou": np.mean(np.array(iou, np.float64), axis=0).round(4).tolist(),
        }
    return found


def shown_tiles(scenes: Scenes, index: torch.Tensor) -> torch.Tensor:
    """Choose from an index the first tile of each of a few classes of scene."""
    numbers = [scenes.class_names.index(name) for name in CLASSES_SHOWN]
    return torch.stack([index[scenes.labels[index] == k][0] for k in numbers])


def maps() -> dict[str, Any]:
    """Map four test tiles by the three networks of seed 0."""
    found: dict[str, Any] = {"command": COMMAND, "seed": 0}
    for method in RUNGS:
        run, scenes, split = bench_run(method)
        tiles = shown_tiles(scenes, split.test)
        model, normalize = run.load_model()
        found["tiles"] = tiles.tolist()
        found[method] = text_of(predict_maps(model, normalize, scenes.images, tiles))
    return found


def pseudo_maps() -> dict[str, Any]:
    """Read FixMatch's pseudo-labels of three unlabelled tiles, step by step."""
    run, _, _ = bench_run("fixmatch")
    kept = run.pseudo_maps()
    columns = kept.columns(run.recipe.threshold, most=4)
    return {
        "command": COMMAND,
        "run": run.folder.as_posix(),
        "threshold": run.recipe.threshold,
        "tiles": kept.index[:4].tolist(),
        "maps": {step: text_of(one[:4]) for step, one in columns.items()},
        "mask_rate": run.log["mask_rate"].round(4).tolist(),
        "pseudo_accuracy": run.log["pseudo_accuracy"].round(4).tolist(),
        "step": run.log["step"].astype(int).tolist(),
    }


def undone() -> dict[str, Any]:
    """Ask FixMatch's network about a weak view, and carry its answer to a strong one.

    Without the alignment of pseudo-labels, which needs a whole training's averages.
    """
    run, scenes, split = bench_run("fixmatch")
    tile = shown_tiles(scenes, split.unlabeled)[:1]
    image = scenes.images[tile]  # (1, C, H, W)
    policies, shape = policies_for(scenes.is_rgb), tuple(image.shape)
    drawn = {
        name: policies[name].draw(shape, torch.Generator().manual_seed(UNDONE))
        for name in ("weak", "strong")
    }
    weak = policies["weak"].apply(image, *drawn["weak"])
    model, normalize = run.load_model()
    sure, said = predict(model, normalize, weak).max(dim=1)  # (1, H, W)
    pseudo = said.masked_fill(sure < run.recipe.threshold, IGNORE)
    where = [places(policies[name], drawn[name]) for name in ("weak", "strong")]
    source = same_pixels((shape[2], shape[3]), *where)  # (1, H, W)
    moved = pseudo.flatten()[source.clamp_min(0)].masked_fill(source < 0, IGNORE)
    return {
        "command": COMMAND,
        "run": run.folder.as_posix(),
        "tile": int(tile),
        "generator_seed": UNDONE,
        "weak": text_of(pseudo)[0],
        "strong": text_of(moved)[0],
    }


def cost() -> dict[str, Any]:
    """Measure what a map costs, window by window and in one pass: a minute."""
    side = 256
    table = mapping_cost.measure(side, repeats=3)
    return {
        "command": f"python -m benchmarks.mapping_cost --side {side}",
        "side": side,
        "window": mapping_cost.WINDOW,
        **table[["way", "answers", "s"]].round(3).to_dict("list"),
    }


def real_scene() -> dict[str, Any]:
    """Read the maps by block of the first seed, and a picture, at fewer pixels.

    Raises:
        WorkshopError: the scene is nowhere: `workshop data landsat get` fetches it.
    """
    folder = next((place for place in LANDSAT if Path(place).exists()), LANDSAT[0])
    scene = open_landsat(folder)
    few = (slice(None, None, COARSER),) * 2
    kept = Path("runs/landsat")
    picture = landsat_page.false_colour(scene)[::PICTURE, ::PICTURE]
    found = {
        rival: landsat.run(scene, "block", 0, rival, kept, landsat.STEPS)[few]
        for rival in (landsat.RIVALS[0], landsat.UNET)
    }
    return {
        "command": "python -m benchmarks.landsat FOLDER",
        "steps": landsat.STEPS,
        "every": COARSER,
        "picture_shape": list(picture.shape),
        "picture": picture.tobytes().hex(),
        "truth": text_of(scene.mask[few][None])[0],
        **{rival: text_of(one[None])[0] for rival, one in found.items()},
    }


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "08_cost.json": cost,
    "08_rungs.json": rungs,
    "08_maps.json": maps,
    "08_pseudo_maps.json": pseudo_maps,
    "08_undone.json": undone,
    "08_landsat.json": real_scene,
}
