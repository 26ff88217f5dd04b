"""The course of a training: curves in per cent, legends clear of them, bias shown."""

import numpy as np
import pandas as pd
import pytest

from tests.plots.test_style import DRAW, LOG, STEPS
from workshop_lib import plots

COLUMNS = ["step", "class", "used", "correct", "true"]


def test_curves_show_the_log_in_per_cent():
    holes = LOG.copy()
    holes.loc[::2, "val_accuracy"] = np.nan
    lines = plots.learning_curves({"A": LOG, "B": holes}).axes[0].lines
    np.testing.assert_allclose(lines[0].get_xdata(), STEPS)
    np.testing.assert_allclose(lines[0].get_ydata(), STEPS / 20)
    np.testing.assert_allclose(lines[1].get_xdata(), STEPS[1::2])
    styles = [(line.get_linestyle(), line.get_marker()) for line in lines]
    assert styles[0] != styles[1]


@pytest.mark.parametrize(
    ("column", "label", "best"),
    [
        ("val_r2", "R² on validation images", "best 0.900"),
        ("val_mae", "mean absolute error on validation images", "best -0.050"),
        ("supervised", "supervised term of the loss", "best -0.050"),
        ("val_f1_micro", "micro F1 on validation images (%)", "best 90.0 %"),
        ("mask_rate", "unlabelled images used (%)", "best 90.0 %"),
        ("other", "other (%)", "best 90.0 %"),
    ],
)
def test_other_columns_have_their_own_names_and_units(column, label, best):
    values = np.linspace(-0.05, 0.9, len(STEPS))
    log = pd.DataFrame({"step": STEPS, column: values})
    figure = plots.learning_curves({"A": log}, column=column)
    (axes,) = figure.axes
    assert axes.get_ylabel() == label
    in_per_cent = label.endswith("(%)")
    scale = 100 if in_per_cent else 1
    np.testing.assert_allclose(axes.lines[0].get_ydata(), scale * values)
    assert (axes.get_ylim() == (0, 102)) is in_per_cent
    assert best in plots.describe(figure)


def test_logs_of_several_seeds_become_a_mean_in_a_band():
    seeds = [LOG.assign(val_accuracy=LOG["val_accuracy"] + d) for d in (-0.02, 0, 0.08)]
    figure = plots.learning_curves({"A": pd.concat(seeds), "B": LOG})
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), STEPS / 20 + 2)
    (band,) = axes.collections  # of A alone: B is one run
    ends = band.get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == pytest.approx((STEPS[0] / 20 - 2, 58))
    assert "A, mean of 3 seeds, ends at 52.0 %" in plots.describe(figure)
    assert "B ends at 50.0 %" in plots.describe(figure)


@pytest.mark.parametrize("name", ["learning_curves", "pseudo_labels", "growing_curve"])
def test_the_legend_of_a_training_covers_no_line(name):
    figure = DRAW[name]()
    figure.draw_without_rendering()
    (legend,), axes = figure.legends, figure.axes[0]
    box = legend.get_window_extent()
    assert axes.get_legend() is None and len(legend.get_texts()) == len(axes.lines)
    assert box.y1 <= axes.get_tightbbox().y0  # below the axes and their labels
    assert box.y0 >= 0 and box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.parametrize("lines", [1, 2, 4, 5, 6])
def test_a_legend_of_many_trainings_stays_in_the_figure(lines):
    logs = {f"Supervised, strong {k}": LOG for k in range(lines)}
    figure = plots.learning_curves(logs)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_pseudo_labels_draws_both_lines():
    lines = plots.pseudo_labels(LOG).axes[0].lines
    np.testing.assert_allclose(lines[0].get_ydata(), 100 * LOG["mask_rate"])
    np.testing.assert_allclose(lines[1].get_ydata(), 100 * LOG["pseudo_accuracy"])


def bias_of(figure) -> np.ndarray:
    (mesh,) = (c for c in figure.axes[0].collections if c.get_array() is not None)
    return mesh.get_array()


def test_bias_is_the_share_used_for_the_share_that_is_there():
    rows = [
        (10, "a", 0, 0, 50), (10, "b", 0, 0, 50), (20, "a", 30, 20, 50),
        (20, "b", 10, 5, 50), (40, "a", 100, 20, 60), (40, "b", 0, 0, 30),
    ]  # fmt: skip
    figure = plots.pseudo_label_bias(pd.DataFrame(rows, columns=COLUMNS))
    values = bias_of(figure)
    assert np.ma.getmaskarray(values)[:, 0].all() or np.isnan(values[:, 0]).all()
    np.testing.assert_allclose(values[:, 1], [1.5, 0.5])
    np.testing.assert_allclose(values[:, 2], [1.5, 0.25])  # none at all: the darkest
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["a", "b"]
    assert "At the end a is the most favoured class" in plots.describe(figure)
    assert "b the least, 0.0 times" in plots.describe(figure)


def test_bias_keeps_the_order_of_the_classes_and_copes_with_none_used():
    rows = [(5, name, 0, 0, 3) for name in ("z", "a", "m")]
    figure = plots.pseudo_label_bias(pd.DataFrame(rows, columns=COLUMNS))
    figure.draw_without_rendering()
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["z", "a", "m"]
    assert "no pseudo-label was in use" in plots.describe(figure)
