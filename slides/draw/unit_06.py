"""Figures of deck 06, embeddings."""

__all__ = ["FIGURES", "MEASURED"]

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from slides.draw.kit import measured
from slides.draw.measured_06 import MEASURED, STAGES, TITLES, toy
from slides.draw.runs import deck_scenes
from slides.draw.shape import reshape
from workshop_lib import plots
from workshop_lib.data.catalog import find_dataset
from workshop_lib.plots import AccessibleFigure, Panel
from workshop_lib.plots.display import to_display

BEFORE, AFTER = STAGES["initial"], STAGES["best"]


def _panel(title: str, points: Any, labels: Any, **more: Any) -> Panel:
    return Panel(title, np.array(points, np.float32), np.array(labels), **more)


def path() -> AccessibleFigure:
    """Follow one image through FixMatch's network."""
    scenes, _ = deck_scenes()
    kept = measured("06_path.json")
    picture = to_display(scenes.images[kept["image"]][None], scenes.bands)[0]
    figure = plots.forward_diagram(
        picture, kept["maps"], kept["features"], kept["probs"], scenes.class_names
    )
    return reshape(figure, 12.4, 4.6, shown=1080)


def lengths() -> AccessibleFigure:
    """Draw how long CoMatch's vectors are."""
    found = measured("06_vectors.json")
    figure = plots.histograms(
        found["lengths"],
        title="CoMatch: how long are its vectors?",
        x_label="length of the vector (no unit)",
        y_label="test images",
    )
    return reshape(figure, 7.4, 5.0, shown=720)


def unit_circle() -> AccessibleFigure:
    """Draw two numbers of some vectors, before and after scaling them to length 1."""
    found = measured("06_vectors.json")
    raw = torch.tensor(found["two_numbers"])  # (36, 2)
    unit = torch.nn.functional.normalize(raw, dim=1)
    title = "CoMatch: two of its features, 36 test images"
    names = deck_scenes()[0].class_names
    figure = plots.l2_normalization(raw, unit, found["labels"], names, title=title)
    return reshape(figure, 10.4, 4.6, shown=880)


def neighbours() -> AccessibleFigure:
    """Show what FixMatch finds most alike to two images."""
    scenes, split = deck_scenes()
    found = measured("06_neighbours.json")
    figure = plots.neighbours(
        scenes.images[split.test], scenes.bands, scenes.labels[split.test].numpy(),
        scenes.class_names, np.array(found["queries"]), np.array(found["found"]),
        np.array(found["similarity"], np.float32),
        title="FixMatch: asked on the left, the six most alike beside it",
    )  # fmt: skip
    return reshape(figure, 10.5, 4.5, shown=1080)


def knn() -> AccessibleFigure:
    """Draw the kNN accuracy before training and after, and of CoMatch's projection."""
    found = measured("06_maps.json")
    first = {found[f"{name}, {BEFORE}"]["knn"] for name in TITLES}
    assert len(first) == 1, "the same seed gives the same first weights"
    values = {"before training (all three)": first.pop()}
    values |= {title: found[f"{n}, {AFTER}"]["knn"] for n, title in TITLES.items()}
    values["CoMatch's projection"] = measured("06_vectors.json")["knn"]["projection"]
    figure = plots.bars(
        {name: 100 * value for name, value in values.items()},
        title="The nearest of 40 labelled images decides",
        unit="test images right (%); guessing gives 10",
    )
    return reshape(figure, 7.4, 4.9, shown=720)


def maps() -> AccessibleFigure:
    """Draw the map before training, and the three after."""
    found = measured("06_maps.json")
    keys = {f"fixmatch, {BEFORE}": "before (all three)"}
    keys |= {f"{name}, {AFTER}": title for name, title in TITLES.items()}
    panels = []
    for key, title in keys.items():
        note = f"kNN {found[key]['knn']:.0%}"
        one = _panel(title, found[key]["points"], found["labels"], note=note)
        panels.append(one)
    title = f"t-SNE of {len(found['labels'])} test images, features, seed 0"
    names = deck_scenes()[0].class_names
    figure = plots.embedding_grid(panels, names, title=title, columns=4)
    return reshape(figure, 11.4, 4.0, shown=1130)


def one_map() -> AccessibleFigure:
    """Draw FixMatch's map alone."""
    found = measured("06_maps.json")
    kept = found[f"fixmatch, {AFTER}"]
    note = f"kNN {kept['knn']:.0%}"
    panel = _panel("after training", kept["points"], found["labels"], note=note)
    names = deck_scenes()[0].class_names
    figure = plots.embedding_grid([panel], names, title="FixMatch, t-SNE")
    return reshape(figure, 6.6, 5.0, shown=620)


def solid() -> AccessibleFigure:
    """Draw t-SNE in 3-D beside what is none: three of the numbers."""
    found = measured("06_solid.json")
    shown = {"t-SNE in 3-D": "tsne", "the first 3 of 96 numbers": "first_three"}
    panels = [_panel(t, found[key], found["labels"]) for t, key in shown.items()]
    names = deck_scenes()[0].class_names
    title = "FixMatch: two pictures in three dimensions"
    figure = plots.embedding_grid(panels, names, title=title)
    return reshape(figure, 10.6, 4.9, shown=960)


def cannot_tell() -> AccessibleFigure:
    """Draw three known groups by PCA and by t-SNE."""
    found, (_, group) = measured("06_cannot_tell.json"), toy()
    panels = [
        _panel(
            name, found[name]["points"], group,
            note=f"C is {found[name]['far']:.1f} x as far from A as B",
        )
        for name in ("PCA", "t-SNE")
    ]  # fmt: skip
    title = "B is ten times as wide as A and C"
    figure = plots.embedding_grid(panels, ("A", "B", "C"), title=title)
    letters = {"1": "A", "2": "B", "3": "C"}
    figure.legends[0].remove()  # three letters can stand on the map itself
    for axes in figure.axes:
        # The same unit both ways: sizes are the question here
        axes.set_aspect("equal", adjustable="datalim")
        for text in axes.texts:
            text.set_text(letters.get(text.get_text(), text.get_text()))
    return reshape(figure, 7.8, 4.7, shown=720)


def perplexity() -> AccessibleFigure:
    """Draw FixMatch's features at three perplexities."""
    found = measured("06_perplexities.json")
    panels = [
        _panel(f"perplexity {p}", points, found["labels"])
        for p, points in found["features"].items()
    ]
    title = "The same features, three perplexities"
    names = deck_scenes()[0].class_names
    figure = plots.embedding_grid(panels, names, title=title)
    return reshape(figure, 11.0, 4.3, shown=1080)


def noise() -> AccessibleFigure:
    """Draw pure noise at two perplexities."""
    found = measured("06_perplexities.json")["noise"]
    panels = [
        _panel(f"perplexity {p}", points, np.zeros(len(points), np.int64))
        for p, points in found.items()
    ]
    title = "t-SNE of pure noise, 300 points"
    figure = plots.embedding_grid(panels, ["noise"], title=title)
    figure.legends[0].remove()  # there is no class to tell
    for axes in figure.axes:
        for number in axes.texts:
            number.remove()
    # The words of a map of classes do not fit
    figure.alt = (
        f"{title}. With a perplexity of 3 the points form strings and clumps; with 30"
        " an even disc."
    )
    return reshape(figure, 7.8, 4.7, shown=720)


def marks() -> AccessibleFigure:
    """Draw the marks of UC Merced's classes."""
    names = list(find_dataset("ucm").classes)
    title = f"{len(names)} classes, 7 colours: UC Merced"
    return reshape(plots.class_marks(names, title=title), 11.4, 4.4, shown=1080)


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "06_path.png": path,
    "06_lengths.svg": lengths,
    "06_unit_circle.svg": unit_circle,
    "06_neighbours.png": neighbours,
    "06_knn.svg": knn,
    "06_maps.png": maps,
    "06_one_map.svg": one_map,
    "06_solid.svg": solid,
    "06_cannot_tell.svg": cannot_tell,
    "06_perplexity.png": perplexity,
    "06_noise.svg": noise,
    "06_marks.svg": marks,
}
