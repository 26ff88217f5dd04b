"""What a figure would draw wrong in silence is refused, and told what to give.

What numpy, pandas and matplotlib refuse themselves is left to them.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from workshop_lib import plots
from workshop_lib.data.mini_eo import BANDS, mini_eo
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import Bar, Panel
from workshop_lib.plots.training import growing_curve

RGB = ("red", "green", "blue")
NAMES = ("Forest", "River", "Lake", "Town")
IMAGES = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
MAPS = np.zeros((2, 8, 9), np.uint8)
LOG = pd.DataFrame({"step": [1, 2], "val_accuracy": [0.1, 0.2]})
SCENES = mini_eo(count=40, bands=BANDS)
OWN_BANDS = replace(SCENES, bands=tuple("abcdefghijkl"))
PROBS = torch.ones(9, 10) / 10
THREE = np.ones((2, 3))
BARE = replace(SCENES, masks=None, metadata={})


def embed(*labels: int) -> plots.AccessibleFigure:
    points = np.zeros((len(labels), 2), np.float32)
    return plots.embedding_grid([Panel("x", points, np.array(labels))], NAMES)


def bars(value: float) -> plots.AccessibleFigure:
    return plots.bars({"a": value}, title="T", unit="u")


CALLS: list[tuple[str, Callable[[], Any]]] = [
    ("at least one value", lambda: plots.bars({}, title="T", unit="u")),
    ("not below 0", lambda: bars(-1.0)),
    ("not below 0", lambda: bars(math.nan)),
    ("all in 0..1", lambda: plots.baselines([])),
    ("all in 0..1", lambda: plots.baselines([Bar("A", 54.0)])),
    ("one name per channel", lambda: plots.to_display(IMAGES, ("B02",))),
    ("no picture", lambda: plots.panels({}, title="T")),
    ("no picture", lambda: plots.view_rows({}, RGB, title="T")),
    ("2 images and 9 pred", lambda: plots.gallery(SCENES, torch.arange(2), PROBS)),
    ("to 5, 4 class names", lambda: plots.mask_grid({"a": MAPS + 5}, NAMES)),
    ("10 colours", lambda: plots.mask_grid({"a": MAPS}, tuple("abcdefghijk"))),
    (r"give \(4, 4\)", lambda: plots.confusion_matrix(np.ones((2, 3)), NAMES)),
    ("eval_every", lambda: plots.learning_curves({"A": LOG[["step"]]})),
    ("fixmatch", lambda: plots.pseudo_labels(LOG)),
    ("one row", lambda: growing_curve(LOG[:0], steps=9, title="T")),
    ("several heads", lambda: plots.gradient_conflict(LOG)),
    ("fixmatch", lambda: plots.pseudo_label_bias(None)),
    ("from 0 to 4, 4 class names", lambda: embed(0, 4)),
    ("unknown class", lambda: embed(-1, 0)),
    ("give a map", lambda: plots.l2_normalization(THREE, THREE, [0, 1], NAMES)),
    ("no masks", lambda: plots.modality_samples(BARE)),
    ("no masks", lambda: plots.task_levels(BARE, 0, object_cover="bare")),
    ("give reflectance", lambda: plots.spectra(OWN_BANDS)),
    ("all classes", lambda: plots.spectra(SCENES.subset([0, 1]))),
    ("dates are not known", lambda: plots.seasons(BARE, ["Forest"])),
    ("Did you mean 'Forest'", lambda: plots.seasons(SCENES, ["Forrest"])),
]


@pytest.mark.parametrize(("words", "call"), CALLS)
def test_refused_in_words(words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(WorkshopError, match=words):
        call()
