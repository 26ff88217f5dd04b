"""The content of a report: trained methods and their predictions, read from runs."""

__all__ = ["DRAWN", "Embedded", "MethodResult", "ReportData", "collect"]

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd
from torch import Tensor

from workshop_lib.config import Config
from workshop_lib.data.audit import Audit
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.samples import targets_of
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation import embeddings
from workshop_lib.evaluation.projection import sample_per_class
from workshop_lib.evaluation.scoring import Evaluation, evaluate
from workshop_lib.evaluation.statistics import PairedTest, mcnemar
from workshop_lib.training.run import Run

DRAWN = 600  # images in the t-SNE: a few seconds, and points that do not overlap
_AUDITED = 5000  # images; near duplicates among more take half a minute to find


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings of the test images, and how well they separate the classes."""

    test: embeddings.Embeddings
    knn: float  # `knn_accuracy` among the labelled images
    silhouette: float  # of the images that are drawn


@dataclass(frozen=True, eq=False)
class MethodResult:
    """One trained method: its run, and its predictions on the test images.

    The fields with a default may be missing; the page then leaves their section out.
    """

    title: str  # for readers: "Supervised, strong augmentation"
    run: Run
    evaluation: Evaluation
    embedded: Embedded | None = None
    pseudo_labels: pd.DataFrame | None = None  # Run.pseudo_labels()
    split_folder: str = ""  # where the config alone does not give the split

    @property
    def config(self) -> Config:
        """Config of the run."""
        return self.run.config

    @property
    def labels(self) -> int:
        """Number of labelled images of the main head."""
        return self.run.labels

    @property
    def value(self) -> float:
        """The main metric on the test images."""
        return self.evaluation.value

    @property
    def role(self) -> Literal["baseline", "semi-supervised", "ceiling"]:
        """Role of the method in the comparison, by its config."""
        if self.config.method_name != "supervised":
            return "semi-supervised"
        return "baseline" if self.config.data.main_labels else "ceiling"

    @property
    def is_control(self) -> bool:
        """Whether the method ran on the labelled images only, as a control."""
        return self.config.data.unlabeled_from == "labeled"


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that `write_report` shows. One result is enough; five tell a story.

    Args:
        scenes, split: of the main method; all methods have the same test images.
        results: in the order of the story, weakest method first.
        command: that made this page.
        audit: of the split.
        near_duplicates: whether the audit looked for images of the same ground.
    """

    scenes: Dataset
    split: Split
    results: Sequence[MethodResult]
    command: str
    audit: Audit
    near_duplicates: bool = True

    @property
    def kind(self) -> str:
        """Kind of the main head: categorical, dense, multilabel or regression."""
        return self.results[0].evaluation.kind

    @property
    def metric(self) -> str:
        """Main metric: accuracy, miou, f1_micro or r2."""
        return self.results[0].evaluation.metric

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes of the main head; empty for a number."""
        return self.results[0].run.class_names

    @property
    def labels(self) -> Tensor:
        """Targets of the main head for all images, (N,) classes or (N, K) labels."""
        head = self.results[0].run.main_head
        return targets_of(self.scenes, (head,))[head].cpu()

    @property
    def main(self) -> MethodResult:
        """The first semi-supervised method; without one, the best baseline."""
        return _main(self.results)

    @property
    def control(self) -> MethodResult | None:
        """The main method without unlabelled images; None if it was not trained."""
        method = self.main.config.method_name
        found = [r for r in self.others if r.config.method_name == method]
        return next((r for r in found if r.is_control), None)

    @property
    def baseline(self) -> MethodResult | None:
        """The best supervised method with the same labels; None if that is `main`."""
        few = self.main.labels
        found = [r for r in self.results if r.role == "baseline" and r.labels == few]
        best = max(found, key=lambda r: r.value, default=None)
        return None if best is self.main else best

    @property
    def others(self) -> list[MethodResult]:
        """All results but `main`; the baseline, if there is one, comes first."""
        rest = [r for r in self.results if r is not self.main]
        return sorted(rest, key=lambda r: r is not self.baseline)

    def right(self, result: MethodResult) -> Tensor:
        """Return which test images a method classified correctly, (N,) bool."""
        predicted = result.evaluation.probs.argmax(dim=1).cpu()
        return predicted == self.labels[self.split.test]

    def compare(self, other: MethodResult) -> PairedTest:
        """Compare the main method with another one on the same test images."""
        return mcnemar(self.right(self.main).numpy(), self.right(other).numpy())


def collect(
    runs: Sequence[Run],
    command: str,
    scenes: Dataset | None = None,
    titles: Sequence[str] = (),
) -> ReportData:
    """Score finished runs, and look at their split, embeddings and pseudo-labels.

    Args:
        runs: on one data set and with the same test images, weakest first.
        command: that the page names as its origin.
        scenes: their images; None loads the data set that their config names.
        titles: one for each run; default the name of its method.

    Raises:
        WorkshopError: no run, runs that were not tested on the same images, or runs
            whose main heads predict something else.
    """
    if not runs:
        raise WorkshopError("a report without results: give at least one run.")
    metrics = sorted({run.metric for run in runs})
    if len(metrics) > 1:
        raise WorkshopError(
            f"runs measured by {', '.join(metrics)} on one page: compare runs whose"
            " main heads predict the same."
        )
    data = runs[0].config.data
    scenes = scenes or load_dataset(data.name, data.size, data.bands)
    splits = [Split.load(run.folder / "split", scenes) for run in runs]
    for run, split in zip(runs, splits, strict=True):
        mine = (run.config.data.name, run.config.data.size)
        if mine != (data.name, data.size) or not split.test.equal(splits[0].test):
            raise WorkshopError(
                f"{run.folder} and {runs[0].folder} were not tested on the same images:"
                " compare runs of one data set, image size and split seed."
            )
    results = [
        MethodResult(
            title,
            run,
            evaluate(run, scenes, split),
            _embedded(run, scenes, _shown_labels(run, scenes, split)),
            run.pseudo_labels(),
            _split_folder(run, scenes, split),
        )
        for title, run, split in zip(titles or _titles(runs), runs, splits, strict=True)
    ]
    split = splits[results.index(_main(results))]
    check = len(scenes) <= _AUDITED
    audit = split.audit(scenes, near_duplicates=check)
    split = _shown_labels(_main(results).run, scenes, split)
    return ReportData(scenes, split, results, command, audit, check)


def _shown_labels(run: Run, scenes: Dataset, split: Split) -> Split:
    """Return a split whose labelled images have a target of the main head."""
    few = next(iter(run.config.data.labels_per_head), 0)
    return replace(split, labeled=split.first_labeled(scenes, few))


def _main(results: Sequence[MethodResult]) -> MethodResult:
    semi = [r for r in results if r.role == "semi-supervised"]
    if semi:
        return min(semi, key=lambda r: r.is_control)  # of equals the first
    baselines = [r for r in results if r.role == "baseline"] or results[:1]
    return max(baselines, key=lambda r: r.value)


def _embedded(run: Run, scenes: Dataset, split: Split) -> Embedded | None:
    """Embed the test images, and measure them. None without classes."""
    if run.metric != "accuracy":
        return None
    found, memory = (
        embeddings.embed(run, scenes, i) for i in (split.test, split.labeled)
    )
    rows = sample_per_class(found.labels, DRAWN)
    apart = math.nan
    with suppress(WorkshopError):  # only one class, or one image of each: undefined
        apart = embeddings.silhouette(found.vectors[rows], found.labels[rows])
    return Embedded(found, embeddings.knn_accuracy(memory, found), apart)


def _split_folder(run: Run, scenes: Dataset, split: Split) -> str:
    """Return the folder of a split that the config alone would not draw again."""
    try:
        own = make_split(scenes, run.config.data)
    except WorkshopError:  # the split came from elsewhere, and these classes are small
        return str(run.folder / "split")
    same = own.digest(scenes) == split.digest(scenes)
    return "" if same else str(run.folder / "split")


def _titles(runs: Sequence[Run]) -> list[str]:
    """Name each run by its method, and by its folder where that is not unique."""
    titles = []
    for config in (run.config for run in runs):
        title = type(config.method).__name__  # "FixMatch", as in the papers
        if config.method_name == "supervised":
            view = f"{config.method.labeled_view} augmentation"
            title += f", {view if config.data.main_labels else 'all labels'}"
        elif config.data.unlabeled_from == "labeled":
            title += ", labelled images only"
        titles.append(title)
    named = titles
    for words in (lambda folder: folder.name, Path.as_posix):
        named = [
            name if named.count(name) == 1 else f"{title} ({words(run.folder)})"
            for name, title, run in zip(named, titles, runs, strict=True)
        ]
    return named
