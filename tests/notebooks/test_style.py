"""What a reader of a notebook may count on: short cells, headings in order, words."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.rglob("[0-9][0-9]_*.ipynb"))
LONGEST, WIDEST = 15, 78

each = pytest.mark.parametrize(
    "path", PATHS, ids=lambda path: path.relative_to(FOLDER).as_posix()
)


def cells(path: Path, kind: str) -> list[tuple[str, str]]:
    """Id and source of the cells of a kind; not those that are put there for all."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        (cell["id"], "".join(cell["source"]))
        for cell in found
        if cell["cell_type"] == kind and "setup" not in cell["metadata"].get("tags", [])
    ]


def headings(text: str) -> list[int]:
    """The levels of a Markdown text's headings; a # in code is none."""
    text = re.sub(r"^(`{3,}).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#{1,6}) ", text, re.MULTILINE)]


@each
def test_cells_are_short_and_narrow(path: Path):
    for name, source in cells(path, "code"):
        lines = source.splitlines()
        assert len(lines) <= LONGEST, f"{name} has {len(lines)} lines: split it"
        assert max(map(len, lines), default=0) <= WIDEST, name


@each
def test_code_is_python(path: Path):
    for name, source in cells(path, "code"):
        plain = re.sub(r"^[%!].*", "pass", source, flags=re.MULTILINE)
        ast.parse(plain, filename=name)


@each
def test_headings_go_down_one_step_at_a_time(path: Path):
    levels = [n for _, text in cells(path, "markdown") for n in headings(text)]
    assert levels[0] == 1 and levels.count(1) == 1
    for above, below in zip(levels, levels[1:], strict=False):
        assert below <= above + 1, levels


@each
def test_pictures_have_words_and_need_no_file(path: Path):
    for name, text in cells(path, "markdown"):
        for words, target in re.findall(r"!\[(.*?)\]\((.*?)\)", text):
            assert words.strip(), f"{name}: {target} without words"
            assert target.startswith("https://"), f"{name}: Colab has no {target}"
        for tag in re.findall(r"<img\b[^>]*>", text):
            assert re.search(r'alt="[^"]+"', tag), f"{name}: {tag}"


@each
def test_links_between_notebooks_lead_somewhere(path: Path):
    for name, text in cells(path, "markdown"):
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)]+)\)", text):
            if not target.startswith(("http", "#")):
                assert (path.parent / target).exists(), f"{name}: {target}"


def sections(path: Path) -> list[tuple[str, str]]:
    """Heading and text of each section; those that ask for no time are left out."""
    text = "\n\n".join(source for _, source in cells(path, "markdown"))
    parts = [part.partition("\n") for part in text.split("\n## ")[1:]]
    free = ("Key points", "What to try next", "Words", "Vocabulary", "Sources")
    return [(name, body.strip()) for name, _, body in parts if name not in free]


@each
def test_minutes_of_the_sections_add_up_and_hold_the_exercises(path: Path):
    planned = re.search(r"\*\*Time\*\*: (\d+) minutes", cells(path, "markdown")[0][1])
    stated = {n: re.match(r"(\d+) minutes?\b", body) for n, body in sections(path)}
    assert all(stated.values()), [name for name in stated if not stated[name]]
    minutes = {name: int(found[1]) for name, found in stated.items()}
    assert sum(minutes.values()) == int(planned[1]), minutes
    for name, body in sections(path):
        tasks = re.findall(r"\*\*Exercise \d+\*\* \([^)]*?(\d+)\s+minutes?", body)
        assert sum(map(int, tasks)) <= minutes[name], f"{name}: {tasks}"


@each
def test_a_table_of_minutes_says_what_the_sections_say(path: Path):
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|$", cells(path, "markdown")[0][1], re.M)
    said = [(name, body.partition(" ")[0]) for name, body in sections(path)]
    assert not rows or rows == said


@each
def test_new_words_are_one_click_away(path: Path):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(cell["source"]) for cell in found[:2])
    link = re.search(r"\[glossary\]\(([^)]+)\)", text)[1]
    assert link.startswith("https://") or (path.parent / link).exists()


@pytest.mark.parametrize("unit", [f"0{n}" for n in range(1, 9)])
def test_sources_have_a_doi_or_a_number_of_arxiv(unit: str):
    (path,) = FOLDER.glob(f"{unit}_*.ipynb")
    _, last = cells(path, "markdown")[-1]
    assert last.startswith("## Sources\n")
    entries = re.findall(r"^- (.+?)(?=^- |\Z)", last, re.MULTILINE | re.DOTALL)
    arxiv = r"\[arXiv:(\d{4}\.\d{4,5})\]\(https://arxiv\.org/abs/(.+)\)\s*$"
    doi = r"\[doi:(10\.\d{4,5}/\S+)\]\(https://doi\.org/(.+)\)\s*$"
    found = [re.search(f"{arxiv}|{doi}", entry) for entry in entries]
    pairs = [[one for one in match.groups() if one] for match in found if match]
    assert 3 <= len(entries) <= 6 and len(pairs) >= 3
    assert all(shown == address for shown, address in pairs)
    assert all("](https://" in entry for entry in entries)


GLOSSARY = FOLDER.parent / "docs" / "glossary.md"


def test_glossary_is_in_order_and_names_the_notebooks():
    text = GLOSSARY.read_text(encoding="utf-8")
    for part in text.split("\n## New to ")[1:]:
        rows = [line for line in part.splitlines() if line.startswith("| ")][1:]
        words = [row.split("|")[1].strip().lower() for row in rows]
        assert len(words) > 10 and words == sorted(words)
        assert all(re.search(r"\(\d\d(, \d\d)*\) \|$", row) for row in rows)


def test_words_that_a_notebook_explains_are_in_the_glossary():
    glossary = re.sub(r"\W+", " ", GLOSSARY.read_text(encoding="utf-8").lower())
    for path in FOLDER.glob("[0-9][0-9]_*.ipynb"):
        text = "\n".join(source for _, source in cells(path, "markdown"))
        _, heading, words = text.partition("## Vocabulary")
        tables = words.partition("\n## ")[0] if heading else ""
        rows = re.findall(r"^\| ([^|]+) \|", tables, re.MULTILINE)
        for word in ", ".join(rows).lower().split(", "):
            if not re.match(r"from |here$", word):
                plain = re.sub(r"\W+", " ", word.removesuffix(" images"))
                assert plain in glossary, f"{path.name}: {word!r} is not in it"
