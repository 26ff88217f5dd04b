"""Averages over seeds, verdicts, and tables between the marks of a page."""

from pathlib import Path

import pytest

from benchmarks import segmentation
from benchmarks.page import run_command, write_marked
from workshop_lib.errors import WorkshopError

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- two words: begin -->", "<!-- two words: end -->"


def test_a_page_keeps_everything_around_its_tables(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_marked(page, two_words="| new |")
    assert page.read_text() == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"


@pytest.mark.parametrize(
    ("page", "marks"),
    [
        ("budget", ("summary", "large", "table")),
        ("landsat", ("splits", "gains", "classes")),
        ("near_duplicates", ("table", "pairs", "copies", "beyond")),
        ("segmentation", tuple(segmentation.STUDIES)),
    ],
)
def test_every_page_has_a_place_for_its_tables(page, marks):
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for mark in marks:
        assert f"<!-- {mark}: begin -->" in text and f"<!-- {mark}: end -->" in text


@pytest.mark.parametrize("text", [BEGIN, END])
def test_a_page_without_a_place_is_left_as_it_was(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(WorkshopError, match="no place for the table"):
        write_marked(page, two_words="| new |")
    assert page.read_text() == text


def test_a_command_reads_flags_and_explains_an_error(monkeypatch):
    seen = []

    def main(seeds: tuple[int, ...] = (0,), write_docs: bool = False) -> None:
        """Do it."""
        seen.append((seeds, write_docs))
        if write_docs:
            raise WorkshopError("nothing to write")

    monkeypatch.setattr("sys.argv", ["x", "--seeds", "3", "4"])
    run_command(main, "About it.")
    monkeypatch.setattr("sys.argv", ["x", "--write-docs"])
    with pytest.raises(SystemExit, match="benchmark: nothing to write"):
        run_command(main, "About it.")
    assert seen == [((3, 4), False), ((0,), True)]
