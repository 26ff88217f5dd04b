"""The main job: what are unlabelled images worth? Trains the ladder and tells."""

__all__ = ["ladder_table", "quickstart", "results_row", "train_rung"]

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.files import write_text
from workshop_lib.ladder import CONTROLS, LADDER, ladder_recipe
from workshop_lib.recipe import Recipe
from workshop_lib.report.data import MethodResult, collect_page, method_result
from workshop_lib.report.page import write_report
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
    scenes = load_dataset(base)
    results = []
    for name, (title, _) in LADDER.items():
        print(f"\n{title}")
        results.append(train_rung(name, base, scenes, folder / name, fresh=fresh))
        print(f"test accuracy {results[-1].scores.accuracy:.3f}")
    rows = [results_row(result) for result in results]
    write_text(folder / "results.json", json.dumps(rows, indent=1))
    runs = [Run.load(folder / name) for name in LADDER]
    write_report(folder / "report.html", collect_page(runs, results, scenes, command))
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
    split = make_split(recipe, scenes)
    run = train(recipe, scenes, split, folder=folder, resume=not fresh, verbose=verbose)
    title = {**LADDER, **CONTROLS}[name][0]
    return method_result(name, title, run, evaluate(run, scenes, split))


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
