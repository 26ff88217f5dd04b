"""What trained networks say of images: the other half of slides/data/04_*.json."""

__all__ = ["ASKED", "PER_CLASS", "origin", "strong_view", "weak_view"]

from collections.abc import Callable
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from slides.draw.runs import deck_run, deck_scenes
from workshop_lib.augment import policies_for
from workshop_lib.losses.class_aware_contrast import contrast_weights
from workshop_lib.losses.graph_contrast import pseudo_label_graph
from workshop_lib.losses.memory import PseudoLabelMemory
from workshop_lib.models.predict import embed, predict
from workshop_lib.recipe import preset
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

STRONG_SEED = 3  # of the views that the slides show
PER_CLASS = 4  # images of each class in the matrices


def origin(run: Run) -> dict[str, Any]:
    """Say which run a figure comes from."""
    recipe = run.recipe
    return {
        "folder": run.folder.as_posix(),
        "method": recipe.method,
        "labels": int(run.facts["labels"]),
        "steps": recipe.steps,
        "seed": recipe.seed,
        "split_seed": recipe.split_seed,
        "precision": run.facts["precision"],
        "torch": run.facts["torch"].split("+")[0],
    }


# ---- one step of FixMatch, seen on two images


@cache
def _sure() -> tuple[Run, Tensor]:
    """Return the run that labels alone have taught, and its answers for the pool."""
    run = deck_run("supervised_strong")
    scenes, split = deck_scenes()
    model, normalize = run.load_model()
    return run, predict(model, normalize, scenes.images, index=split.unlabeled)


def threshold() -> dict[str, Any]:
    """Keep of each prediction for an unlabelled image the class and the confidence."""
    run, probs = _sure()
    scenes, split = deck_scenes()
    confidence, pseudo = probs.max(dim=1)
    return {
        "run": origin(run),
        "confidence": " ".join(f"{c:.3f}" for c in confidence.tolist()),
        "predicted": " ".join(map(str, pseudo.tolist())),
        "true": " ".join(map(str, scenes.labels[split.unlabeled].tolist())),
    }


def weak_view(images: Tensor) -> Tensor:
    """Return the weak view of (B, C, H, W) that the slides show."""
    generator = torch.Generator().manual_seed(STRONG_SEED)
    return policies_for(is_rgb=False)["weak"](images, generator)


def strong_view(images: Tensor) -> Tensor:
    """Return the strong view of (B, C, H, W) that the slides show."""
    generator = torch.Generator().manual_seed(STRONG_SEED)
    return policies_for(is_rgb=False)["strong"](images, generator)


def steps() -> dict[str, Any]:
    """Ask the network about both views of an image it is sure of, and of another.

    Both are chosen as examples: of the first the weak view is right and sure, and the
    strong one not; of the second the weak view is wrong and not sure.
    """
    run, _ = _sure()
    scenes, split = deck_scenes()
    model, normalize = run.load_model()
    pool = split.unlabeled[:200]
    images, truth = scenes.images[pool], scenes.labels[pool]
    weak = predict(model, normalize, weak_view(images))
    strong = predict(model, normalize, strong_view(images))
    top, pseudo = weak.max(dim=1)
    kept = strong.gather(1, pseudo[:, None])[:, 0]  # what the strong view gives to it
    good = (pseudo == truth) & (top > 0.9) & (kept > 0.2) & (kept < 0.45)
    bad = (pseudo != truth) & (top < 0.6)
    found: dict[str, Any] = {"run": origin(run)}
    for name, chosen in (("sure", good), ("unsure", bad)):
        k = int(chosen.nonzero()[0])
        found[name] = {
            "place": k,
            "true": scenes.class_names[int(truth[k])],
            "weak": _rounded(weak[k]),
            "strong": _rounded(strong[k]),
        }
    return found


# ---- CoMatch and CCSSL


def _few() -> Tensor:
    """Return the positions of a few unlabelled images of each class, class by class."""
    scenes, split = deck_scenes()
    labels = scenes.labels[split.unlabeled]
    found = [
        split.unlabeled[labels == k][:PER_CLASS] for k in range(scenes.num_classes)
    ]
    return torch.cat(found)


def graphs() -> dict[str, Any]:
    """Compute the graphs of CoMatch and CCSSL on a few images, sorted by class."""
    scenes, _ = deck_scenes()
    index = _few()
    found: dict[str, Any] = {"images_per_class": PER_CLASS}
    for name in ("comatch", "ccssl"):
        run = deck_run(name)
        model, normalize = run.load_model()
        probs = predict(model, normalize, scenes.images, index=index)
        confidence, pseudo = probs.max(dim=1)
        found[name] = {"run": origin(run)}
        if name == "comatch":
            target = pseudo_label_graph(probs, run.recipe.graph_threshold)
        else:
            target = contrast_weights(pseudo, confidence, run.recipe.push_threshold)
        found[name]["target"] = _matrix(target)
        for which in ("initial", "best"):
            model, normalize = run.load_model(which)
            z = embed(model, normalize, scenes.images, "projection", index=index)
            found[name][which] = _matrix(z @ z.T)
    return found


def memory() -> dict[str, Any]:
    """Ask CoMatch's memory about images early in a training, when it matters.

    The memory is filled as in the training: with images that came by and what the
    network says of them. The image that is shown is chosen as an example: the first
    that the memory puts right.
    """
    scenes, split = deck_scenes()
    recipe = preset("class").with_(
        method="comatch", steps=200, eval_every=200, precision="fp32"
    )
    with TemporaryDirectory() as folder:
        run = train(recipe, scenes, split, folder=folder, verbose=False)
        model, normalize = run.load_model("last", "online")
    size = recipe.queue_batches * (recipe.mu + 1) * recipe.batch_size
    order = torch.randperm(
        len(split.unlabeled), generator=torch.Generator().manual_seed(0)
    )
    index = split.unlabeled[order]
    probs = predict(model, normalize, scenes.images, index=index)
    z = embed(model, normalize, scenes.images, "projection", index=index)
    recalled = PseudoLabelMemory(size, z.shape[1], scenes.num_classes)
    recalled.push(z[:size], probs[:size])
    own, vectors, truth = probs[size:], z[size:], scenes.labels[index[size:]]
    temperature = recipe.graph_temperature
    recall = recalled.smooth(
        own, vectors, weight=0.0, temperature=temperature, ready=True
    )
    mixed = recalled.smooth(
        own, vectors, weight=recipe.smoothing, temperature=temperature, ready=True
    )
    right = (own.argmax(1) != truth) & (mixed.argmax(1) == truth)
    wrong = (own.argmax(1) == truth) & (mixed.argmax(1) != truth)
    k = int(right.nonzero()[0])
    return {
        "recipe": {"method": "comatch", "steps": recipe.steps, "seed": recipe.seed},
        "remembered": size,
        "asked": len(own),
        "put_right": int(right.sum()),
        "put_wrong": int(wrong.sum()),
        "alone": _let_through(own, truth, recipe.threshold),
        "with_memory": _let_through(mixed, truth, recipe.threshold),
        "position": int(index[size + k]),
        "true": scenes.class_names[int(truth[k])],
        "own": _rounded(own[k]),
        "recalled": _rounded(recall[k]),
        "mixed": _rounded(mixed[k]),
    }


def _let_through(probs: Tensor, truth: Tensor, threshold: float) -> dict[str, float]:
    """Return mask rate and pseudo-label accuracy at a threshold."""
    top, pseudo = probs.max(dim=1)
    mask = top >= threshold
    right = (pseudo == truth)[mask].float().mean()
    return {
        "used": round(float(mask.float().mean()), 4),
        "right": round(float(right), 4),
    }


def _rounded(row: Tensor) -> list[float]:
    return [round(float(value), 4) for value in row]


def _matrix(values: Tensor) -> list[str]:
    """Write a matrix as lines of numbers: a file that one can read."""
    return [" ".join(f"{v:.2f}" for v in row) for row in values.tolist()]


ASKED: dict[str, Callable[[], dict[str, Any]]] = {
    "04_threshold.json": threshold,
    "04_steps.json": steps,
    "04_graphs.json": graphs,
    "04_memory.json": memory,
}
