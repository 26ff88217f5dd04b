"""The command line: help with defaults and an example, plain words for mistakes."""

import contextlib
import dataclasses
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workshop_lib import cli
from workshop_lib.data.catalog import datasets
from workshop_lib.recipe import Recipe


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)


@pytest.fixture
def photos(tmp_path):
    """Two classes of twelve small pictures: bright and dark."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 180), ("dark", 40)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"a {k}.png")
    return tmp_path / "photos"


def run(*args: object) -> int:
    try:
        return cli.main([str(a) for a in args])
    except SystemExit as stopped:
        return int(stopped.code or 0)


FAST = ("--steps", 6, "--eval-every", 3, "--batch-size", 4, "--mu", 2, "--size", 16)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_an_example_and_defaults(command, capsys):
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    assert f"Example: workshop {command}" in text
    if command not in ("doctor", "evaluate"):
        assert "(default:" in text


def test_every_knob_says_what_it_is():
    text = " ".join(tyro_help("train").split())
    for knob in dataclasses.fields(Recipe):
        flag = "--" + knob.name.replace("_", "-")
        after = text[
            text.index(flag + " ") if flag + " " in text else text.index(flag) :
        ]
        assert re.match(r"--[\w-]+,? .*?[a-z]{3,}.*?\(default:", after), flag
        words = after[: after.index("(default:")]
        assert len(words.split()) > 3, f"{flag} has no help: {words}"


def tyro_help(command):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(command, "--help") == 0
    return out.getvalue().replace("│", " ")


def test_the_doctor_survives_a_broken_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libtorch is broken')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "workshop_lib.cli", "doctor"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 1, found.stderr
    assert "libtorch is broken" in found.stdout
    assert "Traceback" not in found.stderr


def test_runs_on_different_test_images_are_not_compared(photos, capsys):
    train = ("train", "--data", photos, *FAST, "--labels-per-class", 2)
    assert run(*train, "--folder", "a") == 0
    assert run(*train, "--folder", "b", "--split-seed", 1) == 0
    assert run("report", "a", "b") == 2
    assert "not tested on the same images" in capsys.readouterr().err
    assert run("evaluate", "a", "--against", "b") == 2
    assert "needs the same test images" in capsys.readouterr().err


def test_whether_one_run_is_really_better_is_told_in_words(photos, tmp_path, capsys):
    train = ("train", "--data", photos, *FAST, "--labels-per-class", 2)
    assert run(*train, "--folder", "a") == 0
    assert run(*train, "--folder", "b", "--method", "supervised") == 0
    (tmp_path / "b" / "predictions.npz").unlink()  # as a run of an older version
    capsys.readouterr()
    assert run("evaluate", "a", "--against", "b") == 0
    out = capsys.readouterr().out
    assert "calibration error" in out and "95 % interval" in out
    assert "of the same 6 test images" in out
    assert "McNemar" in out and "Is the difference real?" in out
    assert run("evaluate", "a", "--against", "nowhere") == 2
    assert "not a finished run" in capsys.readouterr().err


def test_a_saved_split_is_what_is_trained_on(photos, capsys):
    saved = ("--labels-per-class", 3, "--seed", 7, "--size", 16, "--save", "parts")
    assert run("split", photos, *saved) == 0
    train = ("train", "--data", photos, *FAST, "--split", "parts", "--folder", "a")
    assert run(*train) == 0
    assert "6 labels" in capsys.readouterr().out


def test_the_budget_is_that_of_the_folder(photos, capsys):
    assert run("budget", "--data", photos, "--size", 64) == 0
    (row,) = re.findall("images of the data set .*", capsys.readouterr().out)
    assert row.endswith(f" {24 * 3 * 64 * 64 / 1e6:.1f} MB")  # 0.3


def test_ones_own_folder_is_checked_and_split(photos, capsys):
    assert run("data", photos, "check") == 0
    assert "24 images in 2 classes: 24 .png\ncomplete" in capsys.readouterr().out
    assert run("data", photos, "split", "--labels-per-class", 3) == 0
    assert "written: splits/photos-3-seed0" in capsys.readouterr().out
    next(photos.glob("dark/*")).write_bytes(b"")
    assert run("data", photos, "check") == 1
    assert "FAULT: 1 images cannot be read" in capsys.readouterr().out


def test_the_help_of_data_names_every_data_set():
    text = " ".join(tyro_help("data").split())
    assert all(name in text for name in datasets())
    assert "--from" in text and "--given" not in text


def test_the_list_of_commands_is_in_the_help(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert all(command in text for command in cli.COMMANDS)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("nonsense",),
        ("train", "--steps", "many"),
        ("train", "--nonsense", "1"),
        ("train", "--steps", "0"),
        ("train", "--method", "fixmatsh"),
        ("train", "--model", "wrn-29-2", *FAST),
        ("train", "--data", "no/such/folder"),
        ("split", "no/such/folder"),
        ("data", "mini_eo:x"),
        ("evaluate", "no/such/run"),
        ("predict", "no/such/run", "."),
        ("report", "no/such/run"),
        ("budget", "--lr", "-1"),
        ("budget", "--num-classes", "0"),
        ("report",),
        ("data", "mini_eo:99999999999"),
        ("train", "--seed", "100000000000000000000"),
        ("data", "mini_eo", "--picture", "no-ending"),
        ("data", "ucm", "grab"),
        ("data", "ucm", "get", "--from", "no/such.zip"),
        ("data", "ucm", "check", "--from", "some.zip"),
        ("data", "ucm", "--picture", "p.png"),
        ("data", "vaihingen", "get"),
        ("data", "no/such/folder", "check"),
        ("data", "no/such/folder", "get"),
        ("train", "--data", "ucm"),
    ],
)
def test_wrong_use_ends_with_2_and_words_not_a_traceback(args, capsys):
    assert run(*args) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert captured.out + captured.err


def test_the_nearest_method_is_offered(capsys):
    run("train", "--method", "fixmatsh")
    assert "Did you mean 'fixmatch'?" in capsys.readouterr().err


def test_an_unknown_preset_is_a_users_mistake():
    environment = {**os.environ, "WORKSHOP_PRESET": "clas"}
    command = [sys.executable, "-m", "workshop_lib.cli", "train"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 2
    assert "Did you mean 'class'?" in found.stderr
    assert "Traceback" not in found.stderr


def test_from_a_folder_of_photos_to_predictions(photos, tmp_path, capsys):
    assert run("data", photos, "--size", 16, "--picture", "classes.png") == 0
    assert "bright" in capsys.readouterr().out
    assert (tmp_path / "classes.png").stat().st_size > 1000
    wanted = ("--labels-per-class", 2, "--size", 16)
    assert run("split", photos, *wanted, "--save", "parts") == 0
    assert "labeled 4" in capsys.readouterr().out
    assert len((tmp_path / "parts" / "labeled.txt").read_text().splitlines()) == 4
    train = ("train", "--data", photos, *FAST, "--labels-per-class", 2)
    assert run(*train, "--folder", "mine") == 0
    first = capsys.readouterr().out
    assert "test accuracy" in first
    assert run(*train, "--folder", "mine") == 0
    assert "loaded" in capsys.readouterr().out
    assert run("evaluate", "mine") == 0
    assert "recall" in capsys.readouterr().out
    assert run("predict", "mine", photos, "--out", "p.csv") == 0
    table = pd.read_csv(tmp_path / "p.csv")
    assert len(table) == 24
    assert set(table["class"]) <= {"bright", "dark"}
    assert table["confidence"].between(0, 1).all()
    assert run("report", "mine") == 0
    assert (tmp_path / "mine" / "report.html").stat().st_size > 10_000


def test_a_run_on_reflectances_does_not_predict_photos(tmp_path, photos, capsys):
    flags = ("--steps", 4, "--eval-every", 2)
    assert run("train", "--data", "mini_eo", *flags, "--folder", "eo") == 0
    assert run("predict", "eo", photos) == 2
    assert "red, green and blue only" in capsys.readouterr().err


def test_quickstart_writes_what_it_promises(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    assert run("quickstart", "--folder", "quick") == 0
    rows = json.loads((tmp_path / "quick" / "results.json").read_text())
    methods = [row["method"] for row in rows]
    assert methods == ["supervised", "supervised_strong", "fixmatch", "supervised_all"]
    for row in rows:
        assert 0 <= row["accuracy"] <= 1
        assert row["steps"] == 60
        assert row["parameters"] > 10_000
        assert row["labels"] == (2400 if row["method"] == "supervised_all" else 40)
    page = (tmp_path / "quick" / "report.html").read_text()
    assert "FixMatch" in page
    out = capsys.readouterr().out
    assert "workshop train --data FOLDER" in out
    assert "the unlabelled images" in out
