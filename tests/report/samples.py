"""Made-up results of four methods, for tests of the page and of its look."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tests.scenes import dataset
from workshop_lib.config import Config
from workshop_lib.data.audit import Audit
from workshop_lib.data.split import Split
from workshop_lib.evaluation.calibration import calibrate
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.metrics import score
from workshop_lib.evaluation.scoring import CheckpointScores, Evaluation
from workshop_lib.report.data import Embedded, MethodResult, ReportData
from workshop_lib.training.run import Run

FACTS = {
    "seconds": 12.3, "steps": 500, "parameters": 1234567, "peak_memory": 300 * 2**20,
    "torch": "2.4", "python": "3.10",
}  # fmt: skip


def embedded(labels: torch.Tensor, class_names: tuple[str, ...]) -> Embedded:
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    names = tuple(f"{i}.png" for i in range(30))
    drawn = Embeddings(vectors, labels[:30].numpy(), names, class_names)
    return Embedded(drawn, knn=0.625, silhouette=-0.25)


def sample_evaluation(probs, labels, class_names):
    scores = score(probs, labels, class_names)
    four = (
        CheckpointScores("best", "ema", 400, 0.7, scores.accuracy),
        CheckpointScores("last", "online", 500, math.nan, 0.5),
    )
    ends = {"accuracy": scores.interval(), "macro_f1": (0.1, 0.9)}
    fitted = calibrate(probs, labels, probs, labels)
    return Evaluation(
        "categorical", "accuracy", scores, probs, four, ends, calibration=fitted
    )


def sample_result(title, labels, class_names, skill=1.0, **changes):
    """A method that is the better, the larger its skill; changes are the config's."""
    config = Config().replace(**changes)
    generator = torch.Generator().manual_seed(len(title))
    noise = torch.randn(len(labels), len(class_names), generator=generator)
    target = torch.nn.functional.one_hot(labels, len(class_names))
    probs = (noise + skill * target).softmax(1)
    steps = np.arange(100, 501, 100)
    log, counts = {"step": steps, "loss": 1 / steps, "val_accuracy": steps / 600}, None
    if config.method_name == "fixmatch":
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
    heads = {"scene": {"kind": "categorical", "classes": list(class_names)}}
    labelled = 16 if config.data.labels_per_class else 300
    facts = {**FACTS, "labels": labelled, "heads": heads}
    run = Run(Path("runs") / title.lower(), config, facts, pd.DataFrame(log))
    return MethodResult(
        title,
        run,
        sample_evaluation(probs, labels, class_names),
        embedded(labels, class_names),
        counts,
    )


def sample_report(results, labels, class_names, side=16, **changes):
    """A report of results on random pictures, of which the first N are the test."""
    generator = torch.Generator().manual_seed(0)
    N = len(labels)
    n = torch.arange(N + 340)
    images = torch.randint(0, 256, (len(n), 3, side, side), generator=generator)
    every = torch.cat([labels, n[:340] % len(class_names)])
    scenes = dataset(images.byte(), every, class_names)
    split = Split(n[N : N + 16], n[N : N + 300], n[N + 300 :], n[:N], seed=0)
    given: dict[str, Any] = {
        "scenes": scenes,
        "split": split,
        "results": results,
        "command": "workshop quickstart",
        "audit": Audit((), {}),
    }
    return ReportData(**given | changes)
