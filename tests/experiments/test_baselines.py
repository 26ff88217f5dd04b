"""Baselines by name: each changes what it is about, and nothing else."""

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.experiments.baselines import BASELINES, CONTROLS, baseline_config
from workshop_lib.methods import FixMatch, FreeMatch, Supervised
from workshop_lib.presets import preset


def test_baselines_differ_in_what_they_are_about_and_nothing_else():
    base = preset("class", seed=7, steps=33)
    weak = baseline_config("supervised", base)
    strong = baseline_config("supervised_strong", base)
    assert weak.method.labeled_view == "weak"
    assert set(strong.difference(weak)) == {"method.labeled_view"}
    ceiling = baseline_config("supervised_all", base)
    assert set(ceiling.difference(strong)) == {
        "data.labels_per_class",
        "optim.batch_size",
    }
    assert baseline_config("fixmatch", base) == base
    few = baseline_config("fixmatch_labelled_only", base)
    assert set(few.difference(base)) == {"data.unlabeled_from"}
    paper = baseline_config("fixmatch_paper", base)
    assert paper.method.hyperparameters() == FixMatch().hyperparameters()
    for name in (*BASELINES, *CONTROLS, "freematch"):
        assert baseline_config(name, base).optim.steps == 33


@pytest.mark.parametrize("task", ["scenes", "segment", "features"])
def test_another_method_gets_the_hyperparameters_of_the_preset(task):
    for time in ("ci", "class", "home"):
        base = preset(time, task)
        found = baseline_config("freematch", base, time=time)
        assert found == preset(time, task, method="freematch")


def test_options_go_to_the_methods_that_have_them_but_do_not_undo_a_baseline():
    base = preset("class")
    options = {"momentum": 0.5, "threshold": 0.6, "labeled_view": "strong"}
    free = baseline_config("freematch", base, time="class", options=options)
    assert free.method.hyperparameters() == {
        **FreeMatch(momentum=0.5).hyperparameters(),
        "labeled_view": "strong",
    }
    weak = baseline_config("supervised", base, options=options)
    assert weak.method.hyperparameters() == Supervised().hyperparameters()
    with pytest.raises(WorkshopError, match="Did you mean 'supervised_all'"):
        baseline_config("supervised_al", base)
