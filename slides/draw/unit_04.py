"""The figures of slides/04_training.md: notebook 04's, and what is behind them."""

__all__ = ["FIGURES", "MEASURED"]

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from slides.draw.asked_04 import PER_CLASS
from slides.draw.kit import measured
from slides.draw.letters import for_the_room
from slides.draw.measured_04 import MEASURED
from slides.draw.steps_04 import (
    ask,
    mask,
    strong_answer,
    weak_answer,
    which_threshold,
)
from workshop_lib import plots
from workshop_lib.plots.style import AccessibleFigure
from workshop_lib.training.ema import Ema

# What WRN-28-2 keeps of an image of 224 pixels: maps, channels, side (notebook 04)
KEPT = [(2, 16, 224), (16, 32, 224), (16, 64, 112), (16, 128, 56)]


# ---- memory


def one_image() -> AccessibleFigure:
    """Draw what one image leaves behind in the network."""
    megabytes = {
        f"{maps} maps: {channels} x {side} x {side}": 4
        * maps
        * channels
        * side**2
        / 1e6
        for maps, channels, side in KEPT
    }
    figure = plots.bars(
        megabytes, title="Kept of one image for the way back", unit="MB"
    )
    return for_the_room(figure, points=18, width=690)


def what_helps() -> AccessibleFigure:
    """Draw the memory of a step, as in the paper and after each saving."""
    return plots.bars(
        measured("04_budget.json")["gigabytes"],
        title="Memory of a step: WRN-28-2, 8 + 56 images",
        unit="GB",
        limit=("a card of 15 GB", 15),
    )


# ---- the trainings


def log(name: str) -> pd.DataFrame:
    """Return the log of a run."""
    return pd.DataFrame(measured("04_logs.json")[name]["log"])


def mask_and_quality() -> AccessibleFigure:
    """Draw mask rate and pseudo-label accuracy of FixMatch."""
    figure = plots.pseudo_labels(log("fixmatch"), title="FixMatch, threshold 0.8")
    return for_the_room(figure, points=18, width=720, title=True)


def two_thresholds() -> AccessibleFigure:
    """Draw the mask rates of both thresholds."""
    both = {
        "0.8, aligned": log("fixmatch"),
        "0.95, as in the paper": log("fixmatch_paper"),
    }
    figure = plots.learning_curves(
        both, column="mask_rate", title="Share of unlabelled images used"
    )
    return for_the_room(figure, points=18, width=720, title=True)


def recall() -> AccessibleFigure:
    """Draw the network's own answer, its memory's, and the mixture."""
    found = measured("04_memory.json")
    rows = [
        plots.ClassProbabilities("the classifier", found["own"]),
        plots.ClassProbabilities("its neighbours", found["recalled"]),
        plots.ClassProbabilities("mixed, nine to one", found["mixed"]),
    ]
    return ask(rows, f"An image of class {found['true']}", most=4)


def comatch_graph() -> AccessibleFigure:
    """Draw CoMatch's target graph, and the embeddings before and after."""
    return matrices("comatch", "pseudo-labels agree")


def ccssl_weights() -> AccessibleFigure:
    """Draw CCSSL's weights, and the embeddings before and after."""
    return matrices("ccssl", "same class, both sure")


def matrices(name: str, target: str) -> AccessibleFigure:
    """Draw three matrices of the same images, class by class."""
    found = measured("04_graphs.json")[name]
    shown = {
        target: _matrix(found["target"]),
        "alike, before training": _matrix(found["initial"]),
        "alike, after": _matrix(found["best"]),
    }
    title = f"{10 * PER_CLASS} unlabelled images, class by class"
    figure = plots.panels(shown, title=title, span=(-1, 1))
    figure.set_size_inches(6.3, 2.6)  # without the title
    return for_the_room(figure, width=1000)


def _matrix(lines: list[str]) -> NDArray[np.float64]:
    values = np.array([line.split() for line in lines], np.float64)
    return values / values.diagonal()[:, None]  # an image and itself: 1


def ladder() -> AccessibleFigure:
    """Draw the picture to remember."""
    worth = {
        "Supervised, strong": "what augmentation was worth",
        "FixMatch": "what the unlabelled images were worth",
        "Supervised, all labels": "what 2,360 labels more would have brought",
    }
    rungs = []
    for title, one in measured("04_ladder.json").items():
        if title in ("CoMatch", "CCSSL"):
            continue  # they have slides of their own
        note = f"{one['run']['labels']:,} labels"
        rungs.append(plots.Bar(title, one["accuracy"], note, worth.get(title, "")))
    figure = plots.baselines(rungs, title="One split, 2,000 steps each", chance=0.1)
    return for_the_room(figure, points=18)


def two_weights() -> AccessibleFigure:
    """Draw the validation curves of averaged and online weights."""
    run = log("fixmatch")
    online = run.assign(val_accuracy=run["val_accuracy_online"])
    figure = plots.learning_curves(
        {"averaged (EMA)": run, "online": online}, title="FixMatch: two sets of weights"
    )
    return for_the_room(figure, points=18, width=540, title=True)


def start_left() -> AccessibleFigure:
    """Draw how much of the untrained weights an average still holds after 100 steps."""
    left = {}
    for name, decay, warmup in (
        ("0.999", 0.999, False),
        ("0.99", 0.99, False),
        ("0.99, warmed up", 0.99, True),
    ):
        weight = nn.Linear(1, 1, bias=False)
        nn.init.ones_(weight.weight)
        average = Ema(weight, decay, warmup=warmup)
        nn.init.zeros_(weight.weight)  # as if one step had found the solution
        for _ in range(100):
            average.update(weight)
        left[name] = round(100 * float(average.model.weight), 1)
    figure = plots.bars(
        left, title="What the average holds of the start", unit="% after 100 steps"
    )
    return for_the_room(figure, points=18, width=540, title=True)


def stopped() -> AccessibleFigure:
    """Draw a training that was stopped and resumed, and one that was not."""
    found = measured("04_resumed.json")
    assert found["equal"]  # what the slide says
    both = {name: pd.DataFrame(found[name]) for name in ("never stopped", "resumed")}
    figure = plots.learning_curves(both, title="The same training twice")
    return for_the_room(figure, points=18, width=580, title=True)


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "04_one_image.svg": one_image,
    "04_memory.svg": what_helps,
    "04_weak.svg": weak_answer,
    "04_mask.svg": mask,
    "04_strong.svg": strong_answer,
    "04_threshold.svg": which_threshold,
    "04_pseudo_labels.svg": mask_and_quality,
    "04_two_thresholds.svg": two_thresholds,
    "04_recall.svg": recall,
    "04_comatch.svg": comatch_graph,
    "04_ccssl.svg": ccssl_weights,
    "04_ladder.svg": ladder,
    "04_two_weights.svg": two_weights,
    "04_start_left.svg": start_left,
    "04_resumed.svg": stopped,
}
