"""Bad input at every figure's door: refused in words that tell what to give."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from workshop_lib import plots
from workshop_lib.data.mini_eo import BANDS, COVERS, mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import Bar, Box, Panel

RGB = ("red", "green", "blue")
NAMES = ("Forest", "River", "Lake", "Town")
IMAGES = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 2, 0, 0])
PROBS = torch.full((5, 4), 0.25)
ZEROS = np.zeros((2, 8, 9), np.uint8)  # two maps
TWO = np.zeros((2, 2))
LOG = pd.DataFrame({"step": [1, 2], "val_accuracy": [0.1, 0.2]})
BINS = {"low": [0.0], "high": [1.0], "count": [0], "confidence": [0], "accuracy": [0]}
POINTS = {dims: np.zeros((3, dims)) for dims in (2, 3, 4)}
BOXES = {"S2": Box("S2", 1, 2), "net": Box("net", 1, 1)}
ODD: Any = "cloud"


def near(queries: int = 2, labels: int = 5) -> plots.AccessibleFigure:
    found = np.zeros((2, 3), int)
    return plots.neighbours(
        IMAGES, RGB, LABELS[:labels].numpy(), NAMES, np.arange(queries), found, found
    )  # fmt: skip


def embed(**panel: Any) -> plots.AccessibleFigure:
    made = Panel("x", **{"points": POINTS[2], "labels": np.zeros(3, int), **panel})
    return plots.embedding_grid([made], NAMES)


def seeds(runs: dict[str, list[float]], methods: str) -> plots.AccessibleFigure:
    return plots.seed_plot(runs, dict.fromkeys(methods, (0.5, 0.4, 0.6)))


XY = {"title": "T", "x_label": "x"}
CALLS: list[tuple[str, Callable[[], Any]]] = [
    # charts
    *[
        ("at least one value", lambda v=v: plots.bars(v, title="T", unit="u"))
        for v in ({}, {"a": -1.0}, {"a": math.nan})
    ],
    *[
        (
            "as many horizontal as vertical",
            lambda v=v: plots.lines(v, y_label="y", **XY),
        )
        for v in ({}, {"A": ([1, 2], [1])}, {"A": ([], [])})
    ],
    *[
        ("low <= value <= high", lambda v=v: plots.ranges(v, **XY))
        for v in ({}, {"a": (1.0, 2.0, 3.0)}, {"a": (1.0, 0.0, math.nan)})
    ],
    *[
        ("one to 3 groups", lambda v=v: plots.histograms(v, **XY))
        for v in ({}, {"A": []}, {"A": [1, math.nan]}, dict.fromkeys("ABCD", [1.0]))
    ],
    # comparison
    ("at least one method", lambda: plots.baselines([])),
    ("accuracy=54.0 of 'A'", lambda: plots.baselines([Bar("A", 54.0)])),
    ("divide per cent by 100", lambda: plots.baselines([Bar("A", -0.1)])),
    *[
        ("the same methods in both", lambda runs=runs, m=m: seeds(runs, m))
        for runs, m in (
            ({}, ""),
            ({"A": []}, "A"),
            ({"A": [0.5], "B": [0.5, 0.6]}, "AB"),
            ({"A": [1]}, "B"),
        )
    ],
    # display and images
    ("one name per channel", lambda: plots.to_display(IMAGES, ("B02",))),
    (
        "Did you mean 'false colour'",
        lambda: plots.to_display(IMAGES, RGB, "false color"),
    ),
    ("VV then VH", lambda: plots.sar_to_display(torch.rand(1, 3, 2, 2))),
    ("no panels", lambda: plots.panels({}, title="T")),
    *[
        ("panel 'odd' of shape", lambda v=v: plots.panels({"odd": v}, title="T"))
        for v in (
            np.zeros((2, 2, 4), np.uint8),
            np.zeros((2, 2, 3)),
            np.zeros(3),
            np.array([[0.0, np.nan]]),
        )
    ],
    ("5 images, 2 labels", lambda: plots.class_samples(IMAGES, LABELS[:2], NAMES, RGB)),
    ("0 rows of up to 0 images", lambda: plots.view_rows({}, RGB, title="T")),
    (
        "5 images with 1 captions",
        lambda: plots.view_rows({"a": IMAGES}, RGB, title="T", captions=["one"]),
    ),
    ("0 first, 0 second", lambda: plots.image_pairs(IMAGES[:0], IMAGES[:0], RGB, [])),
    (
        "2 first, 1 second, 2 captions",
        lambda: plots.image_pairs(IMAGES[:2], IMAGES[:1], RGB, ["a", "b"]),
    ),
    # predictions
    (
        "5 images, 4 labels",
        lambda: plots.gallery(IMAGES, RGB, LABELS[:4], PROBS, NAMES),
    ),
    ("`nearest` makes them", lambda: near(queries=1)),
    ("5 images, 3 labels", lambda: near(labels=3)),
    # maps
    ("give one or more", lambda: plots.mask_grid({}, NAMES)),
    ("of the same tiles", lambda: plots.mask_grid({"a": ZEROS, "b": ZEROS[:1]}, NAMES)),
    ("classes up to 2, 2 class", lambda: plots.mask_grid({"a": ZEROS + 2}, NAMES[:2])),
    ("1 colours", lambda: plots.mask_grid({"a": ZEROS}, NAMES, colours=["red"])),
    ("10 colours", lambda: plots.mask_grid({"a": ZEROS}, tuple("abcdefghijk"))),
    ("at least one prediction", lambda: plots.cover_maps({"truth": ZEROS[0]}, NAMES)),
    (
        "the same ground",
        lambda: plots.cover_maps({"truth": ZEROS[0], "net": ZEROS[0, :4]}, NAMES),
    ),
    (
        "1 colours for 4 classes",
        lambda: plots.cover_maps(dict(zip("ab", ZEROS)), NAMES, colours=["red"]),  # noqa: B905
    ),
    # evaluation and training
    ("rows and columns", lambda: plots.confusion_matrix(np.ones((2, 3)), NAMES)),
    *[
        ("2 class names", lambda v=v: plots.per_class(v, ("x", "y")))
        for v in ({}, {"A": [0.1]}, {"A": [0.1, 0.2], "B": [0.3]})
    ],
    ("no table", lambda: plots.reliability({})),
    ("no images", lambda: plots.reliability({"A": pd.DataFrame(BINS)})),
    ("eval_every", lambda: plots.learning_curves({"A": LOG[["step"]]})),
    ("such as fixmatch", lambda: plots.pseudo_labels(LOG)),
    (
        "no validation accuracy",
        lambda: plots.growing_curve(LOG[:0], steps=9, title="T"),
    ),
    ("such as fixmatch", lambda: plots.pseudo_label_bias(LOG)),
    (
        "no rows",
        lambda: plots.pseudo_label_bias(
            pd.DataFrame(columns=["step", "class", "used", "correct", "true"])
        ),
    ),
    # embedding
    ("at least one Panel", lambda: plots.embedding_grid([], NAMES)),
    (r"\(3, 4\)", lambda: embed(points=POINTS[4])),
    ("one label per point", lambda: embed(labels=np.zeros(2, int))),
    ("4 class names", lambda: embed(labels=np.full(3, 4))),
    ("2-D map", lambda: embed(points=POINTS[3], axis_names=("a", "b"))),
    ("both axes", lambda: embed(axis_names=("a",))),
    *[
        (
            "at least one vector",
            lambda v=v: plots.l2_normalization(v, v, v[:, 0], NAMES),
        )
        for v in (np.zeros((0, 2)), np.zeros((2, 3)))
    ],
    # diagrams
    ("at least one box", lambda: plots.flow({}, [], title="T")),
    ("nett", lambda: plots.flow(BOXES, [("S2", "nett")], title="T")),
    ("cloud", lambda: plots.flow({"a": Box("a", 0, 0, kind=ODD)}, [], title="T")),
]


@pytest.mark.parametrize(("words", "call"), CALLS, ids=[words for words, _ in CALLS])
def test_bad_input_is_refused_in_words(words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(WorkshopError, match=words):
        call()


def test_scenes_that_lack_something_are_refused_in_words() -> None:
    scenes = mini_eo(count=120, bands=BANDS)
    lat, lon, region = (scenes.metadata[k].numpy() for k in ("lat", "lon", "region"))
    bare: Scenes = replace(scenes, masks=None, modalities={}, metadata={})
    no_forest = scenes.subset((scenes.labels != 1).nonzero().flatten())
    for words, call in (
        ("no masks", lambda: plots.modality_samples(bare, COVERS)),
        ("no modalities", lambda: plots.modality_samples(bare, COVERS)),
        ("fewer images", lambda: plots.modality_samples(scenes, COVERS, which=12)),
        ("wavelength", lambda: plots.spectra(scenes, wavelengths={"B02": 493})),
        ("each class needs images", lambda: plots.spectra(no_forest)),
        ("3 latitudes", lambda: plots.location_map(lat[:3], lon, region, "abcde")),
        ("name each group", lambda: plots.location_map(lat, lon, region, "abc")),
        ("dates are not known", lambda: plots.seasons(bare, ["Forest"])),
        ("Did you mean 'Forest'", lambda: plots.seasons(scenes, ["Forrest"])),
        ("no image of Forest", lambda: plots.seasons(no_forest, ["Forest"])),
        (
            "no masks",
            lambda: plots.task_levels(bare, 0, COVERS, object_cover="water"),
        ),
        (
            "unknown cover 'hose'",
            lambda: plots.task_levels(scenes, 0, COVERS, object_cover="hose"),
        ),
    ):
        with pytest.raises(WorkshopError, match=words):
            call()
