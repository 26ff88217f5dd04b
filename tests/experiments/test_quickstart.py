"""Baselines by name, and the quickstart: five runs on one split."""

import pytest

from tests.experiments.pictures import four_steps, write_pictures
from workshop_lib.errors import WorkshopError
from workshop_lib.experiments.baselines import (
    BASELINES,
    CONTROLS,
    baseline_config,
    baselines_table,
    quickstart,
)
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


def test_the_quickstart_trains_all_on_one_split_and_writes_its_results(
    tmp_path, capsys
):
    base = four_steps(write_pictures(tmp_path / "photos"))
    rows = quickstart(base, tmp_path / "quick")
    assert rows["name"].tolist() == list(BASELINES)
    assert rows["labels"].tolist() == [8, 8, 8, 8, 14]
    assert rows["split"].nunique() == 2 and rows["steps"].eq(4).all()
    said = capsys.readouterr().out
    assert "fixmatch, 4 labels per class, seed 0" in said and "(5 of 5)" in said
    assert rows["value"].between(0, 1).all() and rows["parameters"].gt(0).all()
    assert (tmp_path / "quick" / "fixmatch" / "run.json").exists()

    text = baselines_table(rows)
    for row in rows.itertuples():
        title = f"{BASELINES[row.name].title}  "
        (line,) = [x for x in text.splitlines() if x.startswith(title)]
        assert f"{row.value:6.1%}" in line and line.count("#") == round(30 * row.value)
    value = rows.set_index("name")["value"]
    better = max(value["supervised"], value["supervised_strong"])
    control = max(better, value["fixmatch_labelled_only"])
    assert f"labelled images  {100 * (control - better):+5.1f} points" in text
    gain = value["fixmatch"] - control
    assert f"the unlabelled images themselves {100 * gain:+5.1f} points" in text
    assert text.endswith("threshold=0.8, alignment=True")
