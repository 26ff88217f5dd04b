"""Bad input at every figure's door: refused in words that tell what to give."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, COVERS, mini_eo
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import Bar, Panel

RGB = ("red", "green", "blue")
NAMES = ("Forest", "River", "Lake", "Town")
IMAGES = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 2, 0, 0])
PROBS = torch.full((5, 4), 0.25)
MAPS = np.zeros((2, 8, 9), np.uint8)
LOG = pd.DataFrame({"step": [1, 2], "val_accuracy": [0.1, 0.2]})
BINS = {"low": [0.0], "high": [1.0], "count": [0], "confidence": [0], "accuracy": [0]}


def near(queries: int = 2, labels: int = 5) -> plots.AccessibleFigure:
    found = np.zeros((2, 3), int)
    known = LABELS[:labels].numpy()
    return plots.neighbours(IMAGES, RGB, known, NAMES, np.arange(queries), found, found)


def embed(dims: int = 2, labels: Any = (0, 0, 0)) -> plots.AccessibleFigure:
    panel = Panel("x", np.zeros((3, dims), np.float32), np.array(labels))
    return plots.embedding_grid([panel], NAMES)


def seeds(runs: dict[str, list[float]], methods: str) -> plots.AccessibleFigure:
    return plots.seed_plot(runs, dict.fromkeys(methods, (0.5, 0.4, 0.6)))


def histograms(values: dict[str, list[float]]) -> plots.AccessibleFigure:
    return plots.histograms(values, title="T", x_label="x")


def bars(values: dict[str, float]) -> plots.AccessibleFigure:
    return plots.bars(values, title="T", unit="u")


def l2(shape: tuple[int, int]) -> plots.AccessibleFigure:
    points = np.zeros(shape)
    return plots.l2_normalization(points, points, points[:, 0], NAMES)


def pairs(words: str, draw: Callable[..., Any], *inputs: Any) -> list[Any]:
    """Give a function each of some inputs, a tuple as its arguments."""
    return [
        pytest.param(words, partial(draw, *(x if isinstance(x, tuple) else (x,))))
        for x in inputs
    ]


CALLS = [
    *pairs("at least one value", bars, {}, {"a": -1.0}, {"a": math.nan}),
    *pairs("give 1 to 3 groups", histograms, {}, {"A": []}, dict.fromkeys("ABCD", [1])),
    *pairs("all in 0..1", plots.baselines, [], [Bar("A", 54.0)], [Bar("A", -0.1)]),
    *pairs("the same methods in both", seeds, ({}, ""), ({"A": []}, "A")),
    *pairs("the same methods in both", seeds, ({"A": [1], "B": [1, 1]}, "AB")),
    *pairs("the same methods in both", seeds, ({"A": [1]}, "B")),
    *pairs("one name per channel", plots.to_display, (IMAGES, ("B02",))),
    *pairs("mean 'false colour'", plots.to_display, (IMAGES, RGB, "false color")),
    *pairs("VV then VH", plots.sar_to_display, torch.rand(1, 3, 2, 2)),
    *pairs("no picture", partial(plots.panels, title="T"), {}),
    *pairs("no picture", partial(plots.view_rows, title="T"), ({}, RGB)),
    *pairs(
        "1 captions of 5 columns",
        partial(plots.view_rows, title="T", captions=["one"]),
        ({"a": IMAGES}, RGB),
    ),
    *pairs("5 images, 2 labels", plots.class_samples, (IMAGES, LABELS[:2], NAMES, RGB)),
    *pairs(
        "5 images, 4 labels", plots.gallery, (IMAGES, RGB, LABELS[:4], PROBS, NAMES)
    ),
    *pairs("`nearest` returns", near, 1),
    *pairs("5 images, 3 labels", near, (2, 3)),
    *pairs("at least one, all of one", plots.mask_grid, ({}, NAMES)),
    *pairs("all of one", plots.mask_grid, ({"a": MAPS, "b": MAPS[:1]}, NAMES)),
    *pairs("to 2, 2 class names", plots.mask_grid, ({"a": MAPS + 2}, NAMES[:2])),
    *pairs("10 colours", plots.mask_grid, ({"a": MAPS}, tuple("abcdefghijk"))),
    *pairs(
        "1 colours", partial(plots.mask_grid, colours=["red"]), ({"a": MAPS}, NAMES)
    ),
    *pairs(r"give \(4, 4\)", plots.confusion_matrix, (np.ones((2, 3)), NAMES)),
    *pairs("2 class names", plots.per_class, ({}, "xy"), ({"A": [0.1]}, "xy")),
    *pairs("2 class names", plots.per_class, ({"A": [0.1, 0.2], "B": [0.3]}, "xy")),
    *pairs("at least one", plots.reliability, {}, {"A": pd.DataFrame(BINS)}),
    *pairs("eval_every", plots.learning_curves, {"A": LOG[["step"]]}),
    *pairs("fixmatch", plots.pseudo_labels, LOG),
    *pairs("no values", partial(plots.growing_curve, steps=9, title="T"), LOG[:0]),
    *pairs("fixmatch", plots.pseudo_label_bias, LOG),
    *pairs(r"\(3, 4\)", embed, 4),
    *pairs("one to each of 3 points", embed, (2, [0, 0])),
    *pairs("below 4", embed, (2, [4, 4, 4])),
    *pairs("N labels", l2, ((0, 2),), ((2, 3),)),
]


@pytest.mark.parametrize(("words", "call"), CALLS)
def test_bad_input_is_refused_in_words(words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(WorkshopError, match=words):
        call()


def test_scenes_that_lack_something_are_refused_in_words() -> None:
    scenes = mini_eo(count=120, bands=BANDS)
    lat, lon, region = (scenes.metadata[k].numpy() for k in ("lat", "lon", "region"))
    bare: Dataset = replace(scenes, masks=None, modalities={}, metadata={})
    no_forest = scenes.subset((scenes.labels != 1).nonzero().flatten())
    levels = partial(plots.task_levels, object_cover="hose")
    for words, call in (
        ("give s1, dem and masks", lambda: plots.modality_samples(bare, COVERS)),
        ("fewer images", lambda: plots.modality_samples(scenes, COVERS, which=12)),
        ("`wavelengths`", lambda: plots.spectra(scenes, wavelengths={"B02": 493})),
        ("all classes", lambda: plots.spectra(no_forest)),
        ("3 latitudes", lambda: plots.location_map(lat[:3], lon, region, "abcde")),
        ("dates are not known", lambda: plots.seasons(bare, ["Forest"])),
        ("Did you mean 'Forest'", lambda: plots.seasons(scenes, ["Forrest"])),
        ("no masks", lambda: levels(bare, 0, COVERS)),
        ("unknown cover 'hose'", lambda: levels(scenes, 0, COVERS)),
    ):
        with pytest.raises(WorkshopError, match=words):
            call()
