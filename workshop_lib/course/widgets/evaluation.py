"""Units 05 to 07: what a trained network mixes up, how it sees, and what it needs."""

__all__ = [
    "confusion_browser",
    "perplexity_maps",
    "perplexity_slider",
    "sensor_browser",
]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workshop_lib.course.widgets.live import choice, picture_with, slider
from workshop_lib.data.dataset import Dataset
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.evaluation.projection import sample_per_class, tsne
from workshop_lib.plots import (
    AccessibleFigure,
    Panel,
    embedding_grid,
    gallery,
    sar_to_display,
    to_display,
)
from workshop_lib.plots.display import frame
from workshop_lib.plots.style import INK, PALETTE, house_style, new_axes

# What is missing -> which network -> (N, K) probabilities of all images
Answers = Mapping[str, Mapping[str, Tensor]]

_MOST = 12  # pictures of one cell of the confusion matrix
_MAPPED = 400  # images of a t-SNE map, evenly from all classes
_COLOURS = [PALETTE["blue"], PALETTE["orange"]]  # of the networks


def confusion_browser(predictions: Predictions, scenes: Dataset) -> Any:
    """Choose a true and a predicted class, and show its images, most confident first.

    Args:
        predictions: of an evaluated run, `Predictions.load(run.folder /
            "predictions.npz")`.
        scenes: contain these images, by name.

    Returns:
        A widget of two lists, or without a live kernel the picture of the most common
        mistake.
    """
    names, K = predictions.class_names, len(predictions.class_names)
    place = {name: i for i, name in enumerate(scenes.names)}
    guess = predictions.probs.argmax(dim=1)  # (N,)
    cells = (predictions.truth * K + guess).bincount(minlength=K * K).view(K, K)
    common = divmod(int(cells.clone().fill_diagonal_(0).argmax()), K)

    @house_style()
    def draw(true: str, predicted: str) -> AccessibleFigure:
        row, column = names.index(true), names.index(predicted)
        found = ((predictions.truth == row) & (guess == column)).nonzero().flatten()
        of_class = int(cells[row].sum())
        title = f"{true}, predicted {predicted}: {len(found)} of {of_class}"
        if len(found) == 0:
            return _nothing(title)
        order = predictions.probs[found].amax(dim=1).argsort(descending=True)
        chosen = found[order[:_MOST]]
        index = [place[predictions.names[i]] for i in chosen.tolist()]
        probs = predictions.probs[chosen]
        return gallery(scenes, torch.tensor(index), probs, title=title)

    return picture_with(
        draw,
        {
            "true": choice("true class", names, names[common[0]]),
            "predicted": choice("predicted class", names, names[common[1]]),
        },
    )


def _nothing(title: str) -> AccessibleFigure:
    figure, axes = new_axes(6.0, 1.6)
    axes.axis("off")
    axes.set_title(title)
    axes.text(0, 0.5, "No image: this mistake was not made.", color=INK)
    figure.alt = f"{title}: no image."
    return figure


def perplexity_maps(
    embeddings: Embeddings, perplexities: Sequence[int]
) -> dict[int, Panel]:
    """Compute a t-SNE map for each perplexity, ahead of the slider.

    At most 400 images are drawn, evenly from all classes: a map of these takes one to
    three seconds on a CPU core, too long to wait for at each move of a slider.

    Args:
        embeddings: what to map.
        perplexities: neighbours that an image attends to, at most a third of the images
            drawn: what is above becomes that, and a note below the map says so.
    """
    chosen = sample_per_class(embeddings.labels, _MAPPED)
    vectors, labels = embeddings.vectors[chosen], embeddings.labels[chosen]
    highest = max(1, (len(chosen) - 1) // 3)
    most = {highest: f"the highest for {len(chosen)} images"}
    return {
        p: Panel(
            f"perplexity {p}", tsne(vectors, perplexity=p), labels, note=most.get(p, "")
        )
        for p in sorted({min(p, highest) for p in perplexities})
    }


def perplexity_slider(maps: Mapping[int, Panel], class_names: Sequence[str]) -> Any:
    """Slide through the maps made by `perplexity_maps`.

    Returns:
        A widget, or without a live kernel all maps side by side.
    """
    several = sorted(maps)
    middle, title = several[len(several) // 2], "Where the network puts the images"
    control = slider(
        "SelectionSlider", "perplexity (neighbours)", middle, options=several
    )
    whole = "One embedding, several perplexities"
    return picture_with(
        lambda perplexity: embedding_grid([maps[perplexity]], class_names, title=title),
        {"perplexity": control},
        lambda: embedding_grid(list(maps.values()), class_names, title=whole),
    )


def sensor_browser(answers: Answers, scenes: Dataset) -> Any:
    """Choose a patch and the missing sensor, and compare two networks' predictions.

    Args:
        answers: by what is missing ("nothing", "s1", "s2") and by the network's name,
            probabilities (N, K) of the images of `scenes`.
        scenes: images of Sentinel-2, with Sentinel-1 among their modalities.

    Returns:
        A widget, or without a live kernel the first patch without the sensor that is
        last in `answers`.
    """
    names = list(answers)
    patches = slider("IntSlider", "patch", 0, min=0, max=len(scenes) - 1)
    return picture_with(
        lambda missing, patch: _draw_patch(answers, scenes, missing, patch),
        {"missing": choice("missing", names), "patch": patches},
        lambda: _draw_patch(answers, scenes, names[-1], 0),
    )


@house_style()
def _draw_patch(
    answers: Answers, scenes: Dataset, missing: str, patch: int
) -> AccessibleFigure:
    """Draw a patch as the networks see it, and their probabilities of each class."""
    one, true = slice(patch, patch + 1), scenes.class_names[int(scenes.labels[patch])]
    seen = {
        "s2": ("Sentinel-2", to_display(scenes.images[one], scenes.bands)[0]),
        "s1": ("Sentinel-1", sar_to_display(scenes.modalities["s1"][one])[0]),
    }
    figure = AccessibleFigure(figsize=(10, 4.6))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 3))
    for row, (name, (title, picture)) in enumerate(seen.items()):
        axes = figure.add_subplot(grid[row, 0])
        gone = name == missing
        frame(axes, np.full_like(picture, 255) if gone else picture, INK)
        axes.set_title(title, fontsize=12, loc="center", fontweight="normal")
        if gone:
            axes.text(0.5, 0.5, "missing", transform=axes.transAxes, ha="center")
    probs = {network: 100 * every[patch] for network, every in answers[missing].items()}
    said = _draw_bars(figure.add_subplot(grid[:, 1]), probs, scenes.class_names, true)
    figure.legend(loc="outside lower center", ncols=1, fontsize=12)
    figure.suptitle(f"True class: {true}; missing: {missing}", x=0.01, ha="left",
                    fontsize=15, fontweight="bold")  # fmt: skip
    figure.alt = f"Patch {patch}, {true}, missing: {missing}. {' '.join(said)}"
    return figure


def _draw_bars(
    axes: Any, probs: Mapping[str, Tensor], names: Sequence[str], true: str
) -> list[str]:
    """Draw a bar per class and network, (K,) per cent; return predictions in words."""
    said = {}
    for network, values in probs.items():
        guess = int(values.argmax())
        sign = "right" if names[guess] == true else "wrong"
        said[f"{network}: {names[guess]} ({values[guess]:.0f} %), {sign}"] = values
    table = pd.DataFrame(said, index=[f"{n} ✓" if n == true else n for n in names])
    edge = {"edgecolor": INK, "linewidth": 0.6}
    table.plot.barh(ax=axes, width=0.8, color=_COLOURS, legend=False, **edge)
    for bar in axes.containers[-1]:  # of the second network, for readers of print
        bar.set_hatch("//")
    axes.invert_yaxis()
    axes.set(xlabel="how likely the network finds the class (%)", xlim=(0, 100))
    return [f"{words}." for words in said]
