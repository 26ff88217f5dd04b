"""Unit 05: the images behind each cell of the confusion matrix."""

__all__ = ["confusion_browser", "confusion_picture"]

from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.widgets.live import choice, picture_with
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.plots import AccessibleFigure, gallery
from workshop_lib.plots.style import INK, house_style, new_axes

_MOST = 12  # pictures of one cell


def confusion_browser(predictions: Predictions, scenes: Scenes) -> Any:
    """Choose a true and a predicted class, and show the images in that cell.

    Args:
        predictions: of an evaluated run, `Predictions.load(run.folder /
            "predictions.npz")`.
        scenes: contain these images, by name.

    Returns:
        A widget of two lists, or without a live kernel the picture of the most common
        mistake.

    Raises:
        WorkshopError: an image is not in the scenes.
    """
    true, predicted = _most_common_mistake(predictions)
    names = predictions.class_names
    return picture_with(
        lambda true, predicted: confusion_picture(predictions, scenes, true, predicted),
        {
            "true": choice("true class", names, true),
            "predicted": choice("predicted class", names, predicted),
        },
    )


@house_style()
def confusion_picture(
    predictions: Predictions, scenes: Scenes, true: str, predicted: str
) -> AccessibleFigure:
    """Show images of one class that were predicted as another, most confident first.

    Args:
        predictions, scenes: as for `confusion_browser`.
        true, predicted: names of classes; the same twice shows what was right.

    Raises:
        WorkshopError: no such class, or an image is not in the scenes.
    """
    names = predictions.class_names
    for name in (true, predicted):
        if name not in names:
            raise unknown_name("class", name, names)
    probs = predictions.probs
    guess = probs.argmax(dim=1)
    cell = (predictions.truth == names.index(true)) & (guess == names.index(predicted))
    found = cell.nonzero().flatten()  # (n,)
    of_class = int((predictions.truth == names.index(true)).sum())
    title = f"{true}, predicted {predicted}: {len(found)} of {of_class}"
    if len(found) == 0:
        return _nothing(title)
    order = probs[found].amax(dim=1).argsort(descending=True)[:_MOST]
    chosen = found[order]
    images = scenes.images[_places(predictions, scenes, chosen)]
    truth = predictions.truth[chosen]
    return gallery(images, scenes.bands, truth, probs[chosen], names, title=title)


def _places(predictions: Predictions, scenes: Scenes, chosen: Tensor) -> Tensor:
    """Find images in the scenes by their names."""
    place = {name: i for i, name in enumerate(scenes.names)}
    names = [predictions.names[i] for i in chosen.tolist()]
    missing = [name for name in names if name not in place]
    if missing:
        raise WorkshopError(
            f"{missing[0]!r} was predicted but is not in these scenes: give the scenes"
            " that the run was evaluated on."
        )
    return torch.tensor([place[name] for name in names])


def _most_common_mistake(predictions: Predictions) -> tuple[str, str]:
    """Return the true and the predicted class of the largest off-diagonal cell."""
    K = len(predictions.class_names)
    cells = predictions.truth * K + predictions.probs.argmax(dim=1)  # (N,)
    mistakes = cells.bincount(minlength=K * K).view(K, K).fill_diagonal_(0)
    true, predicted = divmod(int(mistakes.argmax()), K)
    return predictions.class_names[true], predictions.class_names[predicted]


def _nothing(title: str) -> AccessibleFigure:
    figure, axes = new_axes(6.0, 1.6)
    axes.axis("off")
    axes.set_title(title)
    axes.text(0, 0.5, "No image: this mistake was not made.", color=INK)
    figure.alt = f"{title}: no image."
    return figure
