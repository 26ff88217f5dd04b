"""FixMatch on two images, step by step, as deck 04 draws it."""

__all__ = ["ask", "mask", "strong_answer", "weak_answer", "which_threshold"]

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slides.draw.asked_04 import strong_view, weak_view
from slides.draw.kit import measured
from slides.draw.letters import for_the_room
from slides.draw.runs import deck_scenes
from workshop_lib import plots
from workshop_lib.course.widgets.threshold import threshold_picture
from workshop_lib.plots.style import AccessibleFigure

THRESHOLD = 0.8


@cache
def views() -> tuple[Tensor, Tensor]:
    """Return the weak and the strong views that the network was asked about."""
    scenes, split = deck_scenes()
    images = scenes.images[split.unlabeled[:200]]
    return weak_view(images), strong_view(images)


def picture(image: Tensor) -> NDArray[np.uint8]:
    """Show one image (C, H, W)."""
    return plots.to_display(image[None], deck_scenes()[0].bands)[0]


def asked(name: str, strong: bool = False, **more: Any) -> plots.ClassProbabilities:
    """Return what the network said of a view."""
    found = measured("04_steps.json")[name]
    image = views()[strong][found["place"]]
    title = "strong view" if strong else "weak view"
    return plots.ClassProbabilities(
        more.pop("title", title),
        found["strong" if strong else "weak"],
        picture(image),
        **more,
    )


def ask(
    rows: list[plots.ClassProbabilities], title: str, **more: Any
) -> AccessibleFigure:
    """Draw opinions, without the title that stands on the slide."""
    names = deck_scenes()[0].class_names
    figure = plots.class_probabilities(rows, names, title=title, **more)
    return for_the_room(figure, width=700)


def weak_answer() -> AccessibleFigure:
    """Draw what the network says of the weak view."""
    return ask([asked("sure")], "The network's answer to a weak view")


def mask() -> AccessibleFigure:
    """Draw an answer that counts and one that does not."""
    rows = [
        asked("sure", title="image 1", note="mask 1: it counts"),
        asked("unsure", title="image 2", note="mask 0: it does not count"),
    ]
    return ask(rows, "Two weak views and the threshold", threshold=THRESHOLD)


def strong_answer() -> AccessibleFigure:
    """Draw both views of an image, and what the strong one has to become."""
    found = measured("04_steps.json")["sure"]
    target = int(np.argmax(found["weak"]))
    loss = -math.log(found["strong"][target])
    minus = "\N{MINUS SIGN}"
    note = f"H = {minus}log {found['strong'][target]:.2f} = {loss:.2f}"
    rows = [
        asked("sure", note="the pseudo-label"),
        asked("sure", strong=True, target=target, note=note),
    ]
    return ask(rows, "The strong view has to agree with the weak one")


def which_threshold() -> AccessibleFigure:
    """Draw what a threshold lets through."""
    found = measured("04_threshold.json")
    top = torch.tensor([float(c) for c in found["confidence"].split()])  # (N,)
    predicted = torch.tensor([int(k) for k in found["predicted"].split()])
    truth = torch.tensor([int(k) for k in found["true"].split()])
    K = deck_scenes()[0].num_classes
    # The picture looks at the highest probability only: the rest is spread evenly
    probs = ((1 - top) / (K - 1))[:, None].repeat(1, K)
    probs[torch.arange(len(top)), predicted] = top
    figure = threshold_picture(probs, truth, THRESHOLD)
    return for_the_room(figure, points=18, width=700, title=True)
