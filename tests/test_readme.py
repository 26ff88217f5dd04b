"""The README keeps its word: every command in it runs, every link leads somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.programs import run_program
from workshop_lib import cli
from workshop_lib.methods import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line
    for language, text in BLOCKS
    for line in text.splitlines()
    if language == "bash" and line
]
COLAB = re.findall(r"^!(workshop .+)$", README, re.MULTILINE)
WORKSHOP = [line for line in COMMANDS if line.startswith("workshop ")]
MAKE = [line for line in COMMANDS if line.startswith("make")]
OTHER = [line for line in COMMANDS if line not in WORKSHOP + MAKE]


def test_nothing_is_left_to_be_filled_in():
    assert not re.search(r"\b(FIGURES|FIGURE_NOTE|MINUTES|EXPECTED|TODO)\b", README)


def test_commands_in_the_prose_exist():
    targets = set(re.findall(r"`make (\w+)", README))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(f"\n{target}:" in makefile for target in targets)
    assert set(re.findall(r"`workshop (\w+)", README)) <= set(cli.COMMANDS)


def test_no_command_escapes_these_tests():
    known = {"git", "cd", "pip", "python", ".venv/bin/pip", ".venv/bin/workshop"}
    assert {line.split()[0] for line in OTHER} == known
    assert len(WORKSHOP) >= 8


def test_without_make_the_same_is_done():
    plan = run_program("make", "workshop", "-n", cwd=ROOT)
    for line in ("workshop quickstart", "install", "-e ."):
        assert line in plan.stdout and any(line in other for other in OTHER), line


@pytest.mark.parametrize("line", MAKE)
def test_make_targets_exist(line):
    plan = run_program(*shlex.split(line), "-n", cwd=ROOT)
    wanted = {"make workshop": "workshop quickstart", "make test": "pytest"}[line]
    assert wanted in plan.stdout


def test_addresses_are_those_of_pyproject():
    spec = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    address = re.search(r'^Repository = "(.*)"', spec, re.MULTILINE).group(1)
    found = set(re.findall(r"https?://[^\s)]+", README))
    assert found == {address}
    assert f"cd {address.rsplit('/', 1)[1]}" in README


@pytest.fixture
def place(tmp_path, monkeypatch):
    """FOLDER holds two classes of pictures, NEW two without one; runs take seconds."""
    rng = np.random.default_rng(0)
    for name, level in (("harbor", 180), ("forest", 40)):
        (tmp_path / "FOLDER" / name).mkdir(parents=True)
        for k in range(20):
            pixels = rng.normal(level, 20, (64, 64, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "FOLDER" / name / f"{k:04d}.jpg")
    (tmp_path / "NEW").mkdir()
    for image in (tmp_path / "FOLDER" / "harbor").glob("*5.jpg"):
        image.rename(tmp_path / "NEW" / image.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    return tmp_path


@pytest.mark.slow
def test_every_workshop_command_runs_in_the_order_of_the_page(place):
    for line in COLAB + WORKSHOP:
        # A process of its own, as for a reader: the preset is read when it starts.
        command = [sys.executable, "-m", "workshop_lib.cli", *shlex.split(line)[1:]]
        if "--preset" in command:  # which says how long to train, as "ci" would
            command += ["--steps", "60", "--eval-every", "30", "--feature-views", "2"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    pages = ("runs/quickstart/report.html", "runs/baseline/report.html")
    for written in (*pages, "splits/mine", "predictions.csv", "predictions.html"):
        assert (place / written).exists()


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_files_that_the_table_names_exist():
    names = re.findall(r"^\| `([^`]+/)` \|", README, re.MULTILINE)
    assert len(names) >= 5
    for name in names:
        assert (ROOT / name).is_dir(), name


def test_commands_and_methods_that_the_table_names_exist():
    rows = re.findall(r"^\| `workshop (.+)` \|.*$", README, re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"[a-z]+", row)}
    assert named == set(cli.COMMANDS) - {"quickstart", "split"}
    assert all(method in README for method in METHODS)
