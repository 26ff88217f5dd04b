"""The numbers that decks 03 and 04 write out are those of data and documents."""

import re
from pathlib import Path

import pytest

from slides.decks import SLIDES
from slides.draw.kit import measured
from slides.draw.unit_04 import KEPT

RESULTS = Path(__file__).parents[2] / "docs" / "results.md"


def text(deck: str) -> str:
    return (SLIDES / deck).read_text(encoding="utf-8").replace("**", "")


AUGMENTATION, TRAINING = text("03_augmentation.md"), text("04_training.md")


def last(run: str, column: str) -> float:
    return measured("04_logs.json")[run]["log"][column][-1]


def first(run: str, column: str) -> float:
    return measured("04_logs.json")[run]["log"][column][0]


def test_forty_images_are_known_by_heart():
    assert f"is {last('supervised', 'loss_x'):.3f}." in AUGMENTATION
    right = 100 * last("supervised", "val_accuracy")
    assert f"Of new images {right:.1f} %" in AUGMENTATION


def test_the_batch_is_about_twenty_times_as_fast():
    told = int(re.search(r"about (\d+) times as fast", AUGMENTATION)[1])
    for view, times in measured("03_speed.json")["times_as_fast"].items():
        assert times == pytest.approx(told, rel=0.25), view


def test_the_memory_is_the_product_of_what_the_slide_says():
    megabytes = sum(4e-6 * n * c * side**2 for n, c, side in KEPT)
    assert f"leaves {megabytes:.0f} MB" in TRAINING
    total = megabytes * (8 + 2 * 56) / 1000
    assert f"120 images × {megabytes:.0f} MB = {total:.1f} GB" in TRAINING
    foreseen = measured("04_budget.json")["gigabytes"]["as in the paper"]
    assert foreseen == pytest.approx(total, rel=0.1)


def test_the_log_rises_as_told():
    for column, words in (
        ("mask_rate", "rises: "),
        ("pseudo_accuracy", "rises, too: "),
    ):
        start, end = first("fixmatch", column), last("fixmatch", column)
        assert f"`{column}` {words}{start:.2f} to {end:.2f}" in TRAINING
    assert f"`loss_x`: {last('fixmatch', 'loss_x'):.2f}" in TRAINING
    paper, ours = (
        100 * last(run, "pseudo_accuracy") for run in ("fixmatch_paper", "fixmatch")
    )
    assert f"{paper:.0f} % are right against {ours:.0f} %" in TRAINING
    kept = measured("04_logs.json")["fixmatch"]
    best, end = kept["best_step"], kept["last_step"]
    assert f"here step {best:,} of {end:,}" in TRAINING


def test_results_with_deviations_stand_in_the_results():
    told = re.findall(r"\d+\.\d ± \d+\.\d", TRAINING)
    assert len(told) == 6
    results = RESULTS.read_text(encoding="utf-8").replace("**", "")
    assert all(one in results for one in told)
    for name, seconds in re.findall(
        r"\| (\w+) \| [\d.]+ ± [\d.]+ % \| (\d+) s", TRAINING
    ):
        row = re.search(rf"^\| {name.lower()} \|.*$", results, re.M)[0]
        assert row.endswith(f"| {seconds} |")


def test_one_draw_and_five_lie_in_the_notes():
    bars = measured("04_ladder.json")
    ours = [100 * bars[name]["accuracy"] for name in ("CoMatch", "CCSSL")]
    assert f"CoMatch has {ours[0]:.1f} and CCSSL {ours[1]:.1f}" in TRAINING


def test_what_comatchs_memory_did():
    found = measured("04_memory.json")
    assert f"A *memory* keeps {found['remembered']} images" in TRAINING
    words = (
        f"of {found['asked']:,} images it put {found['put_right']} right and"
        f" {found['put_wrong']} wrong"
    )
    assert words in TRAINING
    with_it, alone = found["with_memory"], found["alone"]
    words = (
        f"it lets {100 * with_it['used']:.0f} % through instead of"
        f" {100 * alone['used']:.0f} %, and {100 * with_it['right']:.0f} % of these are"
        f" right instead of {100 * alone['right']:.0f} %"
    )
    assert words in TRAINING


def test_ill_logs():
    times = measured("04_anomaly.json")["times_as_long"]
    assert f"each step takes {times:.2f} times as long" in TRAINING
    log = measured("04_first_steps.json")["log"]
    assert log["step"][0] == 10 and log["step"][-1] == 100
    rates = log["mask_rate"][0], log["mask_rate"][-1]
    assert f"is {rates[0]:.3f} after 10 steps and {rates[1]:.3f} after 100" in TRAINING
