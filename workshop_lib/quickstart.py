"""The main job: what are unlabelled images worth? Trains the ladder and tells."""

__all__ = ["ladder_table", "quickstart", "report_runs", "results_row", "train_rung"]

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workshop_lib.data.open import open_scenes, open_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import Evaluation, evaluate
from workshop_lib.evaluation.report import MethodResult, ReportData, write_report
from workshop_lib.files import write_text
from workshop_lib.ladder import CONTROLS, LADDER, ladder_recipe
from workshop_lib.recipe import Recipe
from workshop_lib.session import versions
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run


def quickstart(
    base: Recipe,
    folder: Path,
    *,
    fresh: bool = False,
    command: str = "workshop quickstart",
) -> list[MethodResult]:
    """Train every rung of the ladder on one split; write results.json and report.html.

    Finished rungs are loaded, an interrupted one goes on, unless `fresh`.

    Args:
        base: the recipe of the FixMatch rung; the others change what `LADDER` says.
        folder: one folder per rung is made in it.
        fresh: train anew, also what is finished.
        command: what the page says it was made with.

    Returns:
        The results, in the order of the ladder.
    """
    scenes = open_scenes(base)
    results = []
    for name, (title, _) in LADDER.items():
        print(f"\n{title}")
        results.append(train_rung(name, base, scenes, folder / name, fresh=fresh))
        print(f"test accuracy {results[-1].scores.accuracy:.3f}")
    rows = [results_row(result) for result in results]
    write_text(folder / "results.json", json.dumps(rows, indent=1))
    split = open_split(base, scenes)
    page = _page(base, scenes, split, results, command)
    write_report(folder / "report.html", page)
    return results


def train_rung(
    name: str,
    base: Recipe,
    scenes: Scenes,
    folder: Path,
    *,
    fresh: bool = False,
    verbose: bool = True,
) -> MethodResult:
    """Train one rung of the ladder, or one control, and score it on the test images."""
    recipe = ladder_recipe(name, base)
    split = open_split(recipe, scenes)
    run = train(recipe, scenes, split, folder=folder, resume=not fresh, verbose=verbose)
    title = {**LADDER, **CONTROLS}[name][0]
    return _result(name, title, run, evaluate(run, scenes, split))


def report_runs(folders: Sequence[Path], path: Path) -> None:
    """Write one page about finished runs that share data and split seed.

    Raises:
        WorkshopError: a folder holds no finished run, or the runs' test images differ.
    """
    runs = [Run.load(folder) for folder in folders]
    first = runs[0].recipe
    scenes = open_scenes(first)
    splits = [Split.load(run.folder / "split", scenes) for run in runs]
    for run, split in zip(runs, splits, strict=True):
        same_images = (run.recipe.data, run.recipe.size) == (first.data, first.size)
        if not same_images or not split.test.equal(splits[0].test):
            raise WorkshopError(
                f"{run.folder} and {runs[0].folder} were not tested on the same images:"
                " compare runs of one data set, image size and split seed."
            )
    titles = [_title(run) for run in runs]
    results = []
    for run, split, title in zip(runs, splits, titles, strict=True):
        own = title if titles.count(title) == 1 else f"{title} ({run.folder.name})"
        results.append(_result(run.folder.name, own, run, evaluate(run, scenes, split)))
    command = "workshop report " + " ".join(str(folder) for folder in folders)
    write_report(path, _page(first, scenes, splits[0], results, command))


def results_row(result: MethodResult) -> dict[str, Any]:
    """Give the figures of one rung as they stand in `results.json`."""
    return {
        "method": result.name,
        "accuracy": result.scores.accuracy,
        "labels": result.labels,
        "seed": result.seed,
        "seconds": result.seconds,
        "steps": result.steps,
        "parameters": result.parameters,
    }


def ladder_table(results: Sequence[MethodResult], width: int = 30) -> str:
    """Draw the ladder in text: a bar, the accuracy and the time of each rung."""
    lines = []
    for r in results:
        full = round(r.scores.accuracy * width)
        bar = "#" * full + "." * (width - full)
        lines.append(
            f"{r.title:34s} {bar} {r.scores.accuracy:6.1%}"
            f"  {r.labels:5d} labels  {r.seconds:4.0f} s"
        )
    by_name = {r.name: r.scores.accuracy for r in results}
    if {"supervised", "supervised_strong", "fixmatch"} <= set(by_name):
        weak, strong = by_name["supervised"], by_name["supervised_strong"]
        lines += [
            "",
            f"augmentation was worth        {100 * (strong - weak):+5.1f} points",
            "the unlabelled images, beyond"
            f" {100 * (by_name['fixmatch'] - max(weak, strong)):+5.1f} points",
            _settings(next(r for r in results if r.name == "fixmatch").recipe),
        ]
    return "\n".join(lines)


def _settings(recipe: Mapping[str, Any]) -> str:
    """State FixMatch's settings where its figure stands."""
    aligned = "with" if recipe["alignment"] else "without"
    return (
        f"FixMatch here: threshold {recipe['threshold']} {aligned} distribution"
        f" alignment, {recipe['optimizer']}; the paper: 0.95 without, sgd"
    )


def _title(run: Run) -> str:
    labels = run.facts["labels"]
    return (
        f"{run.recipe.method}, {run.recipe.labeled_view} labelled view, {labels} labels"
    )


def _result(name: str, title: str, run: Run, evaluation: Evaluation) -> MethodResult:
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
    )


def _page(
    recipe: Recipe,
    scenes: Scenes,
    split: Split,
    results: list[MethodResult],
    command: str,
) -> ReportData:
    embedded = recipe.data.startswith("mini_eo")
    return ReportData(
        title="What are unlabelled images worth?",
        data="the embedded scenes (MiniEO)"
        if embedded
        else f"the images in {recipe.data}",
        class_names=scenes.class_names,
        bands=scenes.bands,
        test_images=scenes.images[split.test],
        test_labels=scenes.labels[split.test],
        results=results,
        split_counts=split.counts(),
        command=command,
        versions=versions(),
        audit=str(split.audit(scenes)),
        labeled_images=scenes.images[split.labeled],
        labeled_labels=scenes.labels[split.labeled],
    )
