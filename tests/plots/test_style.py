"""What all figures share: white, titled, described, no trace in the session."""

import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.evaluation.calibration import reliability
from workshop_lib.plots import Bar, Panel
from workshop_lib.plots.style import carry_alt_text, svg
from workshop_lib.plots.training import growing_curve

STEPS = np.arange(100, 1001, 100)
LOG = pd.DataFrame({"step": STEPS, "val_accuracy": STEPS / 2000})
LOG["mask_rate"], LOG["pseudo_accuracy"] = STEPS / 1500, 1 - STEPS / 10000
BARS = [
    Bar("Weak", 0.54, "40 labels"),
    Bar("FixMatch", 0.94, "40 labels", "what the unlabelled images were worth"),
]
IMAGES = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 2, 0, 0])
PROBS = torch.tensor([[0.9, 0.1, 0, 0]] * 5)
COUNTS = pd.DataFrame(
    [(s, name, 6 * s, 3 * s, 5 * s) for s in STEPS for name in ("Forest", "Lake")],
    columns=["step", "class", "used", "correct", "true"],
)
COSINES = pd.DataFrame({"step": STEPS, "cosine/scene/cover": STEPS / 1000 - 0.5})
BINS = reliability(PROBS, LABELS).bins
NAMES = ("Forest", "River", "Lake", "Town")
RGB = ("red", "green", "blue")
SCENES = Dataset(IMAGES, LABELS, NAMES, tuple("abcde"))

PANEL = Panel("t-SNE", np.eye(4, 2, dtype=np.float32), np.arange(4))

DRAW: dict[str, Callable[[], Figure]] = {
    "baselines": lambda: plots.baselines(BARS, chance=0.1),
    "learning_curves": lambda: plots.learning_curves({"A": LOG, "B": LOG}),
    "pseudo_labels": lambda: plots.pseudo_labels(LOG),
    "growing_curve": lambda: growing_curve(LOG[:4], steps=1000, title="Now"),
    "gradient_conflict": lambda: plots.gradient_conflict(COSINES),
    "pseudo_label_bias": lambda: plots.pseudo_label_bias(COUNTS),
    "reliability": lambda: plots.reliability({"A": BINS, "B": BINS}),
    "confusion_matrix": lambda: plots.confusion_matrix(np.diag([9, 7, 8, 6]), NAMES),
    "per_class": lambda: plots.per_class({"A": [0.5, 0.7, 0.2, 1.0]}, NAMES),
    "bars": lambda: plots.bars({"A": 2, "B": 3}, title="Two bars", unit="GB"),
    "histograms": lambda: plots.histograms({"A": STEPS}, title="Steps", x_label="x"),
    "gallery": lambda: plots.gallery(SCENES, torch.arange(5), PROBS),
    "embedding_grid": lambda: plots.embedding_grid(
        [PANEL, replace(PANEL, note="kNN 83 %")], NAMES
    ),
    "class_samples": lambda: plots.class_samples(SCENES),
}
ON_COLOUR = ("confusion_matrix", "gallery", "class_samples")  # some words are white


@pytest.mark.parametrize("name", DRAW)
def test_white_titled_described_and_drawable(name: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = DRAW[name]()
    assert dict(matplotlib.rcParams) == before  # the user's style is theirs
    assert to_hex(figure.get_facecolor()) == "#ffffff"
    title = figure.get_suptitle() or figure.axes[0].get_title("left")
    assert title and title in plots.describe(figure)
    assert len(plots.describe(figure)) >= 40
    drawn = svg(figure)
    assert b"<svg" in drawn
    assert svg(DRAW[name]()) == drawn


@pytest.mark.parametrize("name", sorted(set(DRAW) - set(ON_COLOUR)))
def test_ink_is_dark_in_a_dark_session(name: str) -> None:
    with matplotlib.style.context("dark_background"):
        figure = DRAW[name]()
        figure.draw_without_rendering()
        for artist in figure.findobj(matplotlib.text.Text):
            assert sum(matplotlib.colors.to_rgb(artist.get_color())) < 1.5
        assert b"fill: #ffffff" in svg(figure)[:3000]


def test_the_alt_text_comes_along_where_matplotlib_shows_figures() -> None:
    shown = DisplayFormatter()
    shown.formatters["image/png"].for_type(Figure, lambda figure: b"matplotlib's")
    figure = plots.baselines(BARS)
    assert shown.format(figure)[0]["image/png"] == b"matplotlib's"
    carry_alt_text(shown.formatters)
    data, more = shown.format(figure)
    assert data["image/png"].startswith(b"\x89PNG")
    assert more["image/png"]["alt"] == plots.describe(figure)


def test_names_are_shown_as_they_are(capsys) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("$5 $10", r"$\frac{", "a_b^c"):
            plots.bars({"cost": 2, name: 3}, title=name, unit="").savefig(io.BytesIO())
        assert not capsys.readouterr().out
        plots.bars({"\U0001f9ea": 3}, title="?", unit="").savefig(io.BytesIO())
    assert "no font has \U0001f9ea" in capsys.readouterr().out


def test_the_import_waits_for_no_seaborn() -> None:
    code = "import sys, workshop_lib.plots; sys.exit('seaborn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
