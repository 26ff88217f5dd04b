"""From run folders to the page's data: what is read off a run, and how to repeat it."""

import dataclasses
import shlex
from pathlib import Path

import pytest
import tyro

from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.split import Split
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.recipe import Recipe, preset
from workshop_lib.report.data import collect_page, method_result
from workshop_lib.report.page import train_command
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

SMALL = Recipe(steps=4, eval_every=2, batch_size=4, mu=1)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(
            data="my photos/x", alignment=False, joint_forward=True, temperature=0.4
        ),
        preset("home").with_(
            method="uda", lambda_u=0.5, projection_dim=32, bands="B04"
        ),
        Recipe(features="efficientnet_lite0", model="mlp-256", labels_per_class=0),
        Recipe(modalities=("s1", "s2"), features="", fusion="early"),
    ],
)
def test_the_command_on_the_page_makes_the_same_recipe(recipe: Recipe) -> None:
    words = shlex.split(train_command(dataclasses.asdict(recipe)))
    assert words[:2] == ["workshop", "train"]
    assert tyro.cli(Recipe, args=words[2:], default=preset("class")) == recipe


def test_the_command_names_a_split_that_the_recipe_does_not_make() -> None:
    command = train_command(dataclasses.asdict(Recipe(steps=7)), "my runs/a/split")
    assert command == "workshop train --steps 7 --split 'my runs/a/split'"


def test_a_page_holds_what_the_runs_hold(tmp_path: Path) -> None:
    scenes = mini_eo(200)
    split = Split.random(scenes, labels_per_class=2, seed=0)  # the recipe's has 4
    runs = []
    for method in ("supervised", "fixmatch"):
        recipe = SMALL.with_(method=method)
        train(recipe, scenes, split, folder=tmp_path / method, verbose=False)
        runs.append(Run.load(tmp_path / method))
    results = [
        method_result(
            run.recipe.method, run.recipe.method, run, evaluate(run, scenes, split)
        )
        for run in runs
    ]
    page = collect_page(runs, results, scenes, "workshop report a b")
    assert page.main.name == "fixmatch" and page.title.startswith("What are unlabelled")
    assert page.class_counts["labeled"] == [2] * 10
    assert (
        sum(page.class_counts["test"]) == len(split.test) == page.split_counts["test"]
    )
    for result, run in zip(page.results, runs, strict=True):
        assert result.peak_memory == run.facts["peak_memory"] > 50 * 2**20
        assert result.split_folder == str(run.folder / "split")
        assert result.embedded is not None and 0 <= result.embedded.knn <= 1
        assert len(result.checkpoints) == 4
    supervised, fixmatch = page.results
    assert supervised.pseudo_labels is None and fixmatch.pseudo_labels is not None
    assert page.audit is not None and page.near_duplicates
