"""Places, the page, and the watch that no file can end."""

import os
import re
import threading
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib import cli
from workshop_lib.course.leaderboard import watch as watch_module
from workshop_lib.course.leaderboard.competition import Competition
from workshop_lib.course.leaderboard.judge import Accepted, Rejected
from workshop_lib.course.leaderboard.page import as_text, write_page
from workshop_lib.course.leaderboard.refusal import error, tame
from workshop_lib.course.leaderboard.standing import Standing, stand, time_in_words
from workshop_lib.course.leaderboard.submission import Submission
from workshop_lib.course.leaderboard.watch import Watch
from workshop_lib.data.scenes import Scenes
from workshop_lib.recipe import Recipe

N = 100  # test images
AT = datetime(2025, 3, 14, 9, 26, 53)


@pytest.fixture(scope="module")
def rules() -> Competition:
    return some_rules()


def some_rules() -> Competition:
    labels = torch.arange(400) % 2
    images = torch.zeros(400, 3, 8, 8, dtype=torch.uint8)
    images[:, 0].view(400, -1)[:, :9] = torch.arange(400)[:, None] % 251
    images[:, 1] = (torch.arange(400) // 251)[:, None, None]
    names = tuple(f"{i}.png" for i in range(400))
    return Competition("photos", Scenes(images, labels, ("Forest", "River"), names))


def entry(
    rules: Competition, group: str, right: int, seconds: float, at: float = 0, start=0
) -> Accepted:
    """A submission with the first so many of the test images right, from `start` on."""
    truth = rules.truth_in_order
    good = np.arange(N) < right
    predicted = np.where(np.roll(good, start), truth, 1 - truth)
    it = Submission(
        group=group,
        recipe=Recipe(method="fixmatch"),
        split_hash="",
        parts={},
        labels=8,
        steps=10,
        seconds=seconds,
        machine="cpu, 2 threads",
        log=pd.DataFrame({"step": [10.0], "seconds": [seconds]}),
        names=tuple(rules.truth),
        predicted=(),
    )
    return Accepted(f"{group}-{at}.zip", at, it, predicted)


def places(standing: Standing) -> dict[str, tuple[int, int, bool]]:
    return {r.group: (r.place, r.place_in_time, r.on_front) for r in standing.rows}


def test_places_ties_and_front(rules):
    found = stand(
        [
            entry(rules, "best", 90, 50.0),
            entry(rules, "as good, slower", 90, 60.0),
            entry(rules, "quickest", 60, 10.0),
            entry(rules, "as quick, worse", 50, 10.04),  # reads 10.0 s too
            entry(rules, "in between", 70, 30.0),
            entry(rules, "dominated", 70, 30.2),
        ],
        rules,
    )
    assert [row.group for row in found.rows] == [
        "best",
        "as good, slower",
        "in between",
        "dominated",
        "quickest",
        "as quick, worse",
    ]
    assert places(found) == {
        "best": (1, 5, True),
        "as good, slower": (1, 6, False),
        "in between": (3, 3, True),
        "dominated": (3, 4, False),
        "quickest": (5, 1, True),
        "as quick, worse": (6, 1, False),
    }


def test_equals_in_both_are_both_on_the_front(rules):
    found = stand([entry(rules, "a", 80, 5.0), entry(rules, "b", 80, 5.0)], rules)
    assert places(found) == {"a": (1, 1, True), "b": (1, 1, True)}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 900)), max_size=12))
def test_ranks_are_those_of_a_loop(figures):
    rules = RULES
    groups = [
        entry(rules, f"g{i}", right, seconds / 10)
        for i, (right, seconds) in enumerate(figures)
    ]
    found = places(stand(groups, rules))
    assert len(found) == len(figures)
    for i, (right, seconds) in enumerate(figures):
        place = 1 + sum(other > right for other, _ in figures)
        in_time = 1 + sum(other < seconds for _, other in figures)
        beaten = any(
            r >= right and s <= seconds and (r, s) != (right, seconds)
            for r, s in figures
        )
        assert found[f"g{i}"] == (place, in_time, not beaten)


RULES = some_rules()


def test_what_chance_could_do_is_marked(rules):
    found = stand(
        [
            entry(rules, "first", 80, 5),
            entry(rules, "near", 78, 5, start=30),
            entry(rules, "far", 50, 5),
        ],
        rules,
    )
    assert [(r.group, r.level) for r in found.rows] == [
        ("first", True),
        ("near", True),
        ("far", False),
    ]


def test_the_last_of_a_group_counts_not_the_best_and_there_is_an_end(rules):
    otters = [
        entry(rules, "Otters", right, 5.0, at)
        for at, right in ((3, 60), (1, 90), (2, 70), (4, 99))
    ]
    again = entry(rules, "OTTERS", 99, 5.0, 5)
    other = entry(rules, "Grebes", 50, 5.0, 9)
    found = stand([*otters, other, again], rules, tries=3)
    assert [(r.group, r.score, r.tries) for r in found.rows] == [
        ("Otters", 0.6, 3),
        ("Grebes", 0.5, 1),
    ]
    assert [one.file for one in found.refused] == ["Otters-4.zip", "OTTERS-5.zip"]
    assert {r.kind for one in found.refused for r in one.reasons} == {"tries"}


def test_a_refused_file_takes_no_try(rules):
    bad = Rejected("Otters-0.zip", 0, "Otters", (error("names", "some are missing."),))
    found = stand([bad, entry(rules, "Otters", 50, 5, at=1)], rules, tries=1)
    assert found.rows[0].tries == 1 and found.refused == (bad,)


def test_copied_predictions_are_told_of_on_both_sides(rules):
    found = stand(
        [
            entry(rules, "a", 80, 5),
            entry(rules, "b", 80, 9),
            entry(rules, "c", 80, 9, start=1),
        ],
        rules,
    )
    told = {row.group: row.warnings for row in found.rows}
    assert told == {
        "a": ("its predictions are those of b.",),
        "b": ("its predictions are those of a.",),
        "c": (),
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (51.84, "51.8 s"), (99.94, "99.9 s"), (99.96, "1.7 min"),
     (3600, "60.0 min")],
)  # fmt: skip
def test_times_are_written_short(seconds, words):
    assert time_in_words(seconds) == words


class Words(HTMLParser):
    """Collect what a browser would show, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.shown.append(data)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_whatever_a_group_is_called_it_stays_text(tmp_path_factory, name):
    path = tmp_path_factory.getbasetemp() / "page.html"
    group = tame(name)
    reason = error("names", name)
    refused = Rejected(tame(name), 0, group, (reason,))
    standing = stand([entry(RULES, group, 50, 5.0), refused], RULES)
    write_page(path, standing, RULES, now=AT)
    parser = Words()
    parser.feed(path.read_text(encoding="utf-8"))
    assert parser.shown.count(group) >= 2
    assert not {"script", "img", "iframe", "link"} & set(parser.tags)
    plain = Words()
    other = stand([entry(RULES, "x", 50, 5.0)], RULES)
    with_refused = Standing(other.rows, (Rejected("x", 0, "x", (reason,)),))
    write_page(path, with_refused, RULES, now=AT)
    plain.feed(path.read_text(encoding="utf-8"))
    assert parser.tags == plain.tags


def test_the_page_says_it_all_and_needs_nothing(rules, tmp_path):
    refused = Rejected("x.zip", 0, "", (error("unreadable", "it cannot be read."),))
    rows = [entry(rules, "Otters", 90, 52.0), entry(rules, "Grebes", 50, 5.0)]
    write_page(tmp_path / "p.html", stand([*rows, refused], rules), rules, 7, AT)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="7">' in page
    assert "default-src 'none'" in page and "<script" not in page
    assert not re.search(r"https?://|src=|url\(", page)
    for words in ("Otters", "90.0 %", "52.0 s", "09:26:53", "x.zip", "cannot be read."):
        assert words in page
    text = as_text(stand([*rows, refused], rules), rules)
    assert re.search(r"1 Otters +90\.0 % +52\.0 s +2 +1 \*", text)
    assert "refused: x.zip: it cannot be read." in text


def test_an_empty_folder_has_a_page_too(rules, tmp_path):
    write_page(tmp_path / "p.html", stand([], rules), rules)
    assert "Nothing has been handed in yet" in (tmp_path / "p.html").read_text()


def watch_of(tmp_path, rules) -> Watch:
    folder = tmp_path / "in"
    folder.mkdir()
    return Watch(folder, rules, folder / "leaderboard.html", refresh=5, tries=3)


def test_the_watch_writes_only_when_something_changed(rules, tmp_path, monkeypatch):
    judged = []
    plain_judge = watch_module.judge

    def counting(path, rules):
        judged.append(path.name)
        return plain_judge(path, rules)

    monkeypatch.setattr(watch_module, "judge", counting)
    watch = watch_of(tmp_path, rules)
    assert watch.look() == Standing((), ())
    assert watch.look() is None  # its own page is no change
    (watch.folder / "a.zip").write_bytes(b"no zip")
    (watch.folder / ".half.tmp").write_bytes(b"being written")
    (watch.folder / "Thumbs.db").write_bytes(b"x")
    found = watch.look()
    assert [one.file for one in found.refused] == ["a.zip"] and judged == ["a.zip"]
    (watch.folder / "b").mkdir()
    assert len(watch.look().refused) == 2 and judged == ["a.zip", "b"]
    (watch.folder / "b" / "recipe.json").write_text("{}")  # inside a folder, too
    watch.look()
    assert judged == ["a.zip", "b", "b"]
    (watch.folder / "a.zip").unlink()
    assert [one.file for one in watch.look().refused] == ["b"]
    assert watch.look() is None and judged == ["a.zip", "b", "b"]


def test_neither_bad_files_nor_a_lost_folder_end_the_watch(rules, tmp_path, capsys):
    watch = watch_of(tmp_path, rules)
    watch.look()
    stop = threading.Event()
    runner = threading.Thread(target=watch.run, args=(0.01, stop))
    runner.start()

    def wait_for(text):
        for _ in range(1000):
            if watch.page.is_file() and text in watch.page.read_text(encoding="utf-8"):
                return True
            stop.wait(0.01)
        return False

    try:
        (watch.folder / "bad.zip").write_bytes(os.urandom(1000))
        assert wait_for("bad.zip")
        away = watch.folder.rename(tmp_path / "away")
        stop.wait(0.1)
        away.rename(watch.folder)
        (watch.folder / "second.zip").write_bytes(b"")
        assert wait_for("second.zip")
        watch.page.unlink()
        watch.page.mkdir()  # nothing can be written there
        (watch.folder / "third.zip").write_bytes(b"")
        stop.wait(0.1)
        watch.page.rmdir()
        assert wait_for("third.zip")
        assert runner.is_alive()
    finally:
        stop.set()
        runner.join(timeout=20)
    said = capsys.readouterr().out
    assert "not updated: " in said and "updated: 0 groups, 3 refused" in said


def test_wrong_use_of_the_commands_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["leaderboard", "nowhere"]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err
    assert cli.main(["leaderboard", ".", "--tries", "0"]) == 2
    assert cli.main(["leaderboard", ".", "--data", "no/such/folder"]) == 2
    assert cli.main(["submit", "nowhere", "--group", "Otters"]) == 2
    assert "not a finished run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_from_training_to_the_page_in_three_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = "--steps 4 --eval-every 2 --method supervised --folder runs/a"
    assert cli.main(["train", *few.split()]) == 0
    assert cli.main(["submit", "runs/a", "--group", "The Otters", "--to", "in"]) == 0
    assert re.search(r"written: in/the-otters-\w{8}\.zip", capsys.readouterr().out)
    assert cli.main(["leaderboard", "in"]) == 0
    assert re.search(r"1 The Otters +\d+\.\d %", capsys.readouterr().out)
    page = (tmp_path / "in" / "leaderboard.html").read_text(encoding="utf-8")
    assert "The Otters" in page and "40 labels, 10 classes, 1,000 test images" in page
    assert cli.main(["leaderboard", "in", "--labels-per-class", "2"]) == 0
    assert "allowed are 2" in capsys.readouterr().out
    assert cli.main(["leaderboard", "in", "--split-seed", "1"]) == 0
    assert "learnt with the labels of" in capsys.readouterr().out
