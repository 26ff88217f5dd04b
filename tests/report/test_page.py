"""The report: whole, self-contained, readable by everyone, and never half-written."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.pages import Page
from tests.report.samples import (
    embedded,
    sample_evaluation,
    sample_report,
    sample_result,
)
from workshop_lib.data.audit import Audit, Finding
from workshop_lib.evaluation.statistics import mcnemar
from workshop_lib.report.data import Embedded, MethodResult, ReportData
from workshop_lib.report.page import write_report
from workshop_lib.report.pictures import (
    confident_mistakes,
    corrected_mistakes,
    gain_bars,
    typical_successes,
)
from workshop_lib.report.tables import class_table, mistake_table, settings_table

NASTY = '<script>alert("x")</script> & co'
CLASSES = ("Forest", NASTY, "River/lake", "Empty")  # no test image is "Empty"
SECTIONS = ["done", "split", "idea", "ladder", "sure", "curves", "pseudo", "confusion"]
SECTIONS += ["gallery", "recall", "calibration", "embedding", "costs", "settings"]
SECTIONS += ["next", "made"]


def written(data: ReportData, folder: Path) -> Page:
    path = write_report(folder / "r.html", data)
    return Page(path.read_text(encoding="utf-8"))


TRUTH = torch.arange(60) % 3


def result(title: str, skill: float, **changes: Any) -> MethodResult:
    return sample_result(title, TRUTH, CLASSES, skill, **changes)


@pytest.fixture(scope="module")
def data() -> ReportData:
    plain = {"method": "supervised"}
    results = [
        result("Supervised, weak", 1.0, **plain),
        result("Supervised, strong", 2.0, **plain, labeled_view="strong"),
        result("FixMatch", 5.0),
        result("All labels", 6.0, **plain, labels_per_class=0),
    ]
    finding = Finding("overlap", "error", "1 image in val and test: a.png")
    return sample_report(results, TRUTH, CLASSES, audit=Audit((finding,), {}))


@pytest.fixture(scope="module")
def text(data: ReportData, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "new" / "report.html"
    assert write_report(path, data) == path
    assert os.listdir(path.parent) == ["report.html"]
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_section_is_there_and_linked(page):
    assert [a["id"] for a in page.all("section")] == SECTIONS
    links = [a["href"] for a in page.all("a")]
    assert links == ["#content", *(f"#{name}" for name in SECTIONS)]
    for words in (
        "What are unlabelled images worth?",
        "workshop train --data FOLDER --labels-per-class 4 --method fixmatch",
        "workshop quickstart",
        "1 image in val and test: a.png",
        "a fault that makes the figures on this page wrong",
        "62.5",
        "best, averaged",
        "torch 2.4",
        "1,234,567",
        "0.95",
    ):
        assert words in page.words


def test_nothing_is_loaded_from_elsewhere_and_the_page_forbids_it(text, page):
    for tag, attrs in page.tags:
        for key in ("src", "href", "srcset", "data", "action", "poster"):
            value = attrs.get(key)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    assert "http:" not in text and "https:" not in text
    assert "@import" not in text and "url(" not in text
    (policy,) = [m for m in page.all("meta") if "http-equiv" in m]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in (policy["content"] or "")


def test_page_stays_light(text, data, tmp_path):
    photos = sample_report(data.results, TRUTH, CLASSES, side=256)
    page = write_report(tmp_path / "r.html", photos)
    assert len(text) < 3_000_000 and page.stat().st_size < 3_000_000


def test_every_picture_has_words(page):
    pictures = page.all("img")
    assert len(pictures) > 20
    for picture in pictures:
        assert len(picture["alt"] or "") > 10
    assert any("FixMatch" in (p["alt"] or "") for p in pictures)


def test_structure_for_screen_readers_phones_and_paper(text, page):
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert {cell["scope"] for cell in page.all("th")} == {"col", "row"}
    assert len(page.all("caption")) == len(page.all("table"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    phone = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    assert phone in page.all("meta")
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_names_are_escaped(text, page):
    assert NASTY not in text
    assert NASTY in page.words  # and yet read as they are


def test_equal_data_give_equal_bytes(data, text, tmp_path):
    again = write_report(tmp_path / "again.html", data)
    assert again.read_text(encoding="utf-8") == text


def test_numbers_on_the_page_are_the_scores(data, page):
    for item in data.results:
        assert f"{100 * item.value:.1f}\N{NO-BREAK SPACE}%" in page.words
    gain = data.main.value - data.results[1].value
    assert f"worth {100 * gain:.1f} points" in page.words


def test_better_baseline_counts(data, tmp_path):
    assert data.baseline is data.results[1] and data.main is data.results[2]
    best = replace(data.results[0], evaluation=data.results[3].evaluation)
    weak_wins = replace(data, results=[best, *data.results[1:]])
    assert weak_wins.baseline is weak_wins.results[0]
    assert "did not pay off" in written(weak_wins, tmp_path).words


def test_small_difference_is_called_chance(data, page, tmp_path):
    strong = data.results[1]
    same = replace(data.results[2], evaluation=strong.evaluation)
    close = replace(data, results=[strong, same])
    assert "could be chance: repeat" in written(close, tmp_path).words
    assert "could be chance: repeat" not in page.words


def test_bars_say_what_each_gain_came_from(data):
    worth = [bar.worth for bar in gain_bars(data.results)]
    assert worth[0] == ""
    assert worth[1] == "what strong augmentation was worth"
    assert worth[2] == "what the unlabelled images were worth"
    control = result("Control", 3.0, unlabeled_from="labeled")
    found = gain_bars([data.results[0], control])
    assert "labelled images alone" in found[1].worth


def test_the_control_takes_its_part_of_the_gain(data, tmp_path):
    base, main = data.baseline, data.main
    assert base is not None and data.control is None
    alone = written(data, tmp_path).words
    assert "method and its unlabelled images were worth" in alone
    control = result("Control", 3.0, unlabeled_from="labeled")
    with_it = replace(data, results=[control, *data.results])
    assert with_it.control is control and with_it.main is main
    better = max(control.value, base.value)
    words = written(with_it, tmp_path).words
    assert f"were worth {100 * (main.value - better):.1f} points" in words
    assert f"brings {100 * (better - base.value):.1f} points" in words


def test_galleries_show_what_they_say(data):
    corrected, right = corrected_mistakes(data), typical_successes(data)
    assert {p.mark for p in corrected + right} == {"right"}
    assert all("baseline: " in p.alt for p in corrected)
    assert len(right) == 3  # one for each class that has images, of median confidence
    confidence = data.main.evaluation.probs.amax(1)
    sure = confidence[data.right(data.main) & (TRUTH == 0)].sort().values
    assert f"{100 * sure[len(sure) // 2]:.0f}\N{NO-BREAK SPACE}%" in right[0].alt
    weakest = replace(data, results=data.results[:1])
    assert corrected_mistakes(weakest) == []
    wrong = confident_mistakes(weakest)
    assert {p.mark for p in wrong} == {"wrong"}
    shares = [float(p.alt.split("\N{NO-BREAK SPACE}%")[0].split()[-1]) for p in wrong]
    assert len(shares) > 3 and shares == sorted(shares, reverse=True)


def test_absent_class_is_a_dash(data):
    table = class_table(data).set_index("class")
    assert table.loc["Empty"].tolist() == ["0", "–", "–", "–", "–", "–"]
    assert table.loc["Forest", "test images"] == "20"


def test_differences_are_mcnemars(data, page):
    main, weak = data.right(data.main), data.right(data.results[0])
    here, there = int((main & ~weak).sum()), int((weak & ~main).sum())
    points = f"Supervised, weak{100 * (here - there) / 60:+.1f}"
    (row,) = (one for one in page.words.splitlines() if points in one)
    assert f"{here}{there}" in row
    real = mcnemar(main.numpy(), weak.numpy()).significant
    assert row.endswith("yes" if real else "cannot tell")
    verdict = data.compare(data.baseline).summary("FixMatch", "Supervised, strong")
    assert all(line in page.words for line in verdict.splitlines()[2:])


def test_most_frequent_mistakes_are_counted_and_none_is_no_table(data):
    weakest = data.results[0]
    table = mistake_table(weakest, most=100)
    images = [int(count) for count in table["images"]]
    assert images == sorted(images, reverse=True)
    assert sum(images) == int((weakest.evaluation.probs.argmax(1) != TRUTH).sum())
    perfect = torch.nn.functional.one_hot(TRUTH, len(CLASSES)).float()
    all_right = sample_evaluation(perfect, TRUTH, CLASSES)
    assert mistake_table(replace(weakest, evaluation=all_right)).empty


def with_facts(result: MethodResult, **facts: Any) -> MethodResult:
    run = replace(result.run, facts={**result.run.facts, **facts})
    return replace(result, run=run)


def test_costs_tell_minutes_and_memory_and_a_dash_where_unknown(data, tmp_path):
    old = with_facts(data.results[0], peak_memory=None, seconds=150.0)
    quick = with_facts(data.results[2], seconds=12.0)
    words = written(replace(data, results=[old, quick]), tmp_path).words
    assert "Supervised, weak16–165002.5–1,234,567" in words
    assert "FixMatch164165000.203001,234,567" in words


def test_page_without_the_rest_leaves_it_out_cleanly(data, tmp_path):
    first = data.results[0]
    uncalibrated = replace(first.evaluation, calibration=None)
    bare = replace(first, evaluation=uncalibrated, embedded=None)
    only = replace(data, results=[bare])
    page = written(only, tmp_path)
    left_out = ("idea", "calibration", "embedding")
    sections = [name for name in SECTIONS if name not in left_out]
    assert [a["id"] for a in page.all("section")] == sections
    assert [a["href"] for a in page.all("a")][1:] == [f"#{name}" for name in sections]


def test_collapsed_network_is_told_in_place_of_a_map(data, tmp_path):
    found = embedded(TRUTH, CLASSES)
    same = replace(found.test, vectors=np.ones_like(found.test.vectors))
    flat = Embedded(same, knn=0.25, silhouette=math.nan)
    collapsed = replace(data.results[0], embedded=flat)
    page = written(replace(data, results=[collapsed]), tmp_path)
    assert "No map: all 30 vectors point the same way" in page.words


def test_clean_audit_says_what_was_not_looked_for(data, tmp_path):
    clean = replace(
        data, results=data.results[:1], audit=Audit((), {}), near_duplicates=False
    )
    page = written(clean, tmp_path)
    assert "The audit found nothing: no image in two parts" in page.words
    assert "Not looked for" in page.words


def test_settings_stand_beside_the_papers(data):
    rows = settings_table(data).set_index("setting")[["FixMatch", "FixMatch’s paper"]]
    assert rows.loc["threshold"].tolist() == ["0.8", "0.95"]
    assert rows.loc["alignment"].tolist() == ["yes", "no"]
    assert "lambda_u" not in rows.index  # as in the paper, and in the defaults
    weak = settings_table(replace(data, results=data.results[:1]))
    assert list(weak.columns) == ["setting", "Supervised, weak"]


@pytest.mark.parametrize("position", [0, 2, 3])
def test_one_result_is_enough(data, tmp_path, position):
    only = data.results[position]
    log = only.run.log.drop(columns=["val_accuracy"])  # stopped before a validation
    short = replace(only, run=replace(only.run, log=log))
    alone = replace(data, results=[short])
    page = written(alone, tmp_path)
    sections = [name for name in SECTIONS if name != "idea" or position == 2]
    assert [a["id"] for a in page.all("section")] == sections
    assert "holds no value of it" in page.words
    assert "unlabelled images were worth" not in page.words  # nothing to compare
    assert "Corrected" not in page.words
