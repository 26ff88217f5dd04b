"""Figures of deck 05, evaluation."""

__all__ = ["FIGURES", "MEASURED"]

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from slides.draw.kit import measured
from slides.draw.measured_05 import BOTH, MEASURED, TITLES
from slides.draw.runs import deck_scenes
from slides.draw.shape import reshape
from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation import seed_interval
from workshop_lib.plots import AccessibleFigure

RESULTS = Path(__file__).parents[2] / "docs" / "results.md"
SHOWN = "40 labels, seed 0"


def curves() -> AccessibleFigure:
    """Draw validation accuracy while training, and a star at the best step of each."""
    found = measured("05_training.json")
    logs = {title: pd.DataFrame(found[n]["log"]) for n, title in TITLES.items()}
    title = f"Accuracy while training, {SHOWN}"
    figure = plots.learning_curves(logs, title=title)
    axes, words = figure.axes[0], []
    for line, (name, title) in zip(axes.get_lines(), TITLES.items(), strict=True):
        step, log = found[name]["best_step"], logs[title].set_index("step")
        best = 100 * log.loc[step, "val_accuracy"]
        axes.plot(
            step, best, marker="*", markersize=21, linestyle="", zorder=5,
            color=line.get_color(), markeredgecolor="white",
        )  # fmt: skip
        words.append(f"{title} at step {step:,}")
    figure.alt += f" A star marks the best row: {', '.join(words)}."
    return reshape(figure, 7.2, 4.8, shown=720)


def luck() -> AccessibleFigure:
    """Draw twenty equal models' accuracies, and the best of each twenty."""
    _, split = deck_scenes()
    N, rng = len(split.test), np.random.default_rng(0)
    drawn = 100 * rng.binomial(N, 0.80, size=(1000, 20)) / N  # as in notebook 05
    figure = plots.histograms(
        {"one of twenty": drawn[:, 0], "the best of twenty": drawn.max(axis=1)},
        title="Twenty equally good models, each right in 80 %",
        x_label=f"accuracy on {N:,} test images (%)",
        y_label="of 1,000 times",
        bins=20,
    )
    return reshape(figure, 7.4, 5.0, shown=720)


def top_k() -> AccessibleFigure:
    """Draw top-k accuracy against k."""
    found = measured("05_scores.json")
    ks = range(1, len(found["class_names"]) + 1)
    figure = plots.lines(
        {TITLES[n]: (ks, [100 * v for v in found[n]["top_k"]]) for n in BOTH},
        title=f"Top-k accuracy, {SHOWN}",
        x_label="k (guesses)",
        y_label="right (%)",
        y_limits=(0, 102),
    )
    return reshape(figure, 7.4, 5.0, shown=720)


def each_class() -> AccessibleFigure:
    """Draw the accuracy of each class."""
    found = measured("05_scores.json")
    recalls = {TITLES[n]: found[n]["recall"] for n in BOTH}
    title = f"Accuracy of each class, {SHOWN}"
    figure = plots.per_class(recalls, found["class_names"], title=title)
    return reshape(figure, 7.6, 5.0, shown=720)


def confusion() -> AccessibleFigure:
    """Draw FixMatch's confusion matrix."""
    found = measured("05_scores.json")
    matrix = np.array(found["fixmatch"]["confusion"])
    title = f"FixMatch, {SHOWN}: test images"
    figure = plots.confusion_matrix(matrix, found["class_names"], title=title)
    figure.axes[0].set_aspect("auto")
    figure.axes[0].tick_params(axis="x", rotation=30)
    return reshape(figure, 7.6, 5.0, shown=720)


def always_forest() -> AccessibleFigure:
    """Draw the matrix of a model that says Forest to all, of which nine in ten are."""
    matrix = np.array([[90, 0], [10, 0]])
    title = "Always says Forest"
    figure = plots.confusion_matrix(matrix, ("Forest", "Other"), title=title)
    return reshape(figure, 4.8, 4.2, shown=480)


def mistakes() -> AccessibleFigure:
    """Show the six mistakes that FixMatch is surest of."""
    scenes, _ = deck_scenes()
    kept = measured("05_mistakes.json")["surest"]
    index = torch.tensor(kept["image"])
    figure = plots.gallery(
        scenes.images[index], scenes.bands, scenes.labels[index],
        torch.tensor(kept["probs"]), scenes.class_names,
        title=f"FixMatch, {SHOWN}: wrong, and sure of it",
    )  # fmt: skip
    return reshape(figure, 9.0, 2.6, shown=1080)


def calibration() -> AccessibleFigure:
    """Draw confidence against accuracy: two networks."""
    found = measured("05_scores.json")
    tables = {TITLES[n]: _table(found[n]["reliability"]) for n in BOTH}
    return reshape(plots.reliability(tables), 7.6, 5.0, shown=720)


def _table(columns: dict[str, list[Any]]) -> pd.DataFrame:
    return pd.DataFrame(columns).astype(float)  # None becomes NaN


def five_seeds() -> AccessibleFigure:
    """Draw both methods on five draws of the labels."""
    found = measured("05_seeds.json")
    reached = {TITLES[n]: found[n] for n in BOTH}
    intervals = {}
    for name, values in reached.items():
        one = seed_interval(values)
        intervals[name] = (one.value, one.low, one.high)
    title = "40 labels, five draws of them"
    figure = plots.seed_plot(reached, intervals, title=title)
    return reshape(figure, 7.0, 4.9, shown=690)


def two_intervals() -> AccessibleFigure:
    """Draw FixMatch's gain: how sure over test images, how sure over labels."""
    test, found = measured("05_same_images.json"), measured("05_seeds.json")
    gains = np.subtract(found[BOTH[1]], found[BOTH[0]])
    seeds = seed_interval(gains.tolist())
    rows = {
        "other test images\n(seed 0)": (test["difference"], *test["interval"]),
        f"other labels\n({len(gains)} seeds)": (seeds.value, seeds.low, seeds.high),
    }
    figure = plots.ranges(
        {
            name: (100 * v, 100 * low, 100 * high)
            for name, (v, low, high) in rows.items()
        },
        title="FixMatch less supervised, strong",
        x_label="gain in points, and its 95 % interval",
        baseline=("no difference", 0.0),
    )
    return reshape(figure, 7.4, 4.2, shown=720)


def methods() -> AccessibleFigure:
    """Draw the table of docs/results.md, best first: means and deviations."""
    text = RESULTS.read_text(encoding="utf-8")
    part = text.split("## Every method on MiniEO, 40 labels", 1)[-1].split("\n## ", 1)[
        0
    ]
    found = re.findall(r"^\| ([^|]+?) \| (\d+\.\d) ± (\d+\.\d) ", part, re.MULTILINE)
    if len(found) < 10:
        raise WorkshopError(
            f"{RESULTS.name} has {len(found)} methods under 'Every method on MiniEO':"
            " expected rows such as '| fixmatch | 91.4 ± 2.4 (87.9 to 93.7) |'."
        )
    rows = {}
    for name, mean, deviation in sorted(found, key=lambda row: -float(row[1])):
        m, d = float(mean), float(deviation)
        rows[name.removesuffix(" augmentation")] = (m, m - d, m + d)
    figure = plots.ranges(
        rows,
        title=f"{len(rows)} methods, five seeds each, 40 labels",
        x_label="accuracy (%): mean, and one deviation either way",
    )
    return reshape(figure, 7.6, 5.1, shown=720)


def favoured() -> AccessibleFigure:
    """Draw which classes FixMatch's pseudo-labels favour."""
    table = pd.DataFrame(measured("05_pseudo_labels.json")["table"])
    title = "Which classes pseudo-labels favour"
    figure = plots.pseudo_label_bias(table, title=title)
    return reshape(figure, 7.8, 5.0, shown=720)


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "05_curves.svg": curves,
    "05_luck.svg": luck,
    "05_top_k.svg": top_k,
    "05_each_class.svg": each_class,
    "05_confusion.svg": confusion,
    "05_always_forest.svg": always_forest,
    "05_mistakes.png": mistakes,
    "05_calibration.svg": calibration,
    "05_seeds.svg": five_seeds,
    "05_two_intervals.svg": two_intervals,
    "05_methods.svg": methods,
    "05_favoured.svg": favoured,
}
