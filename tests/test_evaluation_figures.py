"""Calibration and bias of pseudo-labels as pictures: the numbers, and what is told."""

import numpy as np
import pandas as pd
import pytest
import torch

from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import reliability

COLUMNS = ["step", "class", "used", "correct", "true"]


def bias_of(figure) -> np.ndarray:
    (mesh,) = (c for c in figure.axes[0].collections if c.get_array() is not None)
    return mesh.get_array()


def test_bias_is_the_share_used_for_the_share_that_is_there() -> None:
    table = pd.DataFrame(
        [
            (10, "a", 0, 0, 50),
            (10, "b", 0, 0, 50),
            (20, "a", 30, 20, 50),
            (20, "b", 10, 5, 50),
            (40, "a", 100, 20, 60),
            (40, "b", 0, 0, 30),
        ],
        columns=COLUMNS,
    )
    figure = plots.pseudo_label_bias(table)
    values = bias_of(figure)
    assert np.ma.getmaskarray(values)[:, 0].all() or np.isnan(values[:, 0]).all()
    np.testing.assert_allclose(values[:, 1], [1.5, 0.5])
    np.testing.assert_allclose(values[:, 2], [1.5, 0.25])  # none at all: the darkest
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["a", "b"]
    assert "At the end a is the most favoured class" in plots.describe(figure)
    assert "b the least, 0.0 times" in plots.describe(figure)


def test_bias_keeps_the_order_of_the_classes_and_copes_with_none_used() -> None:
    rows = [(5, name, 0, 0, 3) for name in ("z", "a", "m")]
    figure = plots.pseudo_label_bias(pd.DataFrame(rows, columns=COLUMNS))
    figure.draw_without_rendering()
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert labels == ["z", "a", "m"]
    assert "no pseudo-label was in use" in plots.describe(figure)


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame(columns=COLUMNS), pd.DataFrame({"step": [1], "mask_rate": [0.5]})],
)
def test_bias_of_nothing_is_told(table: pd.DataFrame) -> None:
    with pytest.raises(WorkshopError, match="such as fixmatch"):
        plots.pseudo_label_bias(table)


def test_reliability_draws_the_bins_that_hold_images() -> None:
    probs = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [1.0, 0.0]])
    found = reliability(probs, torch.tensor([0, 1, 1, 0]))
    figure = plots.reliability({"as it is": found.table()})
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [60, 90, 100], rtol=1e-6)
    np.testing.assert_allclose(line.get_ydata(), [100, 50, 100])
    words = plots.describe(figure)
    assert f"calibration error {100 * found.ece:.1f} points" in words
    assert "85.0 % sure on average, 75.0 % right" in words


def test_reliability_of_nothing_is_told() -> None:
    with pytest.raises(WorkshopError, match="no table"):
        plots.reliability({})
    empty = reliability(torch.tensor([[0.9, 0.1]]), torch.tensor([0])).table()
    with pytest.raises(WorkshopError, match="no images"):
        plots.reliability({"A": empty.assign(count=0)})
