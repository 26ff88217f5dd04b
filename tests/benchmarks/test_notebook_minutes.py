"""The README's table of minutes: what is measured, and where it is written."""

import json
from pathlib import Path

import nbformat
import pytest

from benchmarks import notebook_minutes as minutes

ROOT = Path(__file__).parents[2]


def row(notebook: str, preset: str, seconds: float, planned: int = 15):
    return dict(notebook=notebook, preset=preset, seconds=seconds, planned=planned)


def notebook_at(path: Path, first: str, code: str) -> Path:
    cells = [nbformat.v4.new_markdown_cell(first), nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_the_table_adds_up_and_says_what_is_missing():
    rows = [row("01 intro", "ci", 20), row("01 intro", "class", 150)]
    text = minutes.table([*rows, row("02 data", "ci", 30.4, planned=20)])
    assert "| 01 intro | 15 min | 20 s | 2.5 min |" in text
    assert "| 02 data | 20 min | 30 s | not measured |" in text
    assert text.splitlines()[-1] == "| all | 35 min | 50 s | not measured |"


def test_every_notebook_states_its_minutes_and_stands_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("<!-- notebook minutes: begin -->")[2]
    table = table.partition("<!-- notebook minutes: end -->")[0]
    for path in sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb")):
        planned = minutes.stated_minutes(path)
        assert f"| {path.stem.replace('_', ' ')} | {planned} min |" in table


@pytest.mark.slow
def test_a_notebook_runs_in_its_folder_with_its_preset(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)
    code = "import os\nopen('seen', 'w').write(os.environ['WORKSHOP_PRESET'])"
    solutions = tmp_path / "solutions"
    solutions.mkdir()
    code += "\nassert not os.path.exists('again'); open('again', 'w').close()"
    notebook_at(solutions / "01_x.ipynb", "# T\n\n**Time**: 7 minutes.", code)
    monkeypatch.setattr(minutes, "SOLUTIONS", solutions)
    monkeypatch.setattr(minutes, "RESULTS", tmp_path / "notebooks.json")
    minutes.main(presets=("ci", "class"), keep=tmp_path / "kept")
    kept = nbformat.read(tmp_path / "kept" / "01_x.ipynb", as_version=4)
    assert kept.cells[1].execution_count == 1
    assert "| 01 x | 7 min |" in capsys.readouterr().out
    rows = json.loads((tmp_path / "notebooks.json").read_text())
    assert [r["preset"] for r in rows] == ["ci", "class"]
    seconds = minutes.measure(solutions / "01_x.ipynb", "ci", tmp_path)
    assert (tmp_path / "seen").read_text() == "ci" and seconds > 0
