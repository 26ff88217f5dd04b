"""Widgets: each control redraws, and each has a still picture for elsewhere."""

import base64
import html
import io
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from matplotlib import image as mpl_image

from workshop_lib.course import widgets
from workshop_lib.course.widgets import (
    confusion,
    live,
    perplexity,
    sensors,
    strength,
    threshold,
)
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.plots import AccessibleFigure, Panel, describe

K, N = 4, 48
NAMES = ("Forest", "River", "Port", "Lake")


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def scenes() -> Scenes:
    return Scenes(
        (255 * drawn(0, N, 3, 8, 8)).to(torch.uint8),
        torch.arange(N) % K,
        NAMES,
        tuple(f"{i}.png" for i in range(N)),
    )


@pytest.fixture
def predictions(scenes: Scenes) -> Predictions:
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
    pytest.importorskip(
        "ipywidgets", reason="needs ipywidgets: pip install -e '.[dev]'"
    )
    for module in (confusion, perplexity, sensors, strength, threshold):
        monkeypatch.setattr(module, "is_live", lambda: True)
    yield


def alt(widget) -> str:
    found = re.search(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)">', widget)
    assert found, widget[-300:]
    assert f"{found[1]}</p>" in widget  # the same words for everyone
    return html.unescape(found[1])


def test_only_a_kernel_with_a_person_is_live(monkeypatch):
    pytest.importorskip(
        "ipywidgets", reason="needs ipywidgets: pip install -e '.[dev]'"
    )
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.delenv("CI", raising=False)
    assert live.is_live()
    monkeypatch.setenv("CI", "1")
    assert not live.is_live()
    monkeypatch.delenv("CI")
    monkeypatch.setattr(live, "in_notebook", lambda: False)
    assert not live.is_live()
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live.importlib.util, "find_spec", lambda name: None)
    assert not live.is_live()


def test_still_pictures(scenes, predictions, maps):
    found = [
        widgets.strength_sliders(scenes.images, scenes.bands),
        widgets.threshold_slider(predictions.probs, predictions.truth),
        widgets.confusion_browser(predictions, scenes),
        widgets.perplexity_slider(maps, NAMES),
    ]
    assert all(isinstance(figure, AccessibleFigure) for figure in found)
    words = [describe(figure) for figure in found]
    assert "five strengths" in words[0] and "threshold 0.95" in words[1]
    assert words[2].startswith("Forest, predicted Port: 3 of 12.")
    assert "perplexity 5" in words[3] and "perplexity 9" in words[3]


def test_strength_sliders_redraw(scenes, kernel):
    choice, slider, picture = widgets.strength_sliders(
        scenes.images, scenes.bands
    ).children
    assert "under rotate of 22 degrees" in alt(picture.value)
    choice.value = "cutout"
    assert "under cutout of 0.38 of the side" in alt(picture.value)
    slider.value = 0.0
    assert alt(picture.value).endswith("changes by 0 % of the mean.")
    assert choice.description and slider.description


def test_threshold_slider_redraws(predictions, kernel):
    slider, picture = widgets.threshold_slider(
        predictions.probs, predictions.truth
    ).children
    assert "threshold 0.95" in alt(picture.value)
    slider.value = 0.0
    assert "100 % used, 94 % of these right" in alt(picture.value)


def test_confusion_browser_redraws(predictions, scenes, kernel):
    true, guess, picture = widgets.confusion_browser(predictions, scenes).children
    assert (true.value, guess.value) == ("Forest", "Port")
    guess.value = "Lake"
    assert alt(picture.value) == "Forest, predicted Lake: 0 of 12: no image."
    true.value = "Lake"
    assert alt(picture.value).startswith("Lake, predicted Lake: 12 of 12.")


@pytest.fixture
def packed() -> Scenes:
    """Three patches of Sentinel-2 and Sentinel-1."""
    bands = ("s2:B04", "s2:B03", "s2:B02", "s1:VV", "s1:VH")
    images = drawn(3, 3, 5, 8, 8)
    images[:, 3:] = -20 * images[:, 3:]
    return Scenes(images, torch.tensor([2, 0, 3]), NAMES, ("a", "b", "c"), bands)


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


def test_sensor_browser_redraws(answers, packed, kernel):
    missing, patch, picture = widgets.sensor_browser(answers, packed).children
    assert "Patch 0, Port, missing: nothing. usual: Port (70 %), right." in alt(
        picture.value
    )
    missing.value = "s1"
    assert "usual: River (26 %), wrong. other: Port (70 %), right." in alt(
        picture.value
    )
    patch.value = 2
    assert alt(picture.value).startswith("Patch 2, Lake, missing: s1.")
    assert missing.description and patch.description and patch.max == 2


def test_sensor_picture_shows_what_is_missing(answers, packed):
    still = widgets.sensor_browser(answers, packed)
    assert "missing: s1" in describe(still)
    s2, s1, bars = still.axes
    assert s1.texts[0].get_text() == "missing" and not s2.texts
    assert len(bars.patches) == 2 * K
    for wrong, what in (("s3", 0), ("s1", 3), ("s1", -1)):
        with pytest.raises(WorkshopError):
            widgets.sensor_picture(answers, packed, wrong, what)
    alone = Scenes(
        packed.images[:, :3], packed.labels, NAMES, packed.names, packed.bands[:3]
    )
    with pytest.raises(WorkshopError, match="packed images of s2 and s1"):
        widgets.sensor_picture(answers, alone, "s1", 0)
    with pytest.raises(WorkshopError, match="missing sensor"):
        widgets.sensor_browser({}, packed)


def test_perplexity_slider_redraws(maps, kernel):
    slider, picture = widgets.perplexity_slider(maps, NAMES).children
    assert "perplexity 9" in alt(picture.value)
    slider.value = 5
    assert "perplexity 5" in alt(picture.value)


@pytest.mark.parametrize("reflectance", [False, True])
def test_every_change_at_every_strength(scenes, reflectance):
    images = 0.3 * drawn(2, 2, 4, 8, 8) if reflectance else scenes.images
    names = widgets.operations(images)
    assert {"rotate", "cutout"} < set(names) and len(names) >= 7
    assert ("haze" in names) == reflectance and ("hue" in names) != reflectance
    for name in names:
        nothing, changed = (
            strength._change(images, name, amount)[0] for amount in (0, 1)
        )
        floats = images if reflectance else images / 255
        assert torch.allclose(nothing, floats, atol=1e-6), name
        assert (changed - floats).abs().mean() > 0.01, name


def test_photographs_look_as_they_are(scenes):
    shown = strength._screen(strength._change(scenes.images, "hue", 0)[0], scenes.bands)
    assert np.array_equal(shown, scenes.images.permute(0, 2, 3, 1).numpy())


def test_threshold_counts_as_the_loss_does(predictions):
    right = predictions.probs.argmax(1) == predictions.truth
    rate, accuracy = threshold._shares(predictions.probs, right, 0.6)
    used = predictions.probs.max(1).values >= 0.6
    assert rate == pytest.approx(100 * float(used.float().mean()))
    assert accuracy == pytest.approx(100 * float(right[used].float().mean()))
    nothing = widgets.threshold_picture(predictions.probs, predictions.truth, 1.0)
    assert "no image used" in describe(nothing)


def test_no_share_is_drawn_of_a_handful_of_images():
    sure = torch.linspace(0.5, 0.995, 100)  # the k-th image is used up to sure[k]
    probs = torch.stack([sure, 1 - sure], dim=1)
    labels = (torch.arange(100) >= 98).long()  # the two surest are wrong
    picture = widgets.threshold_picture(probs, labels, 0.99)
    used, right = picture.axes[0].lines[:2]
    counts, drawn_at = used.get_ydata(), np.isfinite(right.get_ydata())
    assert drawn_at.any() and not drawn_at.all()
    assert (drawn_at == (counts >= 20)).all()  # of 100 images, a per cent is one
    assert "2 of 100 used, too few to judge" in describe(picture)
    squares = [line for line in picture.axes[0].lines if line.get_marker() == "s"]
    assert not squares
    picture = widgets.threshold_picture(probs, labels, 0.6)
    assert [line.get_marker() for line in picture.axes[0].lines].count("s") == 1
    assert "80 % used, 98 % of these right" in describe(picture)


def test_confusion_pictures_are_those_of_the_names(predictions, scenes):
    chosen = torch.tensor([0, 5])
    places = confusion._places(predictions, scenes, chosen)
    assert places.tolist() == [N - 1, N - 6]
    with pytest.raises(WorkshopError, match="not in these scenes"):
        widgets.confusion_picture(
            predictions, scenes.subset(list(range(1, 9))), "Forest", "Forest"
        )
    with pytest.raises(WorkshopError, match="Did you mean 'Forest'"):
        widgets.confusion_picture(predictions, scenes, "Forrest", "Port")


def test_maps_for_a_few_perplexities():
    vectors = drawn(3, 60, 5).numpy()
    labels = (torch.arange(60) % K).numpy()
    names = tuple(f"{i}.png" for i in range(60))
    embeddings = Embeddings(vectors, labels, names, NAMES)
    maps = widgets.perplexity_maps(embeddings, (3, 8), most=40)
    assert list(maps) == [3, 8] and maps[3].points.shape == (40, 2)
    assert not np.allclose(maps[3].points, maps[8].points)
    again = widgets.perplexity_maps(embeddings, (3,), most=40)
    assert np.array_equal(maps[3].points, again[3].points)
    with pytest.raises(WorkshopError, match="none above 13"):
        widgets.perplexity_maps(embeddings, (3, 30), most=40)


def test_what_cannot_be_drawn(scenes, maps):
    for bad in (scenes.images[0], scenes.images[:0]):
        with pytest.raises(WorkshopError, match="at least one image"):
            widgets.strength_grid(bad, scenes.bands)
    with pytest.raises(WorkshopError, match="unknown change"):
        widgets.strength_picture(scenes.images, scenes.bands, "rotat", 0.5)
    with pytest.raises(WorkshopError, match="strength=2"):
        widgets.strength_picture(scenes.images, scenes.bands, "rotate", 2)
    with pytest.raises(WorkshopError, match="there are maps of 5, 9"):
        widgets.perplexity_picture(maps, NAMES, 7)
    with pytest.raises(WorkshopError, match="no maps"):
        widgets.perplexity_slider({}, NAMES)


def test_the_picture_in_the_page_is_a_png(scenes):
    figure = widgets.strength_picture(scenes.images[:1], scenes.bands, "zoom", 1)
    page = live._as_html(figure)
    found = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert found
    pixels = mpl_image.imread(io.BytesIO(base64.b64decode(found[1])), format="png")
    assert pixels.ndim == 3 and pixels.std() > 0.05
