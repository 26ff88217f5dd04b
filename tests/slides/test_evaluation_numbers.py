"""The numbers that decks 05 and 06 write out are those of data and documents."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from slides.decks import SLIDES
from slides.draw.kit import measured
from slides.draw.measured_05 import BOTH, TITLES
from workshop_lib.evaluation import seed_interval

RESULTS = Path(__file__).parents[2] / "docs" / "results.md"


def text(deck: str) -> str:
    whole = (SLIDES / deck).read_text(encoding="utf-8").replace("\u00a0", " ")
    return re.sub(r"\*+", "", whole)


EVALUATION, EMBEDDINGS = text("05_evaluation.md"), text("06_embeddings.md")
SCORES = measured("05_scores.json")


def test_the_title_and_the_test_are_those_of_the_runs():
    fix, strong, co = (
        100 * SCORES[name]["accuracy"]
        for name in ("fixmatch", "supervised_strong", "comatch")
    )
    assert f"One network is {fix:.0f} % right, another {strong:.0f} %" in EVALUATION
    assert f"{fix:.1f} and {co:.1f} %: leave open" in EVALUATION
    kappa = SCORES["fixmatch"]["kappa"]
    assert f"accuracy {fix / 100:.3f}, kappa {kappa:.3f}" in EVALUATION


def test_the_best_steps_and_the_costs():
    found = measured("05_training.json")
    results = RESULTS.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+(?:, \w+)?)[^|]*(\|.*)\|$", EVALUATION, re.M))
    in_results = ("supervised, weak", "supervised, strong", "fixmatch", "comatch")
    for (name, title), label in zip(TITLES.items(), in_results, strict=True):
        one = found[name]
        cells = [cell.strip() for cell in rows[title].strip("|").split("|")]
        labels, batch, parameters, seconds = cells
        assert int(labels) == found["runs"][name]["labels"]
        assert parameters == f"{one['parameters']:,}"
        images = one["labelled_per_step"], one["unlabelled_per_step"]
        assert [int(n) for n in batch.split(" + ")] == [n for n in images if n]
        part = results.split("## Every method on MiniEO")[1]
        row = re.search(rf"^\| {label}[^|]*\|.*\| (\d+) \|$", part, re.M)
        assert row and row[1] == seconds, name
    for name in ("fixmatch", "comatch"):
        assert f"{found[name]['best_step']:,} for {TITLES[name]}" in EVALUATION


def test_the_luck_of_twenty():
    drawn = np.random.default_rng(0).binomial(1000, 0.8, size=(1000, 20)).max(axis=1)
    assert f"the best of the twenty in {drawn.mean() / 10:.1f}" in EVALUATION


def test_top_k_and_classes():
    for name, word in zip(BOTH, ("supervised", "FixMatch"), strict=True):
        assert f"{word} {100 * SCORES[name]['top_k'][0]:.1f}" in EVALUATION
    five = [f"{100 * SCORES[name]['top_k'][4]:.1f}" for name in BOTH]
    assert f"with five guesses {five[0]} and {five[1]}" in EVALUATION
    names = SCORES["class_names"]
    crop = names.index("AnnualCrop")
    strong, fix = (100 * SCORES[name]["recall"][crop] for name in BOTH)
    told = f"supervised finds {strong:.0f} per cent of AnnualCrop, FixMatch {fix:.0f}"
    assert told in EVALUATION
    worst = int(np.argmin(SCORES["fixmatch"]["recall"]))
    low = 100 * SCORES["fixmatch"]["recall"][worst]
    assert f"FixMatch's worst is {names[worst]} with {low:.0f}" in EVALUATION


def test_the_matrix_holds_what_the_slide_asks_for():
    matrix, names = np.array(SCORES["fixmatch"]["confusion"]), SCORES["class_names"]
    off = matrix - np.diag(np.diag(matrix))
    row, column = np.unravel_index(off.argmax(), off.shape)
    told = f"row {names[row]}, column {names[column]}, {off.max()} images"
    assert told in EVALUATION
    assert off[column, row] == 0  # "the other way round ... is empty"
    crop, pasture = names.index("AnnualCrop"), names.index("Pasture")
    there, back = off[crop, pasture], off[pasture, crop]
    told = f"{there} fields were taken for pasture and {back} pastures for fields"
    assert told in EMBEDDINGS
    both_ways = off + off.T
    assert both_ways.max() == both_ways[crop, pasture]
    assert f"FixMatch's {measured('05_mistakes.json')['wrong']} mistakes" in EVALUATION


def test_calibration():
    strong, fix = (SCORES[name] for name in BOTH[:2])
    before, after = (100 * value for value in strong["ece"])
    words = f"error {before:.1f} → {after:.1f} points at $T = "
    assert f"{words}{strong['temperature']:.2f}$" in EVALUATION.replace("\n", " ")
    before, after = (100 * value for value in fix["ece"])
    words = f"error {before:.1f}, with T = {fix['temperature']:.2f} it is {after:.1f}"
    assert words in EVALUATION


def test_students_t():
    for n, word in ((2, "two seeds"), (3, "three"), (5, "five")):
        assert f"{stats.t.ppf(0.975, n - 1):.1f} for {word}" in EVALUATION


def test_seeds_and_the_two_intervals():
    found, test = measured("05_seeds.json"), measured("05_same_images.json")
    gains = 100 * np.subtract(found["fixmatch"], found["supervised_strong"])
    assert ", ".join(f"{gain:+.1f}" for gain in gains) in EVALUATION
    assert (gains > 0).all()  # "All of them rise"
    over_seeds = seed_interval(gains.tolist())
    ends = f"{over_seeds.low:.1f} to {over_seeds.high:.1f}"
    assert f"over other labels {over_seeds.value:.1f} points, {ends}" in EVALUATION
    value, (low, high) = test["difference"], test["interval"]
    told = f"{100 * value:.1f} points, {100 * low:.1f} to {100 * high:.1f}"
    assert f"over other test images {told}" in EVALUATION
    assert over_seeds.high - over_seeds.low > 100 * (high - low)  # "the wider one"
    only = test["only_fixmatch"], test["only_supervised"]
    assert f"{only[0]} that only FixMatch gets right, {only[1]} that" in EVALUATION
    results = RESULTS.read_text(encoding="utf-8")
    assert "mean +16.4" in results and "+16.4 on the mean of five" in EVALUATION
    # "will the two intervals overlap? Here they do not"
    strong, fix = (seed_interval(found[name]) for name in BOTH)
    assert strong.high < fix.low


def test_the_pseudo_labels_at_the_end():
    table = measured("05_pseudo_labels.json")["table"]
    last = np.array(table["step"]) == max(table["step"])
    used, right, true = (np.array(table[c])[last] for c in ("used", "correct", "true"))
    crop = [c for c, here in zip(table["class"], last, strict=True) if here].index(
        "AnnualCrop"
    )
    share = (used / used.sum() / (true / true.sum()))[crop]
    told = f"{100 * right.sum() / used.sum():.0f} % of those in use are right"
    assert told in EVALUATION
    assert f"AnnualCrop gets {share:.1f} times its share" in EVALUATION


def test_embeddings_knn_and_lengths():
    maps, vectors = measured("06_maps.json"), measured("06_vectors.json")
    keys = ("supervised_strong", "fixmatch", "comatch")
    before = {maps[f"{name}, before"]["knn"] for name in keys}
    assert len(before) == 1
    after = [f"{100 * maps[f'{name}, after']['knn']:.1f}" for name in keys]
    told = (
        f"before training {100 * before.pop():.1f} per cent, supervised {after[0]},"
        f" FixMatch {after[1]}, CoMatch {after[2]}, CoMatch's projection"
        f" {100 * vectors['knn']['projection']:.1f}"
    )
    assert told in EMBEDDINGS
    features, projection = vectors["sizes"]
    assert f"{features} numbers, any length" in EMBEDDINGS.replace("\n", " ")
    assert f"{projection} numbers, length 1" in EMBEDDINGS.replace("\n", " ")
    found = vectors["lengths"]["features"]
    assert f"from {min(found):.1f} to {max(found):.1f}, its projection" in EMBEDDINGS
    assert vectors["lengths"]["projection"] == pytest.approx([1.0] * 1000, abs=1e-3)


def test_what_t_sne_did_with_known_distances():
    found = measured("06_cannot_tell.json")
    assert f"C {found['PCA']['far']:.1f} times as far from A as B" in EMBEDDINGS
    assert f"C only {found['t-SNE']['far']:.1f} times as far" in EMBEDDINGS
