"""Letters of a figure have the size on the slide that was asked for."""

import pytest

from slides.draw.letters import for_the_room
from slides.draw.shape import key_below, reshape
from workshop_lib import plots
from workshop_lib.plots.style import AccessibleFigure


def drawing() -> AccessibleFigure:
    return plots.bars({"one": 1.0, "two": 2.0}, title="Bars", unit="GB")


@pytest.mark.parametrize("width", [500, 1136])
def test_letters_are_as_large_as_asked_for(width: float):
    figure = for_the_room(drawing(), points=20, width=width)
    inches, high = figure.get_size_inches()
    on_the_slide = min(width / inches, 480 / high) / 72  # of a point of the figure
    (axes,) = figure.axes
    for text in (axes.xaxis.label, *axes.texts, *axes.get_yticklabels()):
        assert text.get_fontsize() * on_the_slide == pytest.approx(20)


def test_the_title_goes_unless_it_is_kept():
    assert for_the_room(drawing()).get_suptitle() == ""
    assert for_the_room(drawing(), title=True).get_suptitle() == "Bars"


@pytest.mark.parametrize("means", [True, False])
def test_the_key_is_laid_out_anew_and_keeps_its_letters(means: bool):
    figure = plots.histograms({"a": [0, 2], "b": [3, 5]}, title="T", x_label="x")
    shown = key_below(reshape(figure, 6, 4, shown=600), 1, means=means)
    (legend,) = shown.legends
    words = ["a: mean 1", "b: mean 4"] if means else ["a", "b"]
    assert [text.get_text() for text in legend.get_texts()] == words
    for text in legend.get_texts():
        assert text.get_fontsize() * 600 / (72 * 6) == pytest.approx(18)
