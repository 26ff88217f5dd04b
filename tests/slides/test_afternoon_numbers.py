"""The numbers that decks 07 and 08 write out are those of data and documents."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slides.decks import SLIDES
from slides.draw.diagrams_07 import counts
from slides.draw.kit import measured
from slides.draw.measured_07 import complete
from slides.draw.measured_08 import RUNGS
from slides.draw.numerals import maps_of, text_of
from slides.draw.unit_07 import ADDED, forest_told
from workshop_lib.data.tiles import stride
from workshop_lib.evaluation.metrics import scores_from_confusion
from workshop_lib.modality_table import SETS
from workshop_lib.models import build_model
from workshop_lib.recipe import preset

DOCS = Path(__file__).parents[2] / "docs"
LANDSAT = (DOCS / "landsat.md").read_text(encoding="utf-8")


def text(deck: str) -> str:
    whole = (SLIDES / deck).read_text(encoding="utf-8").replace("\u00a0", " ")
    return re.sub(r"\*+", "", whole)


FUSION, SEGMENTATION = text("07_fusion.md"), text("08_segmentation.md")


# ---- 07


def test_what_a_forest_of_trees_finds():
    told = forest_told()
    s2, both = told["S2 (12 bands)"], told["S2, S1"]
    everything = told["S2, S1, climate, elevation, season, rain, wind"]
    assert f"reads Sentinel-2 and is right in {s2:.1f} %" in FUSION
    words = f"A: {both:.1f}. D gives {everything:.1f}, seven things for"
    assert f"{words} {everything - both:.1f} points more than A" in FUSION
    assert f"B beside A adds {told['S2, S1, climate'] - both:.1f}" in FUSION
    # What the bets are about: nothing else is worth as much
    assert both - s2 > 5 > everything - both


def test_longitude_in_the_fifth_region():
    page = (DOCS / "mini_eo.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w, ]+) \| (\d+\.\d) \| (\d+\.\d) \|$", page, re.M)
    told = {name: (home, away) for name, home, away in rows}
    lon, s1, both = told["longitude"], told["S1"], told["S1, longitude"]
    assert f"longitude alone {lon[0]} % right there and {lon[1]} in the" in FUSION
    assert f"{s1[0]} to {both[0]}, and harms away, {s1[1]} to {both[1]}" in FUSION
    assert f"A forest on S1: {s1[1]} % right in the fifth region; with" in FUSION
    assert f"with longitude {both[1]} %" in FUSION


def test_the_parameters_of_the_diagrams():
    found = counts()
    assert f"early: {found['early']:,}" in FUSION
    assert found["late"] == max(found.values())  # "which has most? Late"
    assert found["late"] / found["early"] == pytest.approx(2, abs=0.1)
    rows = measured("07_studies.json")["fusions"]
    for kind, number in found.items():  # those that were trained
        assert rows["parameters"][rows["name"].index(kind)] == number


def test_the_table_is_whole_and_its_captions_true():
    found = measured("07_studies.json")
    recipe = found["recipe"]
    told = (
        f"early fusion, {recipe['labels_per_class']} labels per class,"
        f" {recipe['steps']} steps"
    )
    assert told in FUSION
    rows = pd.DataFrame(found["sets"])
    assert set(rows["name"]) == set(SETS)
    assert len(complete(rows, list(SETS))) == len(rows)  # like meets like
    mean = rows.groupby("name")["f1"].mean()
    # "S2 with S1 lies to the right of the line, single facts far to the left"
    assert mean["S2 + S1"] > mean["S2"] > 2 * mean[["climate", "season"]].max()
    wide = rows.pivot(index="seed", columns="name", values="f1")
    gain = {words: (wide[a] - wide[b]).mean() for words, a, b in ADDED}
    assert gain["S1, to S2"] > 0 > gain["climate, to S2"]


def test_seeds_that_some_names_lack_are_left_out():
    rows = pd.DataFrame({"name": ["a", "b", "a"], "seed": [0, 0, 1], "f1": [1, 2, 3]})
    assert complete(rows, ["a", "b"])["f1"].tolist() == [1, 2]
    assert complete(rows, ["a"])["f1"].tolist() == [1, 2, 3]


def test_a_network_that_knew_no_gap_falls_deeper():
    rows = pd.DataFrame(measured("07_sensor_fails.json")["rows"])
    mean = rows.groupby("dropout").mean()
    (dropout,) = set(rows["dropout"]) - {0.0}
    assert f"S2, S1, climate; dropout {dropout}" in FUSION
    for gone in ("no s1", "no s2"):
        assert mean.loc[dropout, gone] > mean.loc[0.0, gone]


def test_two_sensors_and_unlabelled_images_are_best_together():
    assert "in every seed most from both" in FUSION
    rows = pd.DataFrame(measured("07_studies.json")["fixmatch"])
    wide = rows.pivot(index="seed", columns="name", values="f1")
    assert (wide.idxmax(axis=1) == "S2 + S1, FixMatch").all()
    assert (wide["S2, supervised"] == wide.min(axis=1)).all()


def test_the_published_table_repeats_nothing_of_ours():
    told = {"77.12", "82.81", "85.12", "73.09", "70.50", "55.96", "46.15", "39.15"}
    part = FUSION.split("## Published: ben-ge")[1].split("\n---\n")[0]
    rows = re.findall(r"\|\s(\d+\.\d\d)\s", part)
    assert set(rows) == told
    assert "not our measurement" in part and "not comparable" in part


# ---- 08


def test_the_rungs_seed_by_seed():
    found = measured("08_rungs.json")
    weak, strong, fix = (100 * np.array(found[m]["miou"]) for m in RUNGS)
    means = ", ".join(f"{one.mean():.1f}" for one in (weak, strong, fix))
    assert f"{len(fix)} seeds, means {means}" in SEGMENTATION
    gains = fix - np.maximum(weak, strong)
    each = ", ".join(f"{gain:+.1f}" for gain in gains)
    assert f"over the better baseline, seed by seed: {each}" in SEGMENTATION
    assert fix.mean() > strong.mean() > weak.mean()  # "FixMatch's mean is highest"


def test_the_rarest_class_gains_least_or_nearly():
    found = measured("08_rungs.json")
    gain = np.subtract(found["fixmatch"]["iou"], found["supervised, strong"]["iou"])
    names, rare = found["class_names"], np.argsort(found["shares"])[:3]
    assert gain[rare].mean() < np.delete(gain, rare).mean()  # "left behind"
    assert sum(found["shares"]) == pytest.approx(1, abs=1e-3)
    assert len(names) == len(gain) == 7


def test_windows_see_a_pixel_sixteen_times_and_one_pass_is_quicker():
    found = measured("08_cost.json")
    assert f"each pixel is looked at {(found['window'] // 8) ** 2} times" in (
        SEGMENTATION
    )
    assert f"move by one: {found['window'] ** 2:,} looks" in SEGMENTATION
    seconds = dict(zip(found["way"], found["s"], strict=True))
    slow, fast = (
        seconds["window slid by 8 px"],
        seconds["the same network, fully convolutional"],
    )
    assert 4 < slow / fast < 64  # "the order is right"
    assert seconds["window slid by 4 px"] == max(seconds.values())


def test_degradation_and_the_gradient():
    found = measured("08_depth.json")
    last = {name: found[name]["loss"][-1] for name in found["runs"]}
    assert last["residual-32"] < last["plain-32"]
    assert last["plain-8"] < last["plain-32"]
    eight, deep, residual = (
        last[name] for name in ("plain-8", "plain-32", "residual-32")
    )
    words = f"At the end: {eight:.2f} with 8 layers, {deep:.2f} with 32, and"
    assert f"{words} {residual:.2f} with 32 and shortcuts" in SEGMENTATION
    (steps,) = {run["steps"] for run in found["runs"].values()}
    assert f"all labels, {steps} steps, one seed" in SEGMENTATION
    norms = measured("08_gradients.json")
    assert f"{norms['depth']} layers without normalisation" in SEGMENTATION
    assert len(norms["plain"]) == norms["depth"] - 1
    assert norms["plain"][0] < 1e-2 * norms["plain"][-1]
    assert norms["residual"][0] > 1e-1 * norms["residual"][-1]


def test_the_heads_of_the_fcn():
    found = measured("08_strides.json")
    assert f"{found['head_parameters']:,}".replace(",", "{,}") in SEGMENTATION
    assert found["head_parameters"] == 6 * (512 + 1024 + 2048) + 3 * 6
    told = f"{found['run']['model']}, {found['run']['steps']} steps, all labels"
    assert told in SEGMENTATION
    unet = build_model("unet-16", in_channels=4, num_classes=7)
    millions = sum(p.numel() for p in unet.parameters()) / 1e6
    assert float(re.search(r"([\d.]+) million numbers", SEGMENTATION)[1]) == (
        pytest.approx(millions, abs=0.015)
    )


def test_blended_patches_differ_less_from_one_pass():
    found = measured("08_large.json")
    one, apart, blended = (
        maps_of([found[name]]) for name in ("one pass", "side by side", "blended")
    )
    assert (blended != one).mean() < (apart != one).mean()
    step = stride(found["patch"], 0.5)
    told = f"Patches of {found['patch']} px; blended: every {step} px"
    assert told in SEGMENTATION


def test_the_poll_about_roads_counts_right():
    scores = scores_from_confusion(np.array([[98, 0], [2, 0]]), ("else", "road"))
    assert scores.accuracy == 0.98 and scores.mean_iou == pytest.approx(0.49)
    assert "2. 98 % and 49 %" in SEGMENTATION and "B. IoU" in SEGMENTATION


def test_thresholds_and_what_is_sure():
    found = measured("08_pseudo_maps.json")
    threshold = preset("segment").threshold
    assert found["threshold"] == threshold
    assert f"not sure enough, threshold {threshold}" in SEGMENTATION
    white = [(maps_of(texts) == 255).mean() for texts in found["maps"].values()]
    assert white[-1] < white[0]  # "the white shrinks"


def test_the_real_scene_is_that_of_the_page():
    page = {
        cells[0]: (cells[1], cells[4])
        for cells in (
            [cell.strip().split(" ± ")[0] for cell in line.strip("|").split("|")]
            for line in LANDSAT.splitlines()
            if "±" in line and line.count("|") == 8
        )
    }
    for short, name in (
        ("U-Net", "U-Net"),
        ("forest, 5x5", "random forest on 5x5 pixels"),
        ("forest", "random forest on pixels"),
    ):
        assert f"\n{short}: {page[name][0]}, {page[name][1]}\n" in SEGMENTATION
    assert "89 % have the same class as their right neighbour" in LANDSAT
    assert "89 % of the pixels have the class of their right" in SEGMENTATION
    assert "49 % are forest" in LANDSAT and "49 % are forest" in SEGMENTATION


def test_maps_as_text_come_back():
    maps = np.random.default_rng(0).choice([0, 3, 9, 255], (2, 5, 4)).astype(np.uint8)
    assert (maps_of(text_of(maps)) == maps).all()
