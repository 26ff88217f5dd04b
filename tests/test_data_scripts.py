"""data_scripts/NAME.py: the same as `workshop data NAME`, from a checkout."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "data_scripts").glob("*.py"))
FETCHED = [path for path in SCRIPTS if path.stem != "mini_eo"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKSHOP_DATA", raising=False)


def run(script, monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", [str(script), *args])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(script), run_name="__main__")
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("script", FETCHED, ids=lambda path: path.stem)
def test_every_script_says_what_it_fetches(script, monkeypatch, capsys):
    assert run(script, monkeypatch, "info") == 0
    said = capsys.readouterr().out
    assert "licence: " in said and "cite: " in said
    assert not list(Path().iterdir()), "looking changes nothing"


@pytest.mark.slow
def test_what_is_made_here_needs_no_get(monkeypatch, capsys):
    script = SCRIPTS[0].with_name("mini_eo.py")
    for action, said in (
        ("get", "nothing to get"),
        ("check", "4,000 images in 10 classes\ncomplete"),
        ("split", "written: splits/mini_eo-4-seed0"),
        ("info", "AnnualCrop     400"),
    ):
        assert run(script, monkeypatch, action) == 0
        assert said in capsys.readouterr().out
    lines = Path("splits/mini_eo-4-seed0/labeled.txt").read_text().splitlines()
    assert len(lines) == 40


@pytest.mark.parametrize("script", FETCHED, ids=lambda path: path.stem)
def test_what_is_not_there_is_told_with_the_command_to_get_it(
    script, monkeypatch, capsys
):
    for action in ("check", "split"):
        assert run(script, monkeypatch, action) == 2
        assert f"workshop data {script.stem} get" in capsys.readouterr().err
