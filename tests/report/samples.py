"""Made-up results of four methods, for tests of the page and of its look."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from workshop_lib.data.audit import Audit
from workshop_lib.evaluation.calibration import calibrate
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.evaluate import CheckpointScores
from workshop_lib.evaluation.metrics import score
from workshop_lib.recipe import Recipe
from workshop_lib.report.data import Embedded, MethodResult, ReportData


def embedded(labels: torch.Tensor, class_names: tuple[str, ...]) -> Embedded:
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    names = tuple(f"{i}.png" for i in range(30))
    drawn = Embeddings(vectors, labels[:30].numpy(), names, class_names)
    return Embedded(drawn, knn=0.625, silhouette=-0.25)


def sample_result(
    title: str,
    labels: torch.Tensor,
    class_names: tuple[str, ...],
    skill: float = 1.0,
    **changes: Any,
) -> MethodResult:
    """A method that is the better, the larger its skill; changes are the recipe's."""
    recipe = Recipe().with_(**changes)
    generator = torch.Generator().manual_seed(len(title))
    noise = torch.randn(len(labels), len(class_names), generator=generator)
    target = torch.nn.functional.one_hot(labels, len(class_names))
    probs = (noise + skill * target).softmax(1)
    steps = np.arange(100, 501, 100)
    log, counts = {"step": steps, "loss": 1 / steps, "val_accuracy": steps / 600}, None
    if recipe.method == "fixmatch":
        log |= {"mask_rate": steps / 700, "pseudo_accuracy": 1 - 10 / steps}
        log["pseudo_accuracy"][0] = math.nan  # no image was confident yet
        counts = pd.DataFrame(
            [
                (step, name, 10 * k, 5 * k, 20)
                for step in (100, 200)
                for k, name in enumerate(class_names)
            ],
            columns=["step", "class", "used", "correct", "true"],
        )
    return MethodResult(
        name=title.lower(),
        title=title,
        recipe=dataclasses.asdict(recipe),
        log=pd.DataFrame(log),
        scores=score(probs, labels, class_names),
        probs=probs,
        seconds=12.3,
        steps=500,
        parameters=1234567,
        labels=16 if recipe.labels_per_class else 300,
        seed=0,
        peak_memory=300 * 2**20,
        calibration=calibrate(probs, labels, probs, labels),
        checkpoints=(
            CheckpointScores("best", "ema", 400, 0.7, 0.6),
            CheckpointScores("last", "online", 500, math.nan, 0.5),
        ),
        pseudo_labels=counts,
        embedded=embedded(labels, class_names),
    )


def sample_report(
    results: Sequence[MethodResult],
    labels: torch.Tensor,
    class_names: tuple[str, ...],
    **changes: Any,
) -> ReportData:
    """A report of results on random pictures."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (len(labels), 3, 16, 16), generator=generator)
    images = images.to(torch.uint8)
    given: dict[str, Any] = {
        "title": "A report",
        "data": "made-up images",
        "class_names": class_names,
        "bands": ("red", "green", "blue"),
        "test_images": images,
        "test_labels": labels,
        "results": results,
        "split_counts": {"labeled": 16, "unlabeled": 300, "val": 40, "test": 60},
        "command": "workshop quickstart",
        "versions": {"torch": "2.4", "python": "3.10"},
        "audit": Audit((), {}),
        "labeled_images": images[:16],
        "labeled_labels": torch.arange(16) % len(class_names),
    }
    return ReportData(**given | changes)
