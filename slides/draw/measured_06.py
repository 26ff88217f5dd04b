"""What deck 06 shows of the trainings, computed once: slides/data/06_*.json."""

__all__ = ["MEASURED", "STAGES", "TITLES", "toy"]

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from slides.draw.measured_05 import origin
from slides.draw.runs import deck_run, deck_scenes
from workshop_lib.augment.normalize import to_float
from workshop_lib.course.widgets import perplexity_maps
from workshop_lib.evaluation.embeddings import (
    Embeddings,
    embed_run,
    knn_accuracy,
    nearest,
)
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.evaluation.projection import pca, sample_per_class, tsne

Points = NDArray[np.float32]
Which = Literal["features", "projection"]
Stage = Literal["best", "initial"]

# As notebook 06 calls them
TITLES = {
    "supervised_strong": "Supervised, strong",
    "fixmatch": "FixMatch",
    "comatch": "CoMatch",
}
STAGES: dict[Stage, str] = {"initial": "before", "best": "after"}
POINTS = 300  # images on a map, the same on each
SHOWN = "Highway"  # the class whose way through the network is shown


@cache
def _embedded(
    name: str, part: str, stage: Stage = "best", which: Which = "features"
) -> Embeddings:
    return embed_run(deck_run(name), *deck_scenes(), part, which, stage)


def _knn(name: str, stage: Stage, which: Which = "features") -> float:
    """Measure what notebook 06 does: the class of the nearest labelled image."""
    memory, test = (_embedded(name, p, stage, which) for p in ("labeled", "test"))
    return round(knn_accuracy(memory, test), 4)


def _sample() -> NDArray[np.int64]:
    return sample_per_class(_embedded("fixmatch", "test").labels, POINTS)


def _map(vectors: Points, **how: Any) -> list[list[float]]:
    return _rounded(tsne(vectors, **how))


def _rounded(points: Points) -> list[list[float]]:
    """Two digits: a map is tens of units wide, and a dot one of them."""
    return [list(row) for row in points.astype(np.float64).round(2).tolist()]


def maps() -> dict[str, Any]:
    """Draw six maps, three methods before and after training, and measure each."""
    chosen = _sample()
    found: dict[str, Any] = {
        "runs": origin(*TITLES),
        "labels": _embedded("fixmatch", "test").labels[chosen].tolist(),
    }
    for name in TITLES:
        for stage, word in STAGES.items():
            vectors = _embedded(name, "test", stage).vectors[chosen]
            found[f"{name}, {word}"] = {
                "knn": _knn(name, stage),
                "points": _map(vectors),
            }
    return found


def solid() -> dict[str, Any]:
    """Draw FixMatch's map in three dimensions, and three of its raw coordinates."""
    chosen = _sample()
    vectors = _embedded("fixmatch", "test").vectors[chosen]
    return {
        "runs": origin("fixmatch"),
        "labels": _embedded("fixmatch", "test").labels[chosen].tolist(),
        "tsne": _map(vectors, dims=3),
        "first_three": vectors[:, :3].astype(np.float64).round(3).tolist(),
    }


def perplexities() -> dict[str, Any]:
    """Draw the same features at three perplexities, and pure noise at two."""
    # As the slider of notebook 06 has them
    slider = perplexity_maps(_embedded("fixmatch", "test"), (5, 30, 100))
    noise = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    return {
        "runs": origin("fixmatch"),
        "labels": slider[30].labels.tolist(),
        "features": {p: _rounded(panel.points) for p, panel in slider.items()},
        "noise": {p: _map(noise, perplexity=p) for p in (3, 30)},
    }


def toy() -> tuple[Points, NDArray[np.int64]]:
    """Make notebook 06's three groups: B close to A and ten times as wide, C far."""
    rng = np.random.default_rng(0)
    centres = np.zeros((3, 16))
    centres[:, 0], centres[:, 1] = (1, 0.9, -1), (0, 0.45, 0.2)
    group = np.repeat(np.arange(3), 80)
    width = np.array([0.01, 0.1, 0.01])[group, None]
    points = centres[group] + width * rng.normal(size=(240, 16))
    return points.astype(np.float32), group


def cannot_tell() -> dict[str, Any]:
    """Draw the three groups by PCA, a shadow, and by t-SNE."""
    vectors, group = toy()
    drawn = {"PCA": pca(vectors)[0], "t-SNE": tsne(vectors)}
    found: dict[str, Any] = {"groups": "toy() in slides/draw/measured_06.py"}
    for name, points in drawn.items():
        a, b, c = (points[group == g].mean(axis=0) for g in range(3))
        far = float(np.linalg.norm(a - c) / np.linalg.norm(a - b))
        found[name] = {
            "far": round(far, 2),
            "points": points.astype(np.float64).round(3).tolist(),
        }
    return found


def vectors() -> dict[str, Any]:
    """Look at CoMatch's vectors: lengths, two of the numbers, kNN of both kinds."""
    features = _embedded("comatch", "test")
    projected = _embedded("comatch", "test", "best", "projection")
    few = np.flatnonzero(features.labels < 3)[:36]
    pair = features.vectors[few].var(axis=0).argsort()[-2:]  # the most varied two
    lengths = {
        "features": np.linalg.norm(features.vectors, axis=1),
        "projection": np.linalg.norm(projected.vectors, axis=1),
    }
    return {
        "runs": origin("comatch"),
        "sizes": [features.vectors.shape[1], projected.vectors.shape[1]],
        "lengths": {k: v.astype(float).round(4).tolist() for k, v in lengths.items()},
        "two_numbers": features.vectors[few][:, pair].astype(float).round(4).tolist(),
        "labels": features.labels[few].tolist(),
        "knn": {
            which: _knn("comatch", "best", which)
            for which in ("features", "projection")
        },
    }


def neighbours() -> dict[str, Any]:
    """Ask FixMatch for the test images most alike to the first of two classes."""
    test = _embedded("fixmatch", "test")
    asked = [test.class_names.index(name) for name in ("Residential", SHOWN)]
    first = [int(np.flatnonzero(test.labels == c)[0]) for c in asked]
    found, cosines = nearest(test.vectors, np.array(first), 6)
    return {
        "runs": origin("fixmatch"),
        "queries": first,
        "found": found.tolist(),
        "similarity": cosines.astype(float).round(4).tolist(),
    }


def path() -> dict[str, Any]:
    """Follow one test image that FixMatch gets right, a highway, to its vector."""
    scenes, split = deck_scenes()
    run = deck_run("fixmatch")
    model, normalize = run.load_model()
    said = evaluate(run, scenes, split).probs  # (N, K)
    truth = scenes.labels[split.test]
    right = (said.argmax(dim=1) == truth) & (truth == scenes.class_names.index(SHOWN))
    at = int(right.nonzero()[0])
    image = normalize(to_float(scenes.images[split.test[at]][None]))  # (1, C, H, W)
    with torch.inference_mode():
        # All but the average over the positions and the flattening
        maps = model.trunk[:-2](image)[0]  # (D, 4, 4)
    varied = maps.flatten(1).std(dim=1).argsort(descending=True)[:16]
    return {
        "runs": origin("fixmatch"),
        "image": int(split.test[at]),
        "maps": maps[varied].double().numpy().round(2).tolist(),
        "features": maps.mean(dim=(1, 2)).double().numpy().round(3).tolist(),
        "probs": said[at].double().numpy().round(4).tolist(),
    }


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "06_maps.json": maps,
    "06_solid.json": solid,
    "06_perplexities.json": perplexities,
    "06_cannot_tell.json": cannot_tell,
    "06_vectors.json": vectors,
    "06_neighbours.json": neighbours,
    "06_path.json": path,
}
