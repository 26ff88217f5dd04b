"""The numbers that decks write out are those of notebooks, figures and documents."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from slides.decks import SLIDES, decks

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("docs/*.md")}
ALT = json.loads((SLIDES / "figures" / "alt.json").read_text(encoding="utf-8"))
STATIC = (SLIDES / "figures" / "STATIC.md").read_text(encoding="utf-8")
DECKS = {deck.stem[:2]: deck for deck in decks()}


def text(deck: Path) -> str:
    """Return a deck without emphasis, and with plain spaces."""
    whole = deck.read_text(encoding="utf-8").replace("\u00a0", " ")
    return re.sub(r"\*+", "", whole).replace("{,}", ",")


def numbers(of: str) -> set[str]:
    return set(re.findall(r"(?<![\d.,])\d+(?:,\d{3})*\.\d+(?!\d|\.\d)", of))


TEXT = {number: text(deck) for number, deck in DECKS.items()}

# Sums that a slide does before the room, with the test below that does them, too
SUMS = {"02": {"42.9"}, "04": {"22.4"}, "05": {"12.7", "4.3", "2.8"}}


@pytest.mark.parametrize("deck", DECKS)
def test_every_measured_number_is_found_where_it_was_measured(deck: str):
    words = re.sub(r"!\[.*?\]\(.*?\)", "", TEXT[deck])  # alt texts: test_figures.py
    words = re.sub(r"<!-- \d+(\.5)? min", "", words)
    notebook = ROOT / "notebooks" / "src" / f"{DECKS[deck].stem}.py"
    alone = re.findall(rf"^\| {deck}(?:_\w+\.\w+)? \|.*$", STATIC, re.MULTILINE)
    alts = [alt for name, alt in ALT.items() if name.startswith(deck)]
    sources = (*PAGES.values(), notebook.read_text(encoding="utf-8"), *alone, *alts)
    known = set().union(*map(numbers, sources)) | SUMS.get(deck, set())
    assert numbers(words) <= known, "add its source to slides/figures/STATIC.md"


def test_results_with_deviations_are_those_of_the_results():
    results = PAGES["results"].replace("**", "")
    told = re.findall(r"\d+\.\d ± \d+\.\d", TEXT["04"])
    assert len(told) == 6 and all(one in results for one in told)
    costs = re.findall(r"\| (\w+) \| [\d.]+ ± [\d.]+ % \| (\d+) s", TEXT["04"])
    costs += re.findall(r"^\| ([\w, ]+?)(?:, \$\\mu[^|]+)? \| 40 .*\| (\d+) \|$",
                        TEXT["05"], re.MULTILINE)  # fmt: skip
    assert len(costs) == 7
    part = results.split("## Every method on MiniEO")[1]
    for name, seconds in costs:
        row = re.search(rf"^\| {name.lower()}[^|]*\|.*\| (\d+) \|$", part, re.MULTILINE)
        assert row and row[1] == seconds, name
    assert "mean +16.7" in results and "+16.7 on average over five" in TEXT["05"]


def test_what_five_draws_gave_is_what_the_results_say():
    told = re.search(r"five draws: \+(\d+) points, of which (\d+) come", TEXT["01"])
    mean, own = re.search(
        r"Of the ([\d.]+), the method\s+itself brings ([\d.]+)", PAGES["results"]
    ).groups()
    assert told and told.groups() == (f"{float(mean):.0f}", f"{float(own):.0f}")


def test_figures_drawn_from_a_page_have_its_numbers():
    sources = (ROOT / "notebooks" / "src").glob("0[57]*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    real = re.findall(r"^(?:better|fixed) = \[([\d., ]+)\]", text, re.MULTILINE)
    shown = {f"{100 * float(one):.1f}" for row in real for one in row.split(", ")}
    means = {"51.2", "55.0"}  # of 52.8 and 49.6, of 56.2 and 53.7
    assert means < shown <= numbers(PAGES["results"]) | means and len(shown) == 8
    meet = re.search(r"^meet = \{(.+)\}$", text, re.MULTILINE)[1]
    for name, value in re.findall(r'"(\w+)": ([\d.]+)', meet):
        assert re.search(rf"^\| {name} \| .*? \| {value} ±", PAGES["fusion"], re.M)


def test_the_memory_is_the_product_of_what_the_slide_says():
    # What WRN-28-2 keeps of an image of 224 pixels: maps, channels, side
    kept = [(2, 16, 224), (16, 32, 224), (16, 64, 112), (16, 128, 56)]
    megabytes = sum(4e-6 * n * c * side**2 for n, c, side in kept)
    assert f"leaves {megabytes:.0f} MB" in TEXT["04"]
    total = megabytes * (8 + 2 * 56) / 1000
    assert f"120 images × {megabytes:.0f} MB = {total:.1f} GB" in TEXT["04"]


def test_the_luck_of_twenty_and_students_t():
    drawn = np.random.default_rng(0).binomial(1000, 0.8, size=(1000, 20)).max(axis=1)
    assert f"the best of the twenty in {drawn.mean() / 10:.1f}" in TEXT["05"]
    for n, word in ((2, "two seeds"), (3, "three"), (5, "five")):
        assert f"{stats.t.ppf(0.975, n - 1):.1f} for {word}" in TEXT["05"]


def test_what_a_forest_of_trees_finds():
    rows = re.findall(r"^\| ([^|]+?) \| (\d+\.\d) \|$", PAGES["mini_eo"], re.MULTILINE)
    told = {name: float(value) for name, value in rows}
    s2, both = told["S2 (12 bands)"], told["S2, S1"]
    everything = told["S2, S1, climate, elevation, season, rain, wind"]
    assert f"reads Sentinel-2 and is right in {s2:.1f} %" in TEXT["07"]
    words = f"A: {both:.1f}. D gives {everything:.1f}: five more things,"
    assert f"{words} {everything - both:.1f} points more than A" in TEXT["07"]
    assert f"B beside A adds {told['S2, S1, climate'] - both:.1f}" in TEXT["07"]
    # What the bets are about: nothing else is worth as much
    assert both - s2 > 5 > everything - both


def test_longitude_in_the_fifth_region():
    row = r"^\| ([\w, ]+) \| (\d+\.\d) \| (\d+\.\d) \|$"
    rows = re.findall(row, PAGES["mini_eo"], re.MULTILINE)
    told = {name: (home, away) for name, home, away in rows}
    lon, s1, both = told["longitude"], told["S1"], told["S1, longitude"]
    assert f"longitude alone {lon[0]} % right there and {lon[1]} in the" in TEXT["07"]
    assert f"{s1[0]} to {both[0]}, and harms away, {s1[1]} to {both[1]}" in TEXT["07"]
    assert f"A forest on S1: {s1[1]} % right in the fifth region; with" in TEXT["07"]
    assert f"with longitude {both[1]} %" in TEXT["07"]


def test_modalities_and_unlabelled_images_are_those_of_the_fusion_page():
    page, row = PAGES["fusion"], r"^\| ([\w +,]+) \| (\d+\.\d) ±"
    parts = page.split("<!-- sets: end -->")  # numbers of one length order as words do
    sets, told = (dict(re.findall(row, part, re.MULTILINE)) for part in parts)
    # "S2 with S1 lies to the right of the line, elevation alone far to the left"
    assert float(sets["S2"]) > 2 * float(sets["elevation"])
    assert sets["everything"] > sets["S2 + S1"] > sets["S2"] > sets["S2 + climate"]
    assert "| S1 | S2 | +4.2 |" in page and "| climate | S2 | -2.6 |" in page
    assert "S1 adds 4.2 points, climate takes 2.6 from S2" in TEXT["07"]
    # "Few labels gain from a second sensor and from unlabelled images, most from both"
    assert told["S2 + S1, FixMatch"] > told["S2 + S1, supervised"]
    assert told["S2 + S1, FixMatch"] > told["S2, FixMatch"] > told["S2, supervised"]


def test_the_published_table_repeats_nothing_of_ours():
    told = {"77.12", "82.81", "85.12", "73.09", "70.50", "55.96", "46.15", "39.15"}
    part = TEXT["07"].split("## Published: ben-ge")[1].split("\n---\n")[0]
    assert set(re.findall(r"\|\s(\d+\.\d\d)\s", part)) == told
    assert "not our measurement" in part and "not comparable" in part


def test_the_rungs_are_those_of_the_segmentation_page():
    page = PAGES["segmentation"].replace("**", "")
    means = [
        re.search(rf"^\| 10 \| {name} \| ([\d.]+) ±", page, re.MULTILINE)[1]
        for name in ("supervised", "supervised_strong", "fixmatch")
    ]
    assert f"5 seeds, means {', '.join(means)}" in TEXT["08"]
    gains = re.search(r"10 tiles, fixmatch over .*? points \(([-+\d., ]+)\)", page)
    assert f"over the better baseline, seed by seed: {gains[1]}." in TEXT["08"]


def test_windows_heads_and_the_poll_about_roads_count_right():
    assert f"each pixel is looked at {(32 // 8) ** 2} times" in TEXT["08"]
    assert f"move by one: {32**2:,} looks" in TEXT["08"]
    heads = 6 * (512 + 1024 + 2048) + 3 * 6
    assert f"{heads:,} numbers" in TEXT["08"].replace("$", "")
    road, rest = 0 / 2, 98 / 100  # right pixels over those there or called so
    assert f"2. 98 % and {100 * (road + rest) / 2:.0f} %" in TEXT["08"]


def test_the_real_scene_is_that_of_the_page():
    rows = (
        [cell.strip().split(" ± ")[0] for cell in line.strip("|").split("|")]
        for line in PAGES["landsat"].splitlines()
        if "±" in line and line.count("|") == 8
    )
    page = {cells[0]: (cells[1], cells[4]) for cells in rows}
    names = {"U-Net": "U-Net", "forest, 5x5": "random forest on 5x5 pixels"}
    for short, name in (names | {"forest": "random forest on pixels"}).items():
        assert f"\n{short}: {page[name][0]}, {page[name][1]}\n" in TEXT["08"]
    assert "89 % have the same class as their right neighbour" in PAGES["landsat"]
    assert "89 % of the pixels have the class of their right" in TEXT["08"]
    assert "49 % are forest" in PAGES["landsat"] and "49 % are forest" in TEXT["08"]
