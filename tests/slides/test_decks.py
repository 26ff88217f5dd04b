"""What every deck holds: read from its Markdown, nothing is built."""

import re
from pathlib import Path

import pytest
import yaml

from slides.decks import SLIDES, decks
from workshop_lib.course.checks.splits import make_leaky_splits
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.split import Split

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "notebooks" / "src"
DECKS = decks()
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
NOTES = re.compile(r"<!--\s*(\d+(?:\.5)?) min\. (.+?)-->", re.DOTALL)
CLASS = re.compile(r"<!-- _class: ([\w -]+) -->")
SIZE = re.compile(r"\b[wh]:\d+$")  # what Marp takes out of the alt text

each_deck = pytest.mark.parametrize("deck", DECKS, ids=lambda path: path.stem)


def slides(deck: Path) -> list[str]:
    """Cut a deck at its rulers; code between fences is not looked into."""
    body = deck.read_text(encoding="utf-8").split("---\n", 2)[2]
    found, fenced = [[]], False
    for line in body.splitlines():
        fenced ^= line.startswith("```")
        if line == "---" and not fenced:
            found.append([])
        else:
            found[-1].append(line)
    return ["\n".join(lines).strip() for lines in found]


def classes(slide: str) -> list[str]:
    return [name for found in CLASS.findall(slide) for name in found.split()]


def minutes(slide: str) -> float:
    (found,) = NOTES.findall(slide)
    return float(found[0])


def test_every_deck_has_its_notebook_and_the_other_way_round():
    assert DECKS
    notebooks = {path.stem for path in SOURCES.glob("[0-9][0-9]_*.py")}
    assert {deck.stem for deck in DECKS} == notebooks


@each_deck
def test_front_matter(deck: Path):
    head = yaml.safe_load(deck.read_text(encoding="utf-8").split("---\n", 2)[1])
    assert head.pop("title").startswith(deck.stem[:2])
    assert len(head.pop("description").split()) >= 5
    same = {"marp": True, "theme": "few-labels", "math": "mathjax", "paginate": True}
    assert head == same | {"lang": "en"}


@each_deck
def test_a_deck_has_twelve_to_twenty_slides_of_known_layouts(deck: Path):
    found = slides(deck)
    assert 12 <= len(found) - 1 <= 20  # the last one holds the sources
    assert "\n## Sources\n" in f"\n{found[-1]}" and "min. Not shown" in found[-1]
    theme = (SLIDES / "theme.css").read_text(encoding="utf-8")
    for slide in found:
        for name in classes(slide):
            assert f"section.{name}" in theme or f".{name} >" in theme, name


@each_deck
def test_a_deck_asks_the_room_and_asks_what_it_was_like(deck: Path):
    found = [name for slide in slides(deck) for name in classes(slide)]
    assert found[0] == "title"
    assert found.count("feedback") == 1
    assert "poll" in found and "question" in found and "task" in found


@each_deck
def test_each_slide_has_one_heading_and_ends_with_its_notes(deck: Path):
    for slide in slides(deck):
        heading = re.findall(r"^#{1,2} (.+)$", slide, re.MULTILINE)
        assert len(heading) == 1, slide
        notes = NOTES.findall(slide)
        assert len(notes) == 1 and slide.endswith("-->"), heading
        assert slide.rindex("<!--") == NOTES.search(slide).start(), heading
        assert len(notes[0][1].split()) >= 5, f"{heading}: hardly a note"


@each_deck
def test_talk_and_work_fit_into_the_minutes_of_the_unit(deck: Path):
    source = (SOURCES / f"{deck.stem}.py").read_text(encoding="utf-8")
    unit = int(re.search(r"\*\*Time\*\*: (\d+) minutes", source).group(1))
    talk = sum(minutes(s) for s in slides(deck) if "task" not in classes(s))
    work = sum(minutes(s) for s in slides(deck) if "task" in classes(s))
    assert talk + work <= unit, f"{talk} of talk, {work} of work"
    assert work >= unit / 4, "learners do something in a quarter of the time at least"
    plan = (SLIDES / "instructor" / "schedule.md").read_text(encoding="utf-8")
    given = re.search(rf"^\| \S+ \| {deck.stem[:2]} .*\| (\d+) \|$", plan, re.M)
    core = sum(minutes(s) for s in slides(deck) if "core" in classes(s))
    assert not core or 2 <= core <= int(given[1]), "short path: make slides SHORT=1"


@each_deck
def test_every_picture_exists_and_has_alt_text(deck: Path):
    found = [one for slide in slides(deck) for one in IMAGE.findall(slide)]
    assert len(found) >= 5
    for words, target in found:
        assert (SLIDES / target).is_file(), target
        assert target.startswith(f"figures/{deck.stem[:2]}_"), target
        assert len(SIZE.sub("", words).split()) >= 5, f"{target}: {words!r}"


@each_deck
def test_numbers_name_their_source(deck: Path):
    for slide in slides(deck):
        shown = re.sub(r"<!--.*?-->", "", slide, flags=re.DOTALL)
        shown = IMAGE.sub("", shown)
        measured = re.search(r"\d\s?%|\d\.\d|\d,\d{3}", shown)
        if (measured or IMAGE.search(slide)) and "title" not in classes(slide):
            assert "<!-- _footer: " in slide, shown


@each_deck
def test_nothing_is_fetched(deck: Path):
    text = deck.read_text(encoding="utf-8")
    links = re.findall(r"(?<!!)\[[^\]]*\]\(https?://[^)]+\)", text)
    assert len(re.findall(r"https?://", text)) == len(links)
    assert "<script" not in text and "<iframe" not in text


def test_the_theme_fetches_nothing_and_is_named():
    theme = (SLIDES / "theme.css").read_text(encoding="utf-8")
    assert "@theme few-labels" in theme
    assert "url(" not in theme and "@import" not in theme and "//" not in theme
    used = {name for deck in DECKS for s in slides(deck) for name in classes(s)}
    told = theme.split("*/")[0]
    assert all(name in told for name in used), "the top of the theme lists all layouts"


def test_the_lock_file_names_no_registry():
    text = (SLIDES / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity"') > 50
    # Whom to fund, and nothing else, is an address
    addresses = re.findall(r'"(\w+)": "https?://', text)
    assert set(addresses) <= {"url", "funding"}


@pytest.mark.slow
def test_the_table_of_cases_is_that_of_the_detective():
    mini = mini_eo(1000)
    text = (SLIDES / "02_data_and_splits.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([A-G]) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.M
    )
    cases = make_leaky_splits(mini, Split.random(mini, labels_per_class=4))
    counts = [
        (case.name[-1], *(str(n) for n in case.split.counts().values()))
        for case in cases
    ]
    assert rows == counts
    labelled, pool = 40, 2400  # of MiniEO in full, at 8 and 56 in a step
    assert f"**{labelled / 8:.0f} steps**" in text
    assert f"**{pool / 56:.1f} steps**" in text
