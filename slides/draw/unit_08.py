"""Figures of deck 08, segmentation."""

__all__ = ["FIGURES", "MEASURED"]

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.landsat_page import COLOURS as LANDSAT_COLOURS
from slides.draw import measured_08, trained_08
from slides.draw.diagrams_08 import fcn, shortcut, unet, weights
from slides.draw.kit import measured
from slides.draw.measured_08 import RUNGS, UNDONE
from slides.draw.numerals import maps_of
from slides.draw.runs import deck_scenes
from slides.draw.shape import key_below, reshape
from slides.draw.trained_08 import NETWORKS, mosaic
from workshop_lib import plots
from workshop_lib.augment.policies import policies_for
from workshop_lib.data.mini_eo import COVERS
from workshop_lib.data.read.landcover import LANDSAT_CLASSES
from workshop_lib.evaluation import seed_interval
from workshop_lib.plots import AccessibleFigure
from workshop_lib.plots.display import to_display

MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    **measured_08.MEASURED,
    **trained_08.MEASURED,
}


def _large(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mosaic of a file of slides/data, (1, C, H, W), and its true covers."""
    scenes, _ = deck_scenes()
    tiles = torch.tensor(measured(name)["tiles"])
    assert scenes.masks is not None
    return mosaic(scenes.images[tiles])[None], mosaic(scenes.masks[tiles])[None]


def cost() -> AccessibleFigure:
    """Draw the seconds of a map, window by window and in one pass."""
    found = measured("08_cost.json")
    names = {
        "window slid by 4 px": "window, every 4 px",
        "window slid by 8 px": "window, every 8 px",
        "window slid by 16 px": "window, every 16 px",
        "the same network, fully convolutional": "one pass, every 8 px",
        "unet-16, blended patches": "U-Net, every pixel",
    }
    seconds = dict(zip(found["way"], found["s"], strict=True))
    figure = plots.bars(
        {short: 1000 * seconds[name] for name, short in names.items()},
        title=f"A map of {found['side']} x {found['side']} pixels",
        unit="milliseconds of one CPU core",
    )
    return reshape(figure, 7.4, 4.4, shown=720)


def windows() -> AccessibleFigure:
    """Show water as windows find it, and as a network for pixels does."""
    found = measured("08_large.json")
    image, truth = _large("08_large.json")
    water = COVERS.index("water")
    maps = {
        "truth": (truth == water).to(torch.uint8),
        "windows": maps_of([found["windows"]]),
        "each pixel": (maps_of([found["one pass"]]) == water).astype(np.uint8),
    }
    scenes, _ = deck_scenes()
    figure = plots.mask_grid(
        maps, ("no water", "water"), images=image, bands=scenes.bands,
        colours=("#f0e4c8", "#0072b2"), nothing="not asked", title="Where is water?",
    )  # fmt: skip
    return reshape(figure, 11.4, 3.7, shown=1080)


def depth() -> AccessibleFigure:
    """Draw training losses of shallow and deep networks."""
    found = measured("08_depth.json")
    series = {n: (found[n]["step"], found[n]["loss"]) for n in NETWORKS}
    figure = plots.lines(
        series, title="Loss on the images it learns from", x_label="optimiser steps",
        y_label="training loss",
    )  # fmt: skip
    figure.axes[0].set_ylim(bottom=0)
    return reshape(figure, 6.2, 4.8, shown=580)


def gradients() -> AccessibleFigure:
    """Draw how long the gradient is at each layer, before the first step."""
    found = measured("08_gradients.json")
    layers = range(1, len(found["plain"]) + 1)
    series = {name: (layers, found[name]) for name in ("plain", "residual")}
    figure = plots.lines(
        series, title="Gradient at each layer", x_label="layer (1 sees the image)",
        y_label="gradient / weights",
    )  # fmt: skip
    figure.axes[0].set_yscale("log")
    return reshape(figure, 5.6, 4.8, shown=520)


def strides() -> AccessibleFigure:
    """Show what each head of an FCN says by itself, and their sum."""
    found = measured("08_strides.json")
    image, truth = _large("08_strides.json")
    names = ("stride 32", "stride 16", "stride 8", "sum")
    maps = {name: maps_of([found[name]]) for name in names}
    scenes, _ = deck_scenes()
    figure = plots.mask_grid(
        {**maps, "truth": truth}, COVERS, images=image, bands=scenes.bands,
        title="An FCN's heads",
    )  # fmt: skip
    return reshape(figure, 12.2, 3.9, shown=1136)


def seams() -> AccessibleFigure:
    """Show where patches side by side, and blended ones, differ from one pass."""
    found = measured("08_large.json")
    maps = {k: maps_of([found[k]])[0] for k in ("one pass", "side by side", "blended")}
    image, _ = _large("08_large.json")
    scenes, _ = deck_scenes()
    figure = plots.cover_maps(
        maps, COVERS, colours=plots.cover_colours(COVERS),
        picture=to_display(image, scenes.bands)[0], title="Seams",
    )  # fmt: skip
    for axes in figure.axes:  # here nothing is wrong: it differs from one pass
        axes.set_title(axes.get_title().replace("wrong:", "differs:"), loc="center")
    figure.legends[0].remove()
    figure.alt = figure.alt.replace("wrong at", "different at")
    return reshape(figure, 6.4, 5.0, shown=600)


def rungs() -> AccessibleFigure:
    """Draw mIoU of the three rungs, seed by seed."""
    found = measured("08_rungs.json")
    reached = {title: found[method]["miou"] for method, title in RUNGS.items()}
    intervals = {}
    for name, values in reached.items():
        one = seed_interval(values)
        intervals[name] = (one.value, one.low, one.high)
    figure = plots.seed_plot(reached, intervals, title="Ten labelled tiles")
    axes = figure.axes[0]
    axes.set_ylabel("mIoU on test tiles (%)")
    lowest, highest = axes.get_ylim()  # which leave room for wide intervals
    axes.set_ylim(lowest + 12, highest - 12)
    axes.set_xlabel("points: seeds; bars: mean, 95 %")
    return reshape(figure, 6.0, 4.9, shown=520)


def maps() -> AccessibleFigure:
    """Show four tiles, the truth, and what the three networks make of them."""
    found = measured("08_maps.json")
    scenes, _ = deck_scenes()
    tiles = torch.tensor(found["tiles"])
    assert scenes.masks is not None
    shown = {title: maps_of(found[method]) for method, title in RUNGS.items()}
    figure = plots.mask_grid(
        {"truth": scenes.masks[tiles], **shown}, COVERS, images=scenes.images[tiles],
        bands=scenes.bands, title="From ten labelled tiles",
    )  # fmt: skip
    return reshape(figure, 7.4, 6.4, shown=600, points=16)


def each_class() -> AccessibleFigure:
    """Draw the IoU of each class, with its share of the pixels."""
    found = measured("08_rungs.json")
    names = [
        f"{name} ({100 * share:.0f} %)"
        for name, share in zip(found["class_names"], found["shares"], strict=True)
    ]
    figure = plots.per_class(
        {title: found[method]["iou"] for method, title in RUNGS.items()}, names,
        title="IoU of each class", x_label="intersection over union (%)",
    )  # fmt: skip
    return reshape(figure, 7.6, 5.0, shown=720)


def undone() -> AccessibleFigure:
    """Show pseudo-labels of a weak view, and carried over to a strong one."""
    found = measured("08_undone.json")
    scenes, _ = deck_scenes()
    image = scenes.images[found["tile"]][None]
    policies, shape = policies_for(scenes.is_rgb), tuple(image.shape)
    views = []
    for name in ("weak", "strong"):
        drawn = policies[name].draw(shape, torch.Generator().manual_seed(UNDONE))
        views.append(policies[name].apply(image, *drawn))
    figure = plots.mask_grid(
        {"pseudo-labels": maps_of([found["weak"], found["strong"]])}, COVERS,
        images=torch.cat(views), bands=scenes.bands, row_names=("weak", "strong"),
        nothing="counts for nothing", title="Geometry undone",
    )  # fmt: skip
    return reshape(figure, 5.6, 5.8, shown=500, points=17)


def pseudo_maps() -> AccessibleFigure:
    """Show the pseudo-labels of unlabelled tiles as the training goes on."""
    found = measured("08_pseudo_maps.json")
    scenes, _ = deck_scenes()
    tiles = torch.tensor(found["tiles"])
    assert scenes.masks is not None
    steps = {step: maps_of(texts) for step, texts in found["maps"].items()}
    figure = plots.mask_grid(
        {**steps, "truth": scenes.masks[tiles]}, COVERS, images=scenes.images[tiles],
        bands=scenes.bands, nothing="not sure", title="Pseudo-labels over time",
    )  # fmt: skip
    return reshape(figure, 8.2, 6.0, shown=570, points=15)


def landsat() -> AccessibleFigure:
    """Show the Landsat scene's map of 1996, and two models' maps by block."""
    found = measured("08_landsat.json")
    names = {
        "truth": "map of 1996", "random forest on pixels": "forest on pixels",
        "U-Net": "U-Net",
    }  # fmt: skip
    maps = {short: maps_of([found[name]])[0] for name, short in names.items()}
    picture = np.frombuffer(bytes.fromhex(found["picture"]), np.uint8)
    figure = plots.cover_maps(
        maps, LANDSAT_CLASSES, colours=LANDSAT_COLOURS, title="Raleigh, 2000",
        picture=picture.reshape(found["picture_shape"]),
    )  # fmt: skip
    return key_below(reshape(figure, 7.2, 5.9, shown=600, points=16), 4)


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "08_windows.png": windows,
    "08_cost.svg": cost,
    "08_shortcut.svg": shortcut,
    "08_depth.svg": depth,
    "08_gradients.svg": gradients,
    "08_fcn.svg": fcn,
    "08_strides.png": strides,
    "08_unet.svg": unet,
    "08_weights.svg": weights,
    "08_seams.png": seams,
    "08_rungs.svg": rungs,
    "08_maps.png": maps,
    "08_each_class.svg": each_class,
    "08_undone.png": undone,
    "08_pseudo_maps.png": pseudo_maps,
    "08_landsat.png": landsat,
}
