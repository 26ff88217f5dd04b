"""From finished runs to the report: everything the page shows, collected."""

__all__ = ["collect_page", "method_result", "report_runs"]

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from workshop_lib import __version__
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import (
    Embeddings,
    embed_run,
    knn_accuracy,
    silhouette,
)
from workshop_lib.evaluation.evaluate import Evaluation, evaluate
from workshop_lib.evaluation.projection import sample_per_class
from workshop_lib.evaluation.report import write_report
from workshop_lib.evaluation.report_data import (
    Embedded,
    MethodResult,
    ReportData,
    choose_main,
)
from workshop_lib.methods import METHODS
from workshop_lib.training.run import Run

_DRAWN = 600  # images in the t-SNE: some seconds, and points that can be told apart
_AUDITED = 5000  # images; near duplicates among more take half a minute to find
_FACTS = ("python", "torch", "device", "threads", "precision")


def report_runs(folders: Sequence[Path], path: Path) -> None:
    """Write one page about finished runs that share data and split seed.

    Raises:
        WorkshopError: a folder holds no finished run, or the runs' test images differ.
    """
    runs = [Run.load(folder) for folder in folders]
    first = runs[0].recipe
    scenes = load_dataset(first)
    splits = [Split.load(run.folder / "split", scenes) for run in runs]
    for run, split in zip(runs, splits, strict=True):
        same_images = (run.recipe.data, run.recipe.size) == (first.data, first.size)
        if not same_images or not split.test.equal(splits[0].test):
            raise WorkshopError(
                f"{run.folder} and {runs[0].folder} were not tested on the same images:"
                " compare runs of one data set, image size and split seed."
            )
    results = [
        method_result(run.folder.name, title, run, evaluate(run, scenes, split))
        for run, split, title in zip(runs, splits, _titles(runs), strict=True)
    ]
    command = "workshop report " + " ".join(str(folder) for folder in folders)
    write_report(path, collect_page(runs, results, scenes, command))


def method_result(
    name: str, title: str, run: Run, evaluation: Evaluation
) -> MethodResult:
    """Collect what a run and its test tell, for tables and for the page."""
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
        peak_memory=run.facts.get("peak_memory"),  # runs of before lack it
        calibration=evaluation.calibration,
        checkpoints=evaluation.checkpoints,
        pseudo_labels=run.pseudo_labels(),
    )


def collect_page(
    runs: Sequence[Run],
    results: Sequence[MethodResult],
    scenes: Scenes,
    command: str,
) -> ReportData:
    """Add to the results of runs what they rest on: split, audit, images, embeddings.

    Args:
        runs, results: in the same order; the images of the runs are the same.
        scenes: those images.
        command: what the page says it was made with.
    """
    splits = [Split.load(run.folder / "split", scenes) for run in runs]
    found = [
        _with_the_rest(result, run, scenes, split)
        for result, run, split in zip(results, runs, splits, strict=True)
    ]
    main = choose_main(found)
    position = next(i for i, result in enumerate(found) if result is main)
    run, split = runs[position], splits[position]
    return ReportData(
        title=_heading(found),
        data=_in_words(run.recipe.data),
        class_names=scenes.class_names,
        bands=scenes.bands,
        test_images=scenes.images[split.test],
        test_labels=scenes.labels[split.test],
        results=found,
        split_counts=split.counts(),
        class_counts=_class_counts(scenes, split),
        command=command,
        versions=_versions(run),
        audit=split.audit(scenes, near_duplicates=len(scenes) <= _AUDITED),
        near_duplicates=len(scenes) <= _AUDITED,
        labeled_images=scenes.images[split.labeled],
        labeled_labels=scenes.labels[split.labeled],
    )


def _with_the_rest(
    result: MethodResult, run: Run, scenes: Scenes, split: Split
) -> MethodResult:
    own = make_split(run.recipe, scenes).digest(scenes)
    folder = "" if own == split.digest(scenes) else str(run.folder / "split")
    return replace(result, embedded=_embedded(run, scenes, split), split_folder=folder)


def _embedded(run: Run, scenes: Scenes, split: Split) -> Embedded:
    """Embed the test images; keep as many as can be drawn."""
    queries = embed_run(run, scenes, split, "test")
    memory = embed_run(run, scenes, split, "labeled")
    rows = sample_per_class(queries.labels, _DRAWN)
    drawn = Embeddings(
        queries.vectors[rows],
        queries.labels[rows],
        tuple(queries.names[i] for i in rows.tolist()),
        queries.class_names,
    )
    try:
        apart = silhouette(drawn.vectors, drawn.labels)
    except WorkshopError:  # one class only, or one image of each: nothing to tell
        apart = math.nan
    return Embedded(drawn, knn_accuracy(memory, queries), apart)


def _class_counts(scenes: Scenes, split: Split) -> dict[str, list[int]]:
    K = len(scenes.class_names)
    counts = {}
    for part in PARTS:
        labels = scenes.labels[getattr(split, part)]
        known = labels[labels >= 0]  # -1: nobody knows
        counts[part] = torch.bincount(known, minlength=K).tolist()
    return counts


def _titles(runs: Sequence[Run]) -> list[str]:
    """Call each run by its method, and by what else it takes to tell them apart."""
    many = len({run.facts["labels"] for run in runs}) > 1
    titles = []
    for run in runs:
        title = METHODS[run.recipe.method].__name__  # "FixMatch", as the papers write
        if run.recipe.method == "supervised":
            title += f", {run.recipe.labeled_view} augmentation"
        titles.append(f"{title}, {run.facts['labels']:,} labels" if many else title)
    return [
        title if titles.count(title) == 1 else f"{title} ({run.folder.name})"
        for title, run in zip(titles, runs, strict=True)
    ]


def _heading(results: Sequence[MethodResult]) -> str:
    if {"baseline", "semi-supervised"} <= {result.role for result in results}:
        return "What are unlabelled images worth?"
    if len(results) > 1:
        return "Which training is better, and is it sure?"
    return f"What did this training learn? ({results[0].title})"


def _in_words(data: str) -> str:
    if data.startswith("mini_eo"):
        return "the embedded scenes (MiniEO)"
    return f"the images in {data}"


def _versions(run: Run) -> dict[str, Any]:
    """What the training ran on, which need not be what the page is made on."""
    known = {name: run.facts[name] for name in _FACTS if name in run.facts}
    return {"workshop_lib": __version__, **known}
