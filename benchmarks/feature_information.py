"""What each part of MiniEO tells of the scene class, without any network.

    python -m benchmarks.feature_information         about a minute; prints the table of
                                            docs/mini_eo.md

A random forest (scikit-learn) reads, of each patch, mean and spread of the bands and
the facts as they are: no shapes. What it gains from a second part is therefore there to
be gained; which network gets it, is another question (benchmarks.fusion).
"""

__all__ = ["PARTS", "far_away", "features", "worth"]

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, COVERS, mini_eo

# Sets of parts, each with what it is to be compared with below it
PARTS: tuple[tuple[str, ...], ...] = (
    ("s2",),
    ("s2", "s1"),
    ("s2", "s1", "climate"),
    ("s2", "s1", "climate", "dem", "season", "rain", "wind"),
    ("s1",),
    ("s1", "season"),
    ("s1", "rain", "wind"),
    ("dem",),
    ("dem", "altitude"),
    ("cover",),
    ("colour",),
    ("colour", "season"),
    ("colour", "wind"),
    ("climate",),
    ("climate", "lat", "lon"),
    ("season",),
    ("wind",),
)
AWAY = 4  # the fifth region


def features(scenes: Dataset) -> dict[str, NDArray[np.float32]]:
    """Return the parts of each patch as numbers, (N, k) each.

    "colour" is the mean of each band alone, "s2" mean and spread; "cover" the share of
    each land cover.
    """

    def both(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images.mean((2, 3)), images.std((2, 3))], 1)

    assert scenes.masks is not None
    masks = scenes.masks
    shares = [(masks == k).float().mean((1, 2)) for k in range(len(COVERS))]
    parts = {
        "s2": both(scenes.images),
        "colour": scenes.images.mean((2, 3)),
        "s1": both(scenes.modalities["s1"]),
        "dem": both(scenes.modalities["dem"]),
        "cover": torch.stack(shares, 1),
        "climate": scenes.metadata["region"][:, None],
        **{name: scenes.metadata[name][:, None] for name in scenes.metadata},
    }
    return {name: values.numpy() for name, values in parts.items()}


def worth(scenes: Dataset, parts: Sequence[str], trees: int = 200) -> float:
    """Return the accuracy of a forest on `parts`: mean over three folds."""
    known = features(scenes)
    x = np.concatenate([known[name] for name in parts], 1)
    y, fold = scenes.labels.numpy(), np.arange(len(scenes)) // 10 % 3
    right = []
    for k in range(3):
        forest = ExtraTreesClassifier(trees, min_samples_leaf=2, random_state=k)
        forest.fit(x[fold != k], y[fold != k])
        right.append(forest.score(x[fold == k], y[fold == k]))
    return float(np.mean(right))


def far_away(scenes: Dataset, parts: Sequence[str]) -> tuple[float, float]:
    """Learn in four regions; return the accuracy there, and in the fifth."""
    known, y = features(scenes), scenes.labels.numpy()
    x = np.concatenate([known[name] for name in parts], 1)
    away = scenes.metadata["region"].numpy() == AWAY
    tested = (np.arange(len(scenes)) // 10 % 3 == 0) & ~away
    learnt = ~tested & ~away
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=0)
    forest.fit(x[learnt], y[learnt])
    return forest.score(x[tested], y[tested]), forest.score(x[away], y[away])


def main() -> None:
    """Print the table."""
    scenes = mini_eo(bands=BANDS)
    print("| a forest on | accuracy, % |\n|---|---|")
    for parts in PARTS:
        print(f"| {' + '.join(parts)} | {100 * worth(scenes, parts):.1f} |", flush=True)
    print("\n| learnt in four regions | there, % | in the fifth, % |\n|---|---|---|")
    for parts in (("lon",), ("s1",), ("s1", "lon")):
        home, away = far_away(scenes, parts)
        print(f"| {' + '.join(parts)} | {100 * home:.1f} | {100 * away:.1f} |")


if __name__ == "__main__":
    main()
