"""Widgets: each control redraws, and each has a still picture for elsewhere."""

import html
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from workshop_lib.course import widgets
from workshop_lib.course.widgets import evaluation, live, training
from workshop_lib.data.dataset import Dataset
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.losses.pseudo_labels import confidence_mask
from workshop_lib.plots import AccessibleFigure, Panel, describe
from workshop_lib.training.pseudo_labels import PseudoMaps

K, N = 4, 48
NAMES = ("Forest", "River", "Port", "Lake")


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def scenes() -> Dataset:
    return Dataset(
        (255 * drawn(0, N, 3, 8, 8)).to(torch.uint8),
        torch.arange(N) % K,
        NAMES,
        tuple(f"{i}.png" for i in range(N)),
    )


@pytest.fixture
def predictions(scenes: Dataset) -> Predictions:
    """Forest is right 9 times, River 12 times; 3 forests are taken for ports."""
    guess = scenes.labels.clone()
    guess[:12:4] = 2
    probs = torch.nn.functional.one_hot(guess, K) + 0.5 * drawn(1, N, K)
    backwards = tuple(reversed(range(N)))  # another order than that of the scenes
    return Predictions(
        tuple(scenes.names[i] for i in backwards),
        scenes.labels.flip(0),
        (probs / probs.sum(1, keepdim=True)).flip(0),
        NAMES,
    )


@pytest.fixture
def maps() -> dict[int, Panel]:
    labels = (torch.arange(30) % K).numpy()
    return {
        p: Panel(f"perplexity {p}", drawn(p, 30, 2).numpy(), labels) for p in (5, 9)
    }


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("ipywidgets", reason="needs ipywidgets")
    monkeypatch.setattr(live, "is_live", lambda: True)
    yield


def alt(widget) -> str:
    found = re.search(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)">', widget)
    assert found, widget[-300:]
    assert f"{found[1]}</p>" in widget  # the same words for everyone
    return html.unescape(found[1])


@pytest.fixture
def pairs() -> Dataset:
    """Three patches of Sentinel-2 and Sentinel-1."""
    images = drawn(3, 3, 5, 8, 8)
    return Dataset(
        images[:, :3],
        torch.tensor([2, 0, 3]),
        NAMES,
        ("a", "b", "c"),
        ("B04", "B03", "B02"),
        modalities={"s1": -20 * images[:, 3:]},
    )


@pytest.fixture
def answers() -> dict[str, dict[str, torch.Tensor]]:
    """The usual network is right while nothing is missing, the other one always."""
    right = torch.eye(K)[[2, 0, 3]] * 0.6 + 0.1
    guess = torch.full((3, K), 0.25)
    guess[:, 1] = 0.26
    return {
        "nothing": {"usual": right, "other": right},
        "s1": {"usual": guess, "other": right},
    }


@pytest.fixture
def masks() -> torch.Tensor:
    masks = torch.zeros(6, 8, 8, dtype=torch.uint8)
    masks[:, :, 4:] = 1
    masks[:, 0] = 255  # an unknown row: 56 pixels are left
    return masks


@pytest.fixture
def pseudo_maps() -> PseudoMaps:
    """Half of the pixels are at 90 %, the rest at 60; all are called field."""
    found = PseudoMaps(torch.tensor([2, 4]))
    probs = torch.full((2, 2, 8, 8), 0.4)
    probs[:, 0] = 0.6
    found.add(10, probs)
    probs[:, 0, :4], probs[:, 0, 4:] = 0.9, 0.6
    probs[:, 1] = 1 - probs[:, 0]
    found.add(20, probs)
    return found


@pytest.mark.parametrize("notebook", [True, False])
@pytest.mark.parametrize("ci", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_only_a_kernel_with_a_person_is_live(monkeypatch, notebook, ci, known):
    monkeypatch.setattr(live, "in_notebook", lambda: notebook)
    monkeypatch.setattr(live.importlib.util, "find_spec", lambda name: known or None)
    monkeypatch.setenv("CI", "1")
    if not ci:
        monkeypatch.delenv("CI")
    assert live.is_live() == (notebook and known and not ci)


@pytest.fixture
def make(scenes, predictions, maps, answers, pairs, pseudo_maps, masks):
    """Make a widget by its name."""
    arguments = {
        "strength_sliders": (scenes.images, scenes.bands),
        "threshold_slider": (predictions.probs, predictions.truth),
        "confusion_browser": (predictions, scenes),
        "perplexity_slider": (maps, NAMES),
        "sensor_browser": (answers, pairs),
        "pseudo_map_slider": (pseudo_maps, masks, ("field", "water")),
    }
    return lambda name: getattr(widgets, name)(*arguments[name])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("strength_sliders", "five strengths"),
        ("threshold_slider", "threshold 0.95"),
        ("confusion_browser", "Forest, predicted Port: 3 of 12."),
        ("perplexity_slider", "perplexity 5"),
        ("perplexity_slider", "perplexity 9"),
        ("sensor_browser", "missing: s1"),
        ("pseudo_map_slider", "100 % of the pixels used"),
    ],
)
def test_without_a_kernel_it_is_a_picture(make, name, words):
    figure = make(name)
    assert isinstance(figure, AccessibleFigure) and words in describe(figure)


# Words of the first picture; then which control is moved, where to, and the new words
MOVES = {
    "strength_sliders": (
        "under rotate of 22 degrees",
        (0, "cutout", "under cutout of 0.38 of the side"),
        (1, 0.0, "changes by 0 % of the mean."),
    ),
    "threshold_slider": ("threshold 0.95", (0, 0.0, "100 % used, 94 % of these right")),
    "confusion_browser": (
        "Forest, predicted Port: 3 of 12",
        (1, "Lake", "Forest, predicted Lake: 0 of 12: no image."),
        (0, "Lake", "Lake, predicted Lake: 12 of 12."),
    ),
    "perplexity_slider": ("perplexity 9", (0, 5, "perplexity 5")),
    "sensor_browser": (
        "Patch 0, Port, missing: nothing. usual: Port (70 %), right.",
        (0, "s1", "usual: River (26 %), wrong. other: Port (70 %), right."),
        (1, 2, "Patch 2, Lake, missing: s1."),
    ),
    "pseudo_map_slider": (
        "Threshold 0.60: 100 % of the pixels",
        (0, 0.7, "Threshold 0.70: 43 % of the pixels"),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_every_control_redraws(make, name, kernel):
    *controls, picture = make(name).children
    first, *moves = MOVES[name]
    assert first in alt(picture.value)
    assert {at for at, _, _ in moves} == set(range(len(controls)))
    for at, value, words in moves:
        controls[at].value = value
        assert words in alt(picture.value)
    for control in controls:
        assert (
            control.description
        )  # read aloud, and nothing redraws while it is dragged
        assert not getattr(control, "continuous_update", False)


def test_sensor_picture_shows_what_is_missing(answers, pairs):
    still = widgets.sensor_browser(answers, pairs)
    s2, s1, bars = still.axes
    assert s1.texts[0].get_text() == "missing" and not s2.texts
    assert len(bars.patches) == 2 * K


@pytest.mark.parametrize("reflectance", [False, True])
def test_every_change_at_every_strength(scenes, reflectance):
    images = 0.3 * drawn(2, 2, 4, 8, 8) if reflectance else scenes.images
    names = set(training._ranges(images))
    assert {"rotate", "cutout"} < names and len(names) >= 7
    assert ("haze" in names) == reflectance and ("hue" in names) != reflectance
    floats = images if reflectance else images / 255
    for name in names:
        nothing, changed = (training._change(images, name, s)[0] for s in (0, 1))
        assert torch.allclose(nothing, floats, atol=1e-6), name
        assert (changed - floats).abs().mean() > 0.01, name


def test_threshold_counts_as_the_loss_does(predictions):
    probs, truth = predictions.probs, predictions.truth
    (count, none), (share, of_none) = training._counts(
        probs, truth, torch.tensor([0.6, 1.0])
    )
    used = confidence_mask(probs, 0.6).bool()
    assert count == used.sum() and none == 0 and of_none.isnan()
    assert share == pytest.approx(
        100 * float((probs.argmax(1) == truth)[used].float().mean())
    )
    nothing = widgets.threshold_picture(predictions.probs, predictions.truth, 1.0)
    assert "no image used" in describe(nothing)


def test_pixels_are_counted_as_the_loss_counts_them(pseudo_maps, masks):
    names = ("field", "water")
    picture = widgets.pseudo_map_slider(pseudo_maps, masks, names, 0.7)
    # Of 7 known rows 3 are confident, and the left half of each is right
    words = "Threshold 0.70: 43 % of the pixels used, 50 % of these right"
    assert describe(picture).startswith(words) and "step 20" in describe(picture)
    shown = picture.axes[2].images[0].get_array()  # truth of both tiles, then these
    assert (np.asarray(shown)[4:] == len(names)).all()  # white
    assert (np.asarray(shown)[:4] == 0).all()
    words = describe(widgets.pseudo_map_slider(pseudo_maps, masks, names, 0.95))
    assert words.startswith("Threshold 0.95: no pixel used.")


def test_no_share_is_drawn_of_a_handful_of_images():
    sure = torch.linspace(0.5, 0.995, 100)  # the k-th image is used up to sure[k]
    probs = torch.stack([sure, 1 - sure], dim=1)
    labels = (torch.arange(100) >= 98).long()  # the two surest are wrong
    picture = widgets.threshold_picture(probs, labels, 0.99)
    used, _, right, marked = picture.axes[0].lines[:4]
    counts, drawn_at = used.get_ydata(), np.isfinite(right.get_ydata())
    assert drawn_at.any() and not drawn_at.all()
    assert (drawn_at == (counts >= 20)).all()  # of 100 images, a per cent is one
    assert "2 of 100 used, too few to judge" in describe(picture)
    assert np.isnan(marked.get_ydata()).all()
    picture = widgets.threshold_picture(probs, labels, 0.6)
    assert np.isfinite(picture.axes[0].lines[3].get_ydata()).all()
    assert "80 % used, 98 % of these right" in describe(picture)


def test_maps_for_a_few_perplexities(monkeypatch):
    monkeypatch.setattr(evaluation, "_MAPPED", 40)
    vectors = drawn(3, 60, 5).numpy()
    labels = (torch.arange(60) % K).numpy()
    names = tuple(f"{i}.png" for i in range(60))
    embeddings = Embeddings(vectors, labels, names, NAMES)
    maps = widgets.perplexity_maps(embeddings, (3, 8))
    assert list(maps) == [3, 8] and maps[3].points.shape == (40, 2)
    assert not np.allclose(maps[3].points, maps[8].points)
    again = widgets.perplexity_maps(embeddings, (3,))
    assert np.array_equal(maps[3].points, again[3].points)
    assert list(widgets.perplexity_maps(embeddings, (30, 3, 20))) == [3, 13]
