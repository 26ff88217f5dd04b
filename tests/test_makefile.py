"""make's targets, its settings and its excuses; and the script that CI runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TARGETS = ["help", "setup", "workshop", "lab", "lint", "test", "test-all", "slow"]
TARGETS += ["notebooks", "html", "slides", "bench", "figures", "clean"]

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or shutil.which("bash") is None,
    reason="needs make and bash",
)


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # `make test` passes its own settings on to what it starts: not to these.
    ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "PYTHON", "TORCH")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with what make reads, and without .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_make_alone_lists_every_target():
    shown = run("make").stdout
    assert re.findall(r"^  make ([\w-]+) +\S", shown, re.MULTILINE) == TARGETS
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert sorted(phony.split()) == sorted(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned_without_a_venv(bare: Path, target: str):
    done = run("make", "-n", target, cwd=bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_tests_include_the_notebooks_with_solutions(bare: Path):
    commands = run("make", "-n", "test", "WORKERS=3", cwd=bare).stdout.splitlines()
    (notebooks,) = [line for line in commands if "--nbval-lax" in line]
    assert notebooks.endswith(" notebooks/solutions")
    # Two notebooks at once, the cells of one in their order
    assert "WORKSHOP_PRESET=ci" in notebooks and "-n 3 --dist loadfile" in notebooks


@pytest.mark.parametrize("setting", ["TORCH=cpu", "TORCH="])
def test_torch_setting_reaches_uv(bare: Path, setting: str):
    plan = run("make", "-n", "setup", setting, cwd=bare).stdout
    assert ("--torch-backend=cpu" in plan) == (setting == "TORCH=cpu")


def test_installs_once_and_again_only_after_a_change(bare: Path):
    (bare / ".venv").mkdir()
    for name in (".made", ".installed-base"):
        (bare / ".venv" / name).touch()
    assert run("make", "-q", "setup", cwd=bare).returncode == 0
    later = (bare / ".venv/.installed-base").stat().st_mtime + 10
    os.utime(bare / "constraints.txt", (later, later))
    assert run("make", "-q", "setup", cwd=bare).returncode == 1


@pytest.mark.parametrize(
    ("condition", "advice"),
    [("version_info", "PYTHON=python3.12"), ("ensurepip", "python3-venv")],
)
def test_an_unfit_python_is_told_what_to_do(bare: Path, condition: str, advice: str):
    python = bare / "unfit"
    python.write_text(f'#!/bin/sh\ncase "$*" in *{condition}*) exit 1;; esac\n')
    python.chmod(0o755)
    done = run("make", "setup", "PYTHON=./unfit", cwd=bare)
    assert done.returncode != 0
    assert advice in done.stderr
    assert not (bare / ".venv").exists()


def test_clean_keeps_runs_and_data(bare: Path):
    for name in (".venv", "runs", "data", "sub/__pycache__"):
        (bare / name).mkdir(parents=True)
    assert run("make", "clean", cwd=bare).returncode == 0
    assert sorted(path.name for path in bare.iterdir() if path.is_dir()) == [
        "data",
        "runs",
        "sub",
    ]
    assert not (bare / "sub/__pycache__").exists()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with .ci/run."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci")
    return tmp_path


PASSES = "test:\n\t@echo 3 passed\n"
MAKE_TEST = "`make test`\n"


@pytest.mark.skipif(sys.platform != "linux", reason="CI runs on Linux")
@pytest.mark.parametrize(
    ("readme", "makefile", "code", "says"),
    [
        ("Tests:\n```\nmake test  # all of them\n```\n", PASSES, 0, "3 passed"),
        (MAKE_TEST, "test:\n\t@exit 1\n", 2, ""),
        (MAKE_TEST, PASSES + "\nslow:\n\t@exit 1\n", 2, "3 passed"),
        (MAKE_TEST, PASSES + "\nslow:\n\t@echo 2 passed\n", 0, "2 passed"),
        ("pytest -q\n", PASSES, 1, "README.md"),
        ("", PASSES, 1, "README.md"),
    ],
)
def test_ci_runs_what_the_readme_says_and_the_slow_tests_and_passes_failure_on(
    clone, readme, makefile, code, says
):
    (clone / "README.md").write_text(readme)
    (clone / "Makefile").write_text(makefile)
    done = run("bash", ".ci/run", cwd=clone)
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="CI runs on Linux")
def test_ci_says_what_it_leaves_out(clone: Path):
    (clone / "README.md").write_text(MAKE_TEST)
    script = (clone / ".ci/run").read_text().replace("both=40 ", "both=0 ")
    (clone / ".ci/run").write_text(script)
    (clone / "Makefile").write_text(PASSES + "\nslow:\n\t@exit 1\n")
    done = run("bash", ".ci/run", cwd=clone)
    assert done.returncode == 0
    assert "left out" in done.stderr
