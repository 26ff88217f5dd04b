"""Submissions: honest work counts, each fault is named, and no file is a traceback."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.tiny import short, tiny
from workshop_lib.config import Config
from workshop_lib.course.competition import (
    Competition,
    _check_group,
    read_submission,
    submit,
)
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.scoring import evaluate
from workshop_lib.files import read_json
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

ROOT = Path(__file__).parents[2]
CONFIG = short(
    name="photos", size=16, labels_per_class=4, method="supervised", eval_every=2
)


def some_scenes() -> Dataset:
    return tiny(120, size=16)


def some_rules(data: str = "photos", labels_per_class: int = 4) -> Competition:
    scenes = some_scenes()
    return Competition(data, scenes, Split.random(scenes, labels_per_class))


@pytest.fixture(scope="module")
def rules() -> Competition:
    return some_rules()


def trained(folder, split: Split, config: Config = CONFIG) -> Run:
    scenes = some_scenes()
    run = train(config, scenes, split, folder=folder, verbose=False)
    evaluate(run, scenes, split)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, rules) -> Run:
    return trained(tmp_path_factory.mktemp("run"), rules.split)


@pytest.fixture(scope="module")
def honest(run, tmp_path_factory) -> str:
    return submit(run, "The Otters", tmp_path_factory.mktemp("in")).read_text()


def read(text: str | bytes, rules: Competition, folder: Path, name="a.csv"):
    content = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(content)
    return read_submission(folder / name, rules)


def test_honest_work_is_scored_as_evaluate_scores_it(run, rules, tmp_path):
    path = submit(run, "  The   Otters ", tmp_path)
    found = read_submission(path, rules)
    assert (found.group, found.labels, found.method) == ("The Otters", 12, "supervised")
    assert found.seconds == run.facts["seconds"] and found.machine.startswith("cpu")
    scores = read_json(run.folder / "evaluation.json")
    assert found.accuracy == pytest.approx(scores["value"], abs=1e-12)


def test_the_same_run_gives_the_same_file_and_another_group_another(run, tmp_path):
    first = submit(run, "Otters", tmp_path)
    content = first.read_bytes()
    assert submit(run, "Otters", tmp_path) == first and first.read_bytes() == content
    other = submit(run, "Öl/../Pest <b>", tmp_path)
    assert re.fullmatch(r"l-pest-b-[0-9a-f]{8}\.csv", other.name)
    assert sorted(tmp_path.iterdir()) == sorted([first, other])


def test_fewer_labels_and_another_order_of_the_images_are_fine(rules, tmp_path):
    few = Split.random(some_scenes(), labels_per_class=2)
    run = trained(tmp_path / "run", few, CONFIG.replace(labels_per_class=2))
    lines = submit(run, "Few", tmp_path).read_text().splitlines()
    table = lines.index("image,class") + 1
    found = read("\n".join(lines), rules, tmp_path)
    turned = read("\n".join(lines[:table] + lines[: table - 1 : -1]), rules, tmp_path)
    assert found.labels == 6 and found.accuracy > 0
    assert (turned.predicted == found.predicted).all()


def test_a_split_of_ones_own_binds_everybody(tmp_path):
    own = Split.random(some_scenes(), labels_per_class=3, seed=7)
    rules = Competition("photos", some_scenes(), split=own)
    path = submit(trained(tmp_path / "own", own), "Own", tmp_path)
    assert read_submission(path, rules).labels == 9
    text = path.read_text()
    with pytest.raises(WorkshopError, match=r"split .* is not the competition's"):
        read(text.replace("labels: 9", "labels: 6"), rules, tmp_path)
    drawn = Split.random(some_scenes(), labels_per_class=3, seed=8)
    other = submit(trained(tmp_path / "drawn", drawn), "Other", tmp_path)
    with pytest.raises(WorkshopError, match=r"split .* is not the competition's"):
        read_submission(other, rules)


def test_all_labels_may_be_allowed(run, honest, tmp_path):
    rules = some_rules(labels_per_class=0)
    assert read(honest, rules, tmp_path).labels == 12


FAULTS = [
    (r"# split: \w{8}", "# split: 00000000", "split .* is not the competition's"),
    ("# labels: 12", "# labels: 9", "split .* is not the competition's"),
    ("# labels: 12", "# labels: 15", "used 15 labels: use 12, or fewer"),
    ("# labels: 12", "# labels: 7", "used 7 labels: use 12, or fewer"),
    ("# labels: 12", "# labels: many", "must be positive numbers"),
    (r"# seconds: .*", "# seconds: nan", "must be positive numbers"),
    (r"# seconds: .*\n", "", "header lacks seconds"),
    (r"# group: .*", "# group:", "header lacks group"),
    (r"# group: .*", "# group: " + 41 * "x", "group's name has 1 to 40 printable"),
    (r"# data: .*", "# data: mini_eo:7", "trained on 'mini_eo:7', not on photos"),
    ("image,class", "picture,label", "lacks the columns image,class"),
    (r"\n\w+/\d+,\w+\n$", "\n", r"does not predict '\w+/\d+'\."),
    (r"\n\w+/\d+,", "\nwater/999,", r"does not predict '\w+/\d+'"),
    (r",\w+\n$", ",Sea\n", r"unknown classes: 'Sea'"),
    (r"\n(\w+/\d+,\w+)\n$", r"\n\1\n\1\n", "it predicts twice"),
    (r"\n$", r"\nwater/999,water\n", r"without being asked, 'water/999'"),
    (r",(\w+)\n$", "\n", r"unknown classes: ''"),
    (r",(\w+)\n$", ',"a\n', "cannot be read as a CSV table"),
    (r"(.|\n)*", "", "cannot be read as a CSV table"),
]


@pytest.mark.parametrize(("pattern", "new", "reason"), FAULTS)
def test_each_fault_has_its_reason(pattern, new, reason, honest, rules, tmp_path):
    text, times = re.subn(pattern, new, honest, count=1)
    assert times
    with pytest.raises(WorkshopError, match=reason):
        read(text, rules, tmp_path)


def test_a_spreadsheet_may_have_saved_it(honest, rules, tmp_path):
    head, table = honest.split("image,class\n")
    head = "".join(f"{line},\r\n" for line in head.splitlines())
    table = table.replace("\n", ",\r\n")
    text = f"\ufeff{head}image,class\r\n{table}"
    assert read(text, rules, tmp_path).group == "The Otters"


def test_the_example_in_the_docs_can_be_read(rules, tmp_path):
    text = (ROOT / "docs" / "competition.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```\n(# group.*?)```", text, re.S)
    head = re.sub(r"split: .*", f"split: {rules.split_hash(12)}", example)
    head = head.replace("labels: 40", "labels: 12").replace("mini_eo", "photos")
    head = head[: head.index("image,class")]
    rows = [f"{name},water" for name in rules.test_names]
    found = read(head + "\n".join(["image,class", *rows]), rules, tmp_path)
    assert (found.group, found.method) == ("By hand", "our own")
    assert found.accuracy == pytest.approx(1 / 3)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_an_error_with_a_reason(tmp_path_factory, rules, content):
    with pytest.raises(WorkshopError):
        read(content, rules, tmp_path_factory.getbasetemp())


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_a_groups_name_is_taken_as_shown_or_refused(text):
    try:
        name = _check_group(text)
    except WorkshopError:
        words = " ".join(text.split())
        assert not words or len(words) > 40 or not words.isprintable()
        return
    assert 1 <= len(name) <= 40 and name.isprintable() and _check_group(name) == name
    name.encode()  # no half characters, which no file could hold


@pytest.mark.parametrize("group", ["   ", "x" * 41, "a\x1b[31m"])
def test_names_that_cannot_be_shown_are_refused(group, run, tmp_path):
    with pytest.raises(WorkshopError, match="group's name"):
        submit(run, group, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_be_handed_in_is_explained(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / "predictions.npz").unlink()
    with pytest.raises(WorkshopError, match="workshop evaluate"):
        submit(Run.load(folder), "Otters", tmp_path / "to")
    heads = {"cover": {**run.facts["heads"]["scene"], "kind": "dense"}}
    maps = replace(run, facts={**run.facts, "heads": heads})
    with pytest.raises(WorkshopError, match="ranks scene classification only"):
        submit(maps, "Otters", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_competition_on_unfit_data_is_not_begun():
    scenes = some_scenes()
    split = Split.random(scenes)
    with pytest.raises(WorkshopError, match=r"not fit for a competition(.|\n)*overlap"):
        Competition("photos", scenes, split=replace(split, val=split.test))
    several = replace(scenes, labels=torch.eye(3, dtype=torch.int64)[scenes.labels])
    with pytest.raises(WorkshopError, match="several labels per image"):
        Competition("photos", several, split)


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ("mini_eo", "mini_eo:2026", True),
        ("mini_eo", "mini_eo:7", False),
        ("mini_eo:7", "mini_eo:7", True),
        ("ucm", "/home/me/UCMerced_LandUse/Images", True),
        ("ucm", "mini_eo", False),
    ],
)
def test_data_are_known_by_their_split_but_mini_eo_by_its_seed(
    mine, theirs, same, honest, tmp_path
):
    rules = some_rules(mine)
    text = re.sub(r"# data: .*", f"# data: {theirs}", honest)
    if same:
        assert read(text, rules, tmp_path).labels == 12
    else:
        with pytest.raises(WorkshopError, match="it was trained on"):
            read(text, rules, tmp_path)
