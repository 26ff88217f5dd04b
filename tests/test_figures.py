"""Figures: the numbers drawn, the words beside them, no trace in the session."""

from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import Bar
from workshop_lib.plots.style import carry_alt_text, line_style, svg

STEPS = np.arange(100, 1001, 100)
LOG = pd.DataFrame(
    {
        "step": STEPS,
        "val_accuracy": STEPS / 2000,
        "mask_rate": STEPS / 1500,
        "pseudo_accuracy": 1 - STEPS / 10000,
    }
)
BARS = [
    Bar("Weak", 0.54, "40 labels"),
    Bar("Strong", 0.50, "40 labels", "what augmentation was worth"),
    Bar("FixMatch", 0.94, "40 labels", "what the unlabelled images were worth"),
]
IMAGES = torch.randint(
    0, 256, (5, 3, 8, 8), generator=torch.Generator().manual_seed(0)
).to(torch.uint8)
LABELS = torch.tensor([0, 1, 2, 0, 0])
PROBS = torch.tensor([[0.9, 0.1, 0, 0]] * 5)
COUNTS = pd.DataFrame(
    [(s, name, 6 * s, 3 * s, 5 * s) for s in STEPS for name in ("Forest", "Lake")],
    columns=["step", "class", "used", "correct", "true"],
)
BINS = pd.DataFrame(
    {
        "low": [0.0, 0.5],
        "high": [0.5, 1.0],
        "count": [10, 30],
        "confidence": [0.4, 0.9],
        "accuracy": [0.5, 0.6],
    }
)
NAMES = ("Forest", "River", "Lake", "Town")
RGB = ("red", "green", "blue")

DRAW: dict[str, Callable[[], Figure]] = {
    "baselines": lambda: plots.baselines(BARS, chance=0.1),
    "learning_curves": lambda: plots.learning_curves({"A": LOG, "B": LOG}),
    "pseudo_labels": lambda: plots.pseudo_labels(LOG),
    "growing_curve": lambda: plots.growing_curve(LOG[:4], steps=1000, title="Now"),
    "pseudo_label_bias": lambda: plots.pseudo_label_bias(COUNTS),
    "reliability": lambda: plots.reliability({"A": BINS, "B": BINS}),
    "confusion_matrix": lambda: plots.confusion_matrix(
        np.arange(16).reshape(4, 4), NAMES
    ),
    "gallery": lambda: plots.gallery(IMAGES, RGB, LABELS, PROBS, NAMES),
    "class_samples": lambda: plots.class_samples(IMAGES, LABELS, NAMES, RGB),
}


def texts(figure: Figure) -> str:
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


@pytest.mark.parametrize("name", DRAW)
def test_white_titled_described_and_drawable(name: str) -> None:
    before = dict(matplotlib.rcParams)
    figure = DRAW[name]()
    assert dict(matplotlib.rcParams) == before  # the user's style is theirs
    assert to_hex(figure.get_facecolor()) == "#ffffff"
    title = figure.get_suptitle() or figure.axes[0].get_title("left")
    assert title and title in plots.describe(figure)
    assert len(plots.describe(figure)) > 40
    drawn = svg(figure)
    assert b"<svg" in drawn
    assert svg(DRAW[name]()) == drawn


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in DRAW
        if name not in ("confusion_matrix", "gallery", "class_samples")
    ],
)
def test_ink_is_dark_in_a_dark_session(name: str) -> None:
    with matplotlib.style.context("dark_background"):
        figure = DRAW[name]()
        figure.draw_without_rendering()
        for artist in figure.findobj(matplotlib.text.Text):
            assert sum(matplotlib.colors.to_rgb(artist.get_color())) < 1.5
        assert b"fill: #ffffff" in svg(figure)[:3000]


@pytest.mark.parametrize(
    "name",
    [
        "baselines",
        "learning_curves",
        "pseudo_labels",
        "growing_curve",
        "confusion_matrix",
    ],
)
def test_axes_say_their_unit(name: str) -> None:
    axes = DRAW[name]().axes[0]
    assert axes.get_xlabel()
    assert name in ("baselines", "confusion_matrix") or "%" in axes.get_ylabel()


def test_figures_show_themselves_in_a_notebook() -> None:
    figure = plots.baselines(BARS)
    png, more = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert more["alt"] == plots.describe(figure)


def test_the_alt_text_comes_along_where_matplotlib_shows_figures() -> None:
    shown = DisplayFormatter()
    shown.formatters["image/png"].for_type(Figure, lambda figure: b"matplotlib's")
    figure = plots.baselines(BARS)
    assert shown.format(figure)[0]["image/png"] == b"matplotlib's"
    carry_alt_text(shown.formatters)
    data, more = shown.format(figure)
    assert data["image/png"].startswith(b"\x89PNG")
    assert more["image/png"]["alt"] == plots.describe(figure)


def test_baselines_counts_gains_against_the_best_before() -> None:
    figure = plots.baselines(BARS)
    shown = texts(figure)
    assert "\N{MINUS SIGN}4.0 points: what augmentation was worth" in shown
    assert "+40.0 points: what the unlabelled images were worth" in shown  # not +44
    assert "94.0 %" in shown and "Weak (40 labels)" in shown
    assert "+40.0 points" in plots.describe(figure)


def test_baselines_bars_end_at_the_accuracy() -> None:
    bars = plots.baselines(BARS).axes[0].patches
    ends = {round(bar.get_x() + bar.get_width(), 6) for bar in bars}
    assert {54.0, 50.0, 94.0} <= ends


def test_baselines_shows_the_range_over_seeds() -> None:
    figure = plots.baselines([Bar("A", 0.5, low=0.4, high=0.7)])
    assert "from 40.0 to 70.0" in plots.describe(figure)
    bar = figure.axes[0].containers[-1].lines[2][0].get_segments()[0]  # type: ignore
    assert bar[:, 0].tolist() == pytest.approx([40, 70])


@pytest.mark.parametrize("bars", [[], [Bar("A", 54.0)], [Bar("A", -0.1)]])
def test_baselines_wants_shares(bars: list[Bar]) -> None:
    with pytest.raises(WorkshopError):
        plots.baselines(bars)


def test_curves_show_the_log_in_per_cent() -> None:
    holes = LOG.copy()
    holes.loc[::2, "val_accuracy"] = np.nan
    lines = plots.learning_curves({"A": LOG, "B": holes}).axes[0].lines
    np.testing.assert_allclose(lines[0].get_xdata(), STEPS)
    np.testing.assert_allclose(lines[0].get_ydata(), STEPS / 20)
    np.testing.assert_allclose(lines[1].get_xdata(), STEPS[1::2])
    styles = [(line.get_linestyle(), line.get_marker()) for line in lines]
    assert styles[0] != styles[1]


def test_first_styles_differ_in_more_than_colour() -> None:
    styles = [line_style(i) for i in range(7)]
    assert len({s["color"] for s in styles}) == 7
    assert len({(s["linestyle"], s["marker"]) for s in styles}) == 7


def test_curves_without_a_value_are_told() -> None:
    with pytest.raises(WorkshopError, match="eval_every"):
        plots.learning_curves({"A": LOG.drop(columns="val_accuracy")})
    with pytest.raises(WorkshopError, match="fixmatch"):
        plots.pseudo_labels(LOG[["step", "val_accuracy"]])


@pytest.mark.parametrize("name", ["learning_curves", "pseudo_labels", "growing_curve"])
def test_the_legend_of_a_training_covers_no_line(name: str) -> None:
    figure = DRAW[name]()
    figure.draw_without_rendering()
    (legend,), axes = figure.legends, figure.axes[0]
    box = legend.get_window_extent()
    assert axes.get_legend() is None and len(legend.get_texts()) == len(axes.lines)
    assert box.y1 <= axes.get_tightbbox().y0  # below the axes and their labels
    assert box.y0 >= 0 and box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.parametrize("lines", [1, 2, 4, 5, 6])
def test_a_legend_of_many_trainings_stays_in_the_figure(lines: int) -> None:
    logs = {f"Supervised, strong {k}": LOG for k in range(lines)}
    figure = plots.learning_curves(logs)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_titles_end_as_sentences_in_the_words() -> None:
    assert plots.describe(plots.reliability({"A": BINS}, title="Before")).startswith(
        "Before. Accuracy against confidence."
    )
    assert plots.describe(plots.reliability({"A": BINS}, title="Sure?")).startswith(
        "Sure? Accuracy"
    )


def test_learning_curves_name_what_they_draw() -> None:
    drawn = plots.learning_curves({"A": LOG}, column="mask_rate")
    assert drawn.axes[0].get_ylabel() == "unlabelled images used (%)"
    drawn = plots.learning_curves({"A": LOG.assign(other=0.5)}, column="other")
    assert drawn.axes[0].get_ylabel() == "other (%)"


def test_pseudo_labels_draws_both_lines() -> None:
    lines = plots.pseudo_labels(LOG).axes[0].lines
    np.testing.assert_allclose(lines[0].get_ydata(), 100 * LOG["mask_rate"])
    np.testing.assert_allclose(lines[1].get_ydata(), 100 * LOG["pseudo_accuracy"])


def test_confusion_shows_counts_and_the_common_mistake() -> None:
    matrix = np.array([[8, 2, 0, 0], [5, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7]])
    figure = plots.confusion_matrix(matrix, NAMES)
    shares = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shares[1], [62.5, 37.5, 0, 0])
    assert not np.isnan(shares).any()  # an absent class is an empty row
    assert sorted(t.get_text() for t in figure.axes[0].texts) == list("23578")
    assert "5 images of River predicted as Forest" in plots.describe(figure)


def test_confusion_of_many_classes_and_of_a_wrong_shape() -> None:
    many = plots.confusion_matrix(
        np.eye(43, dtype=int), [f"class {k}" for k in range(43)]
    )
    assert not many.axes[0].texts
    with pytest.raises(WorkshopError, match="square|rows and"):
        plots.confusion_matrix(np.ones((2, 3)), NAMES)


def test_gallery_tells_right_from_wrong() -> None:
    figure = plots.gallery(IMAGES, RGB, LABELS, PROBS, NAMES, columns=3)
    captions = [axes.get_xlabel() for axes in figure.axes[:5]]
    assert captions[0] == "\N{CHECK MARK} Forest\n90 %"
    assert captions[1] == "\N{BALLOT X} Forest\n90 %\ntrue: River"
    assert not figure.axes[5].get_visible()
    with pytest.raises(WorkshopError, match="5 images, 4 labels"):
        plots.gallery(IMAGES, RGB, LABELS[:4], PROBS, NAMES)


def test_class_samples_has_a_row_per_class() -> None:
    figure = plots.class_samples(IMAGES, LABELS, NAMES, RGB, per_class=2)
    assert len(figure.axes) == 4 * 2
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 0, 1, 0, 0, 0]
    assert "Town (0)" in plots.describe(figure)
    with pytest.raises(WorkshopError):
        plots.class_samples(IMAGES, LABELS[:2], NAMES, RGB)


def test_rgb_passes_unchanged() -> None:
    shown = plots.to_display(IMAGES, RGB)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, IMAGES.permute(0, 2, 3, 1).numpy())


def test_reflectance_is_stretched_by_one_fixed_rule() -> None:
    bands = ("B02", "B03", "B04", "B08")
    images = torch.zeros(2, 4, 3, 5)
    images[0] = torch.tensor([0.05, 0.1, 0.3, 0.25]).view(4, 1, 1)
    shown = plots.to_display(images, bands)
    assert shown.shape == (2, 3, 5, 3)
    expected = [round(255 * (v / 0.3) ** (1 / 1.4)) for v in (0.3, 0.1, 0.05)]
    assert shown[0, 0, 0].tolist() == expected  # red is B04, blue is B02
    assert (shown[1] == 0).all()
    # The other image's brightness does not matter
    alone = plots.to_display(images[:1], bands)
    np.testing.assert_array_equal(alone, shown[:1])
    false = plots.to_display(images, bands, "false colour")
    infrared = round(255 * (0.25 / 0.5) ** (1 / 1.4))
    assert false[0, 0, 0].tolist() == [infrared, 255, expected[1]]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_unknown_bands_are_stretched_into_view(channels: int) -> None:
    images = 1000 + 50 * torch.rand(3, channels, 6, 7)
    shown = plots.to_display(images, [f"x{i}" for i in range(channels)])
    assert shown.shape == (3, 6, 7, 3)
    assert shown.min() == 0 and shown.max() == 255
    flat = plots.to_display(torch.ones(1, channels, 4, 4), ["x"] * channels)
    assert (flat == 0).all()


def test_sar_composite() -> None:
    water = torch.tensor([-24.0, -30.0]).view(1, 2, 1, 1)
    town = torch.tensor([0.0, -6.0]).view(1, 2, 1, 1)
    shown = plots.sar_to_display(torch.cat([water, town]))
    assert shown.shape == (2, 1, 1, 3)
    assert shown[0, 0, 0].tolist()[:2] == [0, 0]
    assert shown[1, 0, 0].tolist() == [255, 255, round(255 * 4 / 12)]
    with pytest.raises(WorkshopError, match="VV then VH"):
        plots.sar_to_display(torch.rand(1, 3, 2, 2))


def test_wrong_display_input_is_told() -> None:
    with pytest.raises(WorkshopError, match="one name per channel"):
        plots.to_display(IMAGES, ("B02",))
    with pytest.raises(WorkshopError, match="Did you mean"):
        plots.to_display(IMAGES, RGB, "false color")  # type: ignore[arg-type]


def test_describe_a_foreign_figure() -> None:
    figure = Figure()
    figure.add_subplot().set_title("Rain")
    assert plots.describe(figure) == "Rain"
    assert "without" in plots.describe(Figure())
