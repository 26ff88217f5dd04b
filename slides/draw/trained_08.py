"""What deck 08 trains or maps itself: slides/data/08_*.json."""

__all__ = ["MEASURED", "NETWORKS", "mosaic", "mosaic_tiles"]

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from slides.draw.measured_08 import bench_run
from slides.draw.numerals import text_of
from slides.draw.runs import deck_run, deck_scenes
from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.scenes import Scenes
from workshop_lib.evaluation.tiling import (
    blended_row_blocks,
    pixel_predictor,
    sliding_window_classify,
)
from workshop_lib.models import build_model
from workshop_lib.models.plain_residual import PlainResidual, gradient_norms
from workshop_lib.models.segmenter import resize_to
from workshop_lib.pixels import IGNORE
from workshop_lib.recipe import Recipe, preset
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

FOLDER = Path("runs/deck_08")
SIDE = 4  # tiles along each side of the mosaic
WINDOW, STRIDE = 32, 8
PATCH = 24  # of the maps that are put together; not the side of a tile
WATER = ("Lake", "River")
NETWORKS = ("plain-8", "plain-32", "residual-32")
FADING = 32  # layers of the networks without normalisation
CPU = torch.device("cpu")


def _run(name: str, scenes: Scenes, split: Any, recipe: Recipe) -> Run:
    return train(recipe, scenes, split, folder=FOLDER / name, verbose=False)


def _origin(run: Run) -> dict[str, Any]:
    recipe = run.recipe
    kept = ("model", "task", "labels_per_class", "labeled_view", "steps", "seed")
    return {"folder": run.folder.as_posix()} | {k: getattr(recipe, k) for k in kept}


def depth() -> dict[str, Any]:
    """Train a shallow network and two deep ones on all labels."""
    scenes, split = deck_scenes(0)
    base = preset("class").with_(
        method="supervised", labels_per_class=0, steps=200, eval_every=20,
        warmup_steps=10, precision="fp32",
    )  # fmt: skip
    found: dict[str, Any] = {"runs": {}}
    for name in NETWORKS:
        run = _run(name, scenes, split, base.with_(model=name))
        found["runs"][name] = _origin(run)
        found[name] = run.log[["step", "loss"]].round(4).to_dict("list")
    return found


def gradients() -> dict[str, Any]:
    """Measure the gradient at each layer before the first step, without norms."""
    scenes, split = deck_scenes()
    index = split.labeled
    images = Normalize.fit(scenes.images, index)(scenes.images[index])
    labels = scenes.labels[index]
    found: dict[str, Any] = {"depth": FADING, "seed": 0, "images": len(index)}
    for name, shortcuts in (("plain", False), ("residual", True)):
        torch.manual_seed(0)
        model = PlainResidual(
            FADING, shortcuts, in_channels=images.shape[1],
            num_classes=scenes.num_classes, norm=False,
        )  # fmt: skip
        with torch.no_grad():  # as small as was usual before He et al. 2015
            for weight in (p for p in model.parameters() if p.ndim == 4):
                weight.mul_(0.5**0.5)
        norms = gradient_norms(model, images, lambda x: F.cross_entropy(x, labels))
        found[name] = [float(f"{norm:.4g}") for norm in norms]
    return found


def mosaic_tiles(scenes: Scenes, index: Tensor) -> Tensor:
    """Choose sixteen tiles from an index, four of them with water: (16,)."""
    water = torch.tensor([scenes.class_names.index(name) for name in WATER])
    wet = torch.isin(scenes.labels[index], water)
    some, dry = index[wet][:SIDE], index[~wet][: SIDE * (SIDE - 1)]
    order = torch.arange(SIDE * SIDE).view(SIDE, SIDE)
    diagonal = order.diagonal().tolist()
    rest = iter(dry.tolist())
    lakes = iter(some.tolist())
    return torch.tensor(
        [next(lakes if k in diagonal else rest) for k in range(SIDE * SIDE)]
    )


def mosaic(tiles: Tensor) -> Tensor:
    """Lay square tiles side by side. (16, ..., H, W) -> (..., 4 H, 4 W)."""
    rows = [torch.cat(list(tiles[k : k + SIDE]), -1) for k in range(0, SIDE**2, SIDE)]
    return torch.cat(rows, -2)


def large_image() -> dict[str, Any]:
    """Map a mosaic of test tiles by windows, by patches, and in one pass."""
    run, scenes, split = bench_run("fixmatch")
    tiles = mosaic_tiles(scenes, split.test)
    pixels = mosaic(scenes.images[tiles]).numpy()  # (C, 128, 128)
    classifier = deck_run("fixmatch")
    windows = sliding_window_classify(
        *classifier.load_model(), pixels, window=WINDOW, stride=STRIDE
    )
    water = [scenes.class_names.index(name) for name in WATER]
    coarse = np.full(pixels.shape[1:], IGNORE, np.uint8)
    wet = np.isin(windows, water).astype(np.uint8).repeat(STRIDE, 0).repeat(STRIDE, 1)
    edge = (WINDOW - STRIDE) // 2  # an answer stands for the middle of its window
    coarse[edge : edge + len(wet), edge : edge + wet.shape[1]] = wet
    model, normalize = run.load_model()
    answer = pixel_predictor(model, normalize, CPU)

    def mapped(**patches: Any) -> np.ndarray:
        blocks = blended_row_blocks(answer, ArrayImage(pixels), **patches)
        return np.concatenate([b.probs.argmax(axis=0) for b in blocks])

    found = {
        "one pass": mapped(size=len(pixels[0])),
        "side by side": mapped(size=PATCH, overlap_factor=1.0),
        "blended": mapped(size=PATCH, overlap_factor=0.5),
    }
    return {
        "runs": {"pixels": _origin(run), "windows": _origin(classifier)},
        "tiles": tiles.tolist(),
        "patch": PATCH,
        "windows": text_of(coarse[None])[0],
        **{name: text_of(one[None])[0] for name, one in found.items()},
    }


def strides() -> dict[str, Any]:
    """Train an FCN, and look at what each of its three heads says by itself."""
    recipe = preset("segment").with_(
        method="supervised", labels_per_class=0, model="fcn-resnet18", steps=400,
        batch_size=16, eval_every=200, precision="fp32",
    )  # fmt: skip
    scenes, split = deck_scenes(0)
    run = _run("fcn-resnet18", scenes, split, recipe)
    tiles = mosaic_tiles(scenes, split.test)
    model, normalize = run.load_model()
    x = normalize(mosaic(scenes.images[tiles])[None])  # (1, C, 128, 128)
    heads, scores = model.trunk.heads, {}
    hooks = [
        head.register_forward_hook(
            lambda _m, _i, out, name=name: scores.__setitem__(name, out)
        )
        for name, head in heads.items()
    ]
    with torch.inference_mode():
        whole = model(x).logits.argmax(1)
    for hook in hooks:
        hook.remove()
    single = {
        f"stride {name}": resize_to(scores[name], x).argmax(1)
        for name in ("32", "16", "8")
    }
    six = build_model("fcn-resnet50", in_channels=3, num_classes=6)
    return {
        "run": _origin(run),
        "tiles": tiles.tolist(),
        "head_parameters": sum(p.numel() for p in six.trunk.heads.parameters()),
        **{name: text_of(one)[0] for name, one in single.items()},
        "sum": text_of(whole)[0],
    }


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "08_depth.json": depth,
    "08_gradients.json": gradients,
    "08_large.json": large_image,
    "08_strides.json": strides,
}
