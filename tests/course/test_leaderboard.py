"""The ranking, the page, and the watch that no file can end."""

import os
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pages import Page
from workshop_lib import cli
from workshop_lib.course import leaderboard
from workshop_lib.course.competition import Competition, Submission
from workshop_lib.course.leaderboard import (
    Leaderboard,
    as_text,
    rank,
    read_folder,
    write_page,
)
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split

N = 100  # test images


def some_rules() -> Competition:
    labels = torch.arange(400) % 2
    images = torch.zeros(400, 3, 8, 8, dtype=torch.uint8)
    images[:, 0].view(400, -1)[:, :9] = torch.arange(400)[:, None] % 251
    images[:, 1] = (torch.arange(400) // 251)[:, None, None]
    names = tuple(f"{i}.png" for i in range(400))
    scenes = Dataset(images, labels, ("Forest", "River"), names)
    return Competition("photos", scenes, Split.random(scenes))


RULES = some_rules()


def entry(group: str, right: int, seconds: float, start=0, file="") -> Submission:
    """A submission with so many of the test images right, from `start` on."""
    good = np.roll(np.arange(N) < right, start)
    predicted = np.where(good, RULES.test_labels, 1 - RULES.test_labels)
    file = file or f"{group}.csv"
    return Submission(
        file, group, predicted, right / N, seconds, 8, "fixmatch", "cpu, 2 threads"
    )


def places(table) -> dict[str, tuple[int, int, bool]]:
    rows = table.itertuples()
    return {row.group: (row.place, row.time_place, row.front) for row in rows}


def test_places_ties_and_front():
    found = rank(
        [
            entry("dominated", 70, 30.2),
            entry("as good, slower", 90, 60.0),
            entry("quickest", 60, 10.0),
            entry("best", 90, 50.0),
            entry("as quick, worse", 50, 10.04),  # reads 10.0 s too
            entry("in between", 70, 30.0),
        ],
        RULES,
    )
    assert list(places(found).items()) == [
        ("best", (1, 5, True)),
        ("as good, slower", (1, 6, False)),
        ("in between", (3, 3, True)),
        ("dominated", (3, 4, False)),
        ("quickest", (5, 1, True)),
        ("as quick, worse", (6, 1, False)),
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 900)), max_size=12))
def test_ranks_are_those_of_a_loop(figures):
    groups = [entry(f"g{i}", right, s / 10) for i, (right, s) in enumerate(figures)]
    found = places(rank(groups, RULES))
    assert len(found) == len(figures)
    for i, (right, seconds) in enumerate(figures):
        place = 1 + sum(other > right for other, _ in figures)
        in_time = 1 + sum(other < seconds for _, other in figures)
        beaten = any(
            r >= right and s <= seconds and (r, s) != (right, seconds)
            for r, s in figures
        )
        assert found[f"g{i}"] == (place, in_time, not beaten)


def test_what_chance_could_do_is_marked():
    groups = [entry("first", 80, 5), entry("near", 78, 5, 30), entry("far", 50, 5)]
    found = rank(groups, RULES)
    assert found["group"].tolist() == ["first", "near", "far"]
    assert found["tied"].tolist() == [True, True, False]


def test_the_best_of_a_group_counts_and_all_are_counted():
    found = rank(
        [
            entry("Otters", 60, 5.0, file="1.csv"),
            entry("OTTERS", 90, 7.0, file="2.csv"),
            entry("Otters", 90, 6.0, file="3.csv"),
            entry("Grebes", 50, 5.0),
        ],
        RULES,
    )
    assert found[["group", "accuracy", "seconds", "submissions"]].values.tolist() == [
        ["Otters", 0.9, 6.0, 3],
        ["Grebes", 0.5, 5.0, 1],
    ]


def page_of(path, group: str, error: str) -> Page:
    board = Leaderboard(rank([entry(group, 50, 5.0)], RULES), {group: error})
    write_page(path, board, RULES)
    return Page(path.read_text(encoding="utf-8"))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40))
def test_whatever_a_group_is_called_it_stays_text(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / "page.html"
    found = page_of(path, name, name)
    tags = [tag for tag, _ in found.tags]
    assert found.words.count(name) >= 2
    assert tags == [tag for tag, _ in page_of(path, "x", "x").tags]
    assert not {"script", "img", "iframe", "link"} & set(tags)


def test_the_page_says_it_all_and_needs_nothing(tmp_path):
    rows = [entry("Otters", 90, 1052.0), entry("Grebes", 50, 5.0)]
    board = Leaderboard(rank(rows, RULES), {"x.csv": "it cannot be read."})
    write_page(tmp_path / "p.html", board, RULES, 7)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="7">' in page
    assert "default-src 'none'" in page and "<script" not in page
    assert not re.search(r"https?://|src=|url\(", page)
    for words in ("Otters", "90.0 %", "1,052.0 s", "x.csv", "be read."):
        assert words in page
    text = as_text(board)
    assert re.search(r"1 Otters +90\.0% +1,052\.0 s +2 +1 \*", text)
    assert "left out: x.csv: it cannot be read." in text


def test_an_empty_folder_has_a_page_too(tmp_path):
    write_page(tmp_path / "p.html", read_folder(tmp_path, RULES), RULES)
    assert "Nothing has been handed in yet" in (tmp_path / "p.html").read_text()


def write_submission(path, group: str = "Otters") -> None:
    about = f"# group: {group}\n# data: photos\n# labels: 8\n# seconds: 5\n"
    rows = "".join(f"{name},Forest\n" for name in RULES.test_names)
    path.write_text(f"{about}# split: {RULES.split_hash(8)}\nimage,class\n{rows}")


def test_a_folder_is_read_without_its_page_and_system_files(tmp_path):
    write_submission(tmp_path / "a.csv")
    (tmp_path / "withdrawn").mkdir()
    write_submission(tmp_path / "withdrawn" / "b.csv", "Grebes")
    page = tmp_path / "leaderboard.html"
    for name in (page.name, ".half.tmp", "Thumbs.db", "c.zip"):
        (tmp_path / name).write_bytes(os.urandom(100))
    found = read_folder(tmp_path, RULES)
    assert found.table["group"].tolist() == ["Otters"]
    assert found.table["accuracy"].tolist() == [0.5]
    assert found.errors == {}


def test_neither_bad_files_nor_a_lost_folder_end_the_watch(
    tmp_path, monkeypatch, capsys
):
    folder, page = tmp_path / "in", tmp_path / "page.html"  # not there yet
    bad, good = folder / "bad.csv", folder / "good.csv"
    # What happens during a pause, and what the next page says
    events = [
        (folder.mkdir, "Nothing has been handed in yet"),
        (lambda: bad.write_bytes(os.urandom(1000)), "bad.csv"),
        (lambda: write_submission(good), "Otters"),
        (lambda: None, "Otters"),
        (lambda: write_submission(good, "Grebes"), "Grebes"),  # handed in again
        (bad.unlink, "1 group."),
    ]
    waiting = iter(events)
    pages = []

    def sleep(seconds: float) -> None:
        assert seconds == 5
        pages.append(page.read_text(encoding="utf-8") if page.exists() else "")
        event, _ = next(waiting, (None, None))
        if event is None:
            raise KeyboardInterrupt
        event()

    monkeypatch.setattr(leaderboard.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        leaderboard.watch(folder, RULES, page, 5)
    for (_, words), text in zip(events, pages[1:], strict=True):
        assert words in text
    said = capsys.readouterr().out
    assert said.startswith("not updated: ")
    assert said.count("Otters") == 1  # only what is new is printed


def test_wrong_use_of_the_commands_is_explained(tmp_path, monkeypatch, capsys):
    assert cli.main(["leaderboard", "nowhere"]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err
    assert cli.main(["leaderboard", ".", "--data", "no/such/folder"]) == 2
    assert cli.main(["submit", "nowhere", "--group", "Otters"]) == 2
    assert "not a finished run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_from_training_to_the_page_in_three_commands(tmp_path, monkeypatch, capsys):
    few = "--steps 4 --eval-every 2 --method supervised --folder runs/a"
    assert cli.main(["train", *few.split()]) == 0
    assert cli.main(["submit", "runs/a", "--group", "The Otters", "--to", "in"]) == 0
    assert re.search(r"written: in/the-otters-\w{8}\.csv", capsys.readouterr().out)
    assert cli.main(["leaderboard", "in"]) == 0
    assert re.search(r"1 The Otters +\d+\.\d%", capsys.readouterr().out)
    page = (tmp_path / "in" / "leaderboard.html").read_text(encoding="utf-8")
    assert "The Otters" in page and "40 labels, 10 classes, 1,000 test images" in page
    assert cli.main(["leaderboard", "in", "--labels-per-class", "2"]) == 0
    assert "it used 40 labels: use 20" in capsys.readouterr().out
    assert cli.main(["leaderboard", "in", "--split-seed", "1"]) == 0
    assert "is not the competition's" in capsys.readouterr().out
