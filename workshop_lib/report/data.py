"""The content of a report: trained methods and their predictions, read from runs."""

__all__ = ["Embedded", "MethodResult", "ReportData", "collect_page", "method_result"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor

from workshop_lib import __version__
from workshop_lib.data.audit import Audit
from workshop_lib.data.load import make_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import Calibration
from workshop_lib.evaluation.embeddings import (
    Embeddings,
    embed_run,
    knn_accuracy,
    silhouette,
)
from workshop_lib.evaluation.evaluate import CheckpointScores, Evaluation
from workshop_lib.evaluation.metrics import Scores
from workshop_lib.evaluation.projection import sample_per_class
from workshop_lib.evaluation.statistics import PairedTest, mcnemar
from workshop_lib.training.run import Run

_DRAWN = 600  # images in the t-SNE: a few seconds, and points that do not overlap
_AUDITED = 5000  # images; near duplicates among more take half a minute to find
_FACTS = ("python", "torch", "device", "threads", "precision")


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings of some test images, enough for a map, and measures of all of them.

    `knn` is the `knn_accuracy` of all test images among the labelled ones, `silhouette`
    that of the `drawn` images.
    """

    drawn: Embeddings
    knn: float
    silhouette: float


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One trained method: how it was trained, and its predictions on the test images.

    `log` is `Run.log`; `probs` (N, K) are the predictions on `ReportData.test_images`;
    `labels` is the number of labelled images; `seconds` and `steps` are those of the
    training; `seed` is the split's. The fields with a default may be missing; the page
    then leaves their section out.
    """

    name: str  # short, as in results.json: "supervised_strong"
    title: str  # for readers: "Supervised, strong augmentation"
    recipe: Mapping[str, Any]  # `dataclasses.asdict` of the Recipe
    log: pd.DataFrame
    scores: Scores
    probs: Tensor
    seconds: float
    steps: int
    parameters: int
    labels: int
    seed: int
    peak_memory: int | None = None  # bytes, see session.peak_memory
    calibration: Calibration | None = None
    checkpoints: Sequence[CheckpointScores] = ()  # the four sets of weights
    pseudo_labels: pd.DataFrame | None = None  # Run.pseudo_labels()
    embedded: Embedded | None = None
    split_folder: str = ""  # where the recipe alone does not give the split

    @property
    def role(self) -> Literal["baseline", "semi-supervised", "ceiling"]:
        """Role of the method in the comparison, by its recipe."""
        if self.recipe.get("method") != "supervised":
            return "semi-supervised"
        return "ceiling" if self.recipe.get("labels_per_class") == 0 else "baseline"

    @property
    def is_control(self) -> bool:
        """Whether the method ran on the labelled images only, as a control."""
        return self.recipe.get("pool") == "labeled"


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that `write_report` shows. One result is enough; four make the ladder.

    Args:
        title: heading of the page.
        data: the images, in words that follow "on": "the embedded scenes".
        class_names: K names.
        bands: names of the C channels.
        test_images: (N, C, H, W), as `Scenes.images`.
        test_labels: (N,) true classes.
        results: in the order of the story, weakest method first.
        split_counts: images in each part: labeled, unlabeled, val, test.
        command: that made this page.
        versions: version by name of program.
        audit: of the split.
        near_duplicates: whether the audit looked for images of the same ground.
        class_counts: for each part of the split, the images of each of the K classes.
        labeled_images, labeled_labels: the few labelled images, shown if given.

    Raises:
        WorkshopError: no result, or the lengths do not fit.
    """

    title: str
    data: str
    class_names: tuple[str, ...]
    bands: tuple[str, ...]
    test_images: Tensor
    test_labels: Tensor
    results: Sequence[MethodResult]
    split_counts: Mapping[str, int]
    command: str
    versions: Mapping[str, str]
    audit: Audit | None = None
    near_duplicates: bool = True
    class_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    labeled_images: Tensor | None = None
    labeled_labels: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("test_images", "test_labels", "labeled_images", "labeled_labels"):
            tensor = getattr(self, name)
            if tensor is not None:  # the only way to set a field of a frozen dataclass
                object.__setattr__(self, name, tensor.cpu())
        if not self.results:
            raise WorkshopError("a report without results: give at least one method's.")
        N, K = len(self.test_images), len(self.class_names)
        if N == 0 or len(self.test_labels) != N:
            raise WorkshopError(
                f"{N} test images and {len(self.test_labels)} test labels: a report"
                " needs at least one image and one label for each."
            )
        for result in self.results:
            if tuple(result.probs.shape) != (N, K):
                raise WorkshopError(
                    f"predictions of {result.name!r} have shape"
                    f" {tuple(result.probs.shape)}, expected ({N}, {K}): predict the"
                    " same test images with every method."
                )
        lacking = [part for part in PARTS if part not in self.split_counts]
        if lacking:
            raise WorkshopError(
                f"split_counts lacks {lacking[0]!r}: give Split.counts(), the number of"
                " images in labeled, unlabeled, val and test."
            )

    @property
    def main(self) -> MethodResult:
        """The method that the page is about; see `_main`."""
        return _main(self.results)

    @property
    def baseline(self) -> MethodResult | None:
        """The best supervised method with the same labels; None if that is `main`."""
        few = self.main.labels
        found = [r for r in self.results if r.role == "baseline" and r.labels == few]
        best = max(found, key=lambda r: r.scores.accuracy, default=None)
        return None if best is self.main else best

    @property
    def others(self) -> list[MethodResult]:
        """All results but `main`; the baseline, if there is one, comes first."""
        rest = [r for r in self.results if r is not self.main]
        return sorted(rest, key=lambda r: r is not self.baseline)

    def right(self, result: MethodResult) -> Tensor:
        """Which test images a method classified correctly, (N,) bool."""
        return result.probs.argmax(dim=1).cpu() == self.test_labels

    def compare(self, other: MethodResult) -> PairedTest:
        """Compare the main method with another one on the same test images."""
        return mcnemar(self.right(self.main).numpy(), self.right(other).numpy())


def _main(results: Sequence[MethodResult]) -> MethodResult:
    """Return the first semi-supervised method; without one, the best baseline."""
    for result in results:
        if result.role == "semi-supervised":
            return result
    baselines = [r for r in results if r.role == "baseline"] or results[:1]
    return max(baselines, key=lambda r: r.scores.accuracy)


def method_result(
    name: str, title: str, run: Run, evaluation: Evaluation
) -> MethodResult:
    """Collect from a run and its evaluation all that tables and page need."""
    return MethodResult(
        name=name,
        title=title,
        recipe=asdict(run.recipe),
        log=run.log,
        scores=evaluation.scores,
        probs=evaluation.probs,
        seconds=run.facts["seconds"],
        steps=run.facts["steps"],
        parameters=run.facts["parameters"],
        labels=run.facts["labels"],
        seed=run.recipe.split_seed,
        peak_memory=run.facts.get("peak_memory"),  # absent in older runs
        calibration=evaluation.calibration,
        checkpoints=evaluation.checkpoints,
        pseudo_labels=run.pseudo_labels(),
    )


def collect_page(
    runs: Sequence[Run], results: Sequence[MethodResult], scenes: Scenes, command: str
) -> ReportData:
    """Add to the results of runs their split, its audit, images and embeddings.

    Args:
        runs, results: in the same order; the images of the runs are the same.
        scenes: those images.
        command: that the page names as its origin.
    """
    splits = [Split.load(run.folder / "split", scenes) for run in runs]
    found = [
        replace(
            result,
            embedded=_embedded(run, scenes, split),
            split_folder=_split_folder(run, scenes, split),
        )
        for result, run, split in zip(results, runs, splits, strict=True)
    ]
    position = found.index(_main(found))
    run, split = runs[position], splits[position]
    check, source = len(scenes) <= _AUDITED, f"the images in {run.recipe.data}"
    if run.recipe.data.startswith("mini_eo"):
        source = "the embedded scenes (MiniEO)"
    return ReportData(
        title=_heading(found),
        data=source,
        class_names=scenes.class_names,
        bands=scenes.bands,
        test_images=scenes.images[split.test],
        test_labels=scenes.labels[split.test],
        results=found,
        split_counts=split.counts(),
        class_counts=_class_counts(scenes, split),
        command=command,
        # Of the training, which may have been on another machine than the page
        versions={"workshop_lib": __version__}
        | {name: run.facts[name] for name in _FACTS if name in run.facts},
        audit=split.audit(scenes, near_duplicates=check),
        near_duplicates=check,
        labeled_images=scenes.images[split.labeled],
        labeled_labels=scenes.labels[split.labeled],
    )


def _embedded(run: Run, scenes: Scenes, split: Split) -> Embedded:
    """Embed the test images; keep as many as can be drawn."""
    queries = embed_run(run, scenes, split, "test")
    memory = embed_run(run, scenes, split, "labeled")
    rows = sample_per_class(queries.labels, _DRAWN)
    names = tuple(queries.names[i] for i in rows.tolist())
    drawn = Embeddings(
        queries.vectors[rows], queries.labels[rows], names, queries.class_names
    )
    try:
        apart = silhouette(drawn.vectors, drawn.labels)
    except WorkshopError:  # only one class, or one image of each: undefined
        apart = math.nan
    return Embedded(drawn, knn_accuracy(memory, queries), apart)


def _split_folder(run: Run, scenes: Scenes, split: Split) -> str:
    """Return the folder of a split that the recipe alone would not make again."""
    own = make_split(run.recipe, scenes).digest(scenes)
    return "" if own == split.digest(scenes) else str(run.folder / "split")


def _class_counts(scenes: Scenes, split: Split) -> dict[str, list[int]]:
    K, counts = len(scenes.class_names), {}
    for part in PARTS:
        labels = scenes.labels[getattr(split, part)]
        known = labels[labels >= 0]  # -1: unknown
        counts[part] = torch.bincount(known, minlength=K).tolist()
    return counts


def _heading(results: Sequence[MethodResult]) -> str:
    if {"baseline", "semi-supervised"} <= {result.role for result in results}:
        return "What are unlabelled images worth?"
    if len(results) > 1:
        return "Which training is better, and how certain is that?"
    return f"What did this training learn? ({results[0].title})"
