"""The figures of deck 01, an introduction."""

__all__ = ["FIGURES", "MEASURED"]

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from slides.draw.kit import measured
from slides.draw.letters import for_the_room
from slides.draw.runs import deck_run, deck_scenes
from workshop_lib import plots
from workshop_lib.data.mini_eo import COVERS
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.plots.style import AccessibleFigure

# Notebook 01's two trainings, under the names that it gives them
NAMES = {"supervised": "supervised_strong", "FixMatch": "fixmatch"}
LAYERS = {"layer 1": 2, "layer 3": 8, "layer 6": 17}  # where in the trunk
UPRIGHT = torch.tensor([[-1.0, 0.0, 1.0]] * 3)  # finds upright edges


def class_images(name: str) -> Tensor:
    """Return the positions of the images of a class."""
    scenes, _ = deck_scenes()
    return (scenes.labels == scenes.class_names.index(name)).nonzero().flatten()


def halls() -> int:
    """Return the position of the industrial scene that notebook 01 looks into."""
    return int(class_images("Industrial")[3])


# ---- what needs a training


def two_runs() -> dict[str, Any]:
    """Read the curves of notebook 01 and its two bars off the runs."""
    found: dict[str, Any] = {}
    for title, name in NAMES.items():
        run = deck_run(name)
        log = run.log[["step", "val_accuracy"]].dropna()
        found[title] = {
            "run": run.folder.as_posix(),
            "recipe": {"method": run.recipe.method, "steps": run.recipe.steps},
            "labels": int(run.facts["labels"]),
            "unlabelled": int(run.facts["counts"]["unlabeled"]),
            "step": log["step"].astype(int).tolist(),
            "val_accuracy": log["val_accuracy"].round(4).tolist(),
            "test_accuracy": evaluate(run, *deck_scenes()).scores.accuracy,
        }
    return found


def feature_maps() -> dict[str, Any]:
    """Keep four feature maps of three layers of FixMatch's network, as whole numbers.

    The scale does not matter to the eye: each map reaches from 0 to 255.
    """
    scenes, _ = deck_scenes()
    run = deck_run("fixmatch")
    model, normalize = run.load_model()
    x = normalize(scenes.images[halls()][None])  # (1, C, H, W)
    found: dict[str, Any] = {"run": run.folder.as_posix(), "image": halls()}
    with torch.no_grad():
        for number, layer in enumerate(model.trunk):
            x = layer(x)
            for title, position in LAYERS.items():
                if number == position:
                    maps = x[0, :4]  # (4, h, w)
                    low, high = maps.amin((1, 2), True), maps.amax((1, 2), True)
                    grey = 255 * (maps - low) / (high - low).clamp(min=1e-6)
                    found[title] = grey.round().int().tolist()
    return found


# ---- pictures


def classes() -> AccessibleFigure:
    """Draw ten scenes, one of each class, with their names."""
    scenes, _ = deck_scenes()
    names = scenes.class_names
    images = scenes.images[torch.stack([class_images(name)[0] for name in names])]
    rows = {"": (images[:5], names[:5]), " ": (images[5:], names[5:])}
    return plots.picture_rows(rows, scenes.bands, side=1.6)


def which_is_which() -> AccessibleFigure:
    """Draw five scenes of two classes that look alike, with numbers only."""
    scenes, _ = deck_scenes()
    pasture, crop = class_images("Pasture"), class_images("AnnualCrop")
    chosen = torch.stack([pasture[4], crop[2], crop[3], pasture[1], crop[5]])
    rows = {"": (scenes.images[chosen], [f"? {k}" for k in range(1, 6)])}
    return plots.picture_rows(rows, scenes.bands, side=1.7)


def levels() -> AccessibleFigure:
    """Draw one scene asked three questions."""
    return plots.task_levels(deck_scenes()[0], halls(), COVERS, object_cover="building")


def kinds_of_learning() -> AccessibleFigure:
    """Draw what four kinds of learning see: which images come with a name."""
    scenes, _ = deck_scenes()
    names = ["Forest", "Highway", "Lake", "AnnualCrop", "Industrial", "Residential"]
    images = scenes.images[torch.stack([class_images(name)[1] for name in names])]
    pairs = images[[0, 0, 3, 3, 5, 5]]
    crops = torch.stack([pairs[0::2, :, :22, :22], pairs[1::2, :, 10:, 10:]], 1)
    return plots.picture_rows(
        {
            "supervised": (images, names),
            "unsupervised": (images, ["?"] * 6),
            "semi-supervised": (images, ["Forest", "?", "?", "?", "Industrial", "?"]),
            "self-supervised": (
                crops.flatten(0, 1),
                ["? crop A1", "? A2", "? B1", "? B2", "? C1", "? C2"],
            ),
        },
        scenes.bands,
        side=0.95,
    )


def split() -> AccessibleFigure:
    """Draw where each image of MiniEO goes."""
    return plots.split_bars(*deck_scenes())


def curves() -> AccessibleFigure:
    """Draw the two learning curves of notebook 01."""
    runs = measured("01_runs.json")
    logs = {
        name: pd.DataFrame({key: run[key] for key in ("step", "val_accuracy")})
        for name, run in runs.items()
    }
    labels = runs["FixMatch"]["labels"]
    title = f"{labels} labels, with and without unlabelled images"
    return plots.learning_curves(logs, title=title)


def bars() -> AccessibleFigure:
    """Draw what both reached on the test, above the guess."""
    runs = measured("01_runs.json")
    worth = f"gained with {runs['FixMatch']['unlabelled']:,} unlabelled images"
    rungs = [
        plots.Bar(
            name,
            run["test_accuracy"],
            f"{run['labels']} labels",
            worth if name == "FixMatch" else "",
        )
        for name, run in runs.items()
    ]
    chance = 1 / deck_scenes()[0].num_classes
    return plots.baselines(rungs, title="The same labels, twice", chance=chance)


def filter_by_hand() -> AccessibleFigure:
    """Draw the sums of one filter on 5 x 5 pixels, with all numbers."""
    scenes, _ = deck_scenes()
    infrared = scenes.images[halls(), scenes.bands.index("B08")]  # (H, W)
    window = (10 * infrared[5:10, 2:7]).round()  # (5, 5) whole numbers
    shown = {
        "image, 5 x 5 pixels": window.numpy(),
        "filter, 3 x 3 numbers": UPRIGHT.numpy(),
        "answer, 3 x 3 sums": slide(window, UPRIGHT),
    }
    return plots.panels(shown, title="Lay on, multiply, sum, move on", numbers=True)


def edges() -> AccessibleFigure:
    """Draw one band, and the answers of a filter and of the same filter turned."""
    scenes, _ = deck_scenes()
    infrared = scenes.images[halls(), scenes.bands.index("B08")]  # (H, W)
    shown = {
        "near infrared": infrared.numpy(),
        "upright edges": slide(infrared, UPRIGHT),
        "level edges": slide(infrared, UPRIGHT.T),
    }
    return plots.panels(shown, title="A filter slid over one band")


def slide(image: Tensor, kernel: Tensor) -> np.ndarray[Any, Any]:
    """Slide a filter over an image: (H, W), (3, 3) -> (H - 2, W - 2)."""
    answer = torch.nn.functional.conv2d(image[None, None], kernel[None, None])
    return answer[0, 0].numpy()


def maps() -> AccessibleFigure:
    """Draw feature maps of the first, the third and the last layer."""
    found = measured("01_maps.json")
    shown = {
        f"{title}, map {k + 1}": np.array(found[title][k]) / 255
        for pair in ((0, 1), (2, 3))  # a row each, from the first layer to the last
        for title in LAYERS
        for k in pair
    }
    return for_the_room(
        plots.panels(shown, title="Feature maps of FixMatch's network"), 16, 1130
    )


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "01_classes.png": classes,
    "01_which_is_which.png": which_is_which,
    "01_levels.png": levels,
    "01_kinds_of_learning.png": kinds_of_learning,
    "01_split.svg": split,
    "01_curves.svg": curves,
    "01_bars.svg": bars,
    "01_filter_by_hand.svg": filter_by_hand,
    "01_edges.png": edges,
    "01_maps.png": maps,
}
MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "01_runs.json": two_runs,
    "01_maps.json": feature_maps,
}
