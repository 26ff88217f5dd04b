"""The sentences of the report that depend on the numbers."""

__all__ = ["headline", "rungs", "train_command", "what_was_done"]

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from workshop_lib.evaluation.report_data import MethodResult, ReportData
from workshop_lib.evaluation.report_tables import per_cent
from workshop_lib.evaluation.statistics import mcnemar
from workshop_lib.plots import Bar
from workshop_lib.recipe import preset


def headline(data: ReportData) -> list[str]:
    """Say the result in a few sentences that need no picture."""
    main, baseline = data.main, data.baseline
    total = len(data.test_labels)
    lines = [
        f"With {main.labels:,} labelled images, {main.title} classified"
        f" {per_cent(main.scores.accuracy)} of {total:,} test images correctly."
    ]
    if baseline is None or baseline is main:
        return lines
    gain = 100 * (main.scores.accuracy - baseline.scores.accuracy)
    lines.append(
        "The best supervised training with the same labels"
        f" (“{baseline.title}”) reached {per_cent(baseline.scores.accuracy)}."
    )
    if main.recipe.get("pool") == "labeled":
        lines.append(
            f"That is {gain:+.1f} points, without any unlabelled image: this run is a"
            " control that saw the labelled images only."
        )
    elif gain > 0:
        lines.append(f"So the unlabelled images were worth {gain:.1f} points.")
    else:
        lines.append(
            f"So here the unlabelled images did not pay ({gain:+.1f} points)."
            " The pseudo-labels further down may tell why."
        )
    if _could_be_chance(data, main, baseline):
        lines.append(
            f"A difference this small on {total:,} test images could be chance: repeat"
            " with other split seeds before you believe it."
        )
    return lines


def what_was_done(data: ReportData) -> list[str]:
    """Say what was trained on what, with every number a reader needs to judge it."""
    counts, K = data.split_counts, len(data.class_names)
    few = data.main.labels
    lines = [
        f"A network learned to tell {K} classes apart on {data.data}:"
        f" {', '.join(data.class_names)}.",
        f"It was shown the right answer for {few:,} images: {few / K:.4g} per class.",
    ]
    semi = data.main.role == "semi-supervised"
    if semi and data.main.recipe.get("pool") != "labeled":
        lines.append(
            f"{data.main.title} could also look at the {counts['unlabeled']:,} images"
            " of the training part without being told their classes. The labelled"
            " images are among them."
        )
    lines.append(
        f"{counts['val']:,} other images (validation) chose which moment of the"
        f" training to keep. The {counts['test']:,} test images were used once, at the"
        " end, for the figures on this page."
    )
    lines.append(_steps(data))
    return [*lines, *data.facts]


def rungs(data: ReportData) -> list[Bar]:
    """Turn the results into the rungs of the ladder."""
    found = []
    for result in data.results:
        note = f"{result.labels:,} labels"
        found.append(Bar(result.title, result.scores.accuracy, note, _worth(result)))
    return found


def train_command(recipe: Mapping[str, Any], split_folder: str = "") -> str:
    """Write what to type to train by a recipe: all that differs from the defaults.

    Args:
        recipe: `dataclasses.asdict` of a Recipe.
        split_folder: names files to take, where the recipe does not make the split.
    """
    words = ["workshop", "train"]
    for knob, default in asdict(preset("class")).items():
        value = recipe.get(knob, default)
        if value == default:
            continue
        flag = knob.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    if split_folder:
        words += ["--split", split_folder]
    return shlex.join(words)


def _worth(result: MethodResult) -> str:
    """Say what the step up to this method tells."""
    if result.role == "ceiling":
        return "what all the other labels would add"
    if result.role == "baseline":
        strong = result.recipe.get("labeled_view") == "strong"
        return "what strong augmentation was worth" if strong else ""
    if result.recipe.get("pool") == "labeled":
        return "what the method was worth without unlabelled images"
    return "what the unlabelled images were worth"


def _steps(data: ReportData) -> str:
    steps = sorted({r.steps for r in data.results})
    if len(data.results) == 1:
        return f"The training took {steps[0]:,} optimiser steps."
    if len(steps) == 1:
        return (
            f"{_all(len(data.results))} trainings had the same split of the images and"
            f" the same {steps[0]:,} optimiser steps, so that they can be compared."
        )
    return (
        f"The trainings differ in length, from {steps[0]:,} to {steps[-1]:,} optimiser"
        " steps: part of a difference may come from that."
    )


def _all(number: int) -> str:
    return "Both" if number == 2 else f"All {number}"


def _could_be_chance(
    data: ReportData, main: MethodResult, baseline: MethodResult
) -> bool:
    """Compare both on the same images: does one win clearly more often?"""
    now = main.probs.argmax(dim=1) == data.test_labels
    before = baseline.probs.argmax(dim=1) == data.test_labels
    return not mcnemar(now.numpy(), before.numpy()).significant
