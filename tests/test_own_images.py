"""One's own photos from a shell: train on folders, predict new files."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.evaluation.photos import NAMES, save, save_folders
from tests.test_cli import run
from tests.training.tiny import Means
from workshop_lib.training import inputs
from workshop_lib.training.run import Run

FLAGS = "--steps 6 --eval-every 3 --batch-size 4 --mu 2 --size 16 --precision fp32"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve photos, unlabelled ones beside them, and a run on them."""
    root = tmp_path_factory.mktemp("own")
    save_folders(root)
    for k in range(12):
        save(root / "photos" / "unlabeled" / f"{k}.png", 110, seed=24 + k)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WORKSHOP_PRESET", raising=False)
        train = ("train", "--data", root / "photos", *FLAGS.split())
        assert run(*train, "--labels-per-class", 2, "--folder", root / "run") == 0
    return root


def test_unlabelled_images_beside_the_classes_are_used(place):
    names = (place / "run" / "split" / "unlabeled.txt").read_text().splitlines()
    assert sum(name.startswith("unlabeled/") for name in names) == 12
    assert Run.load(place / "run").class_names == NAMES


def test_the_command_writes_a_table_and_a_page_beside_it(place, tmp_path, capsys):
    out = tmp_path / "deep" / "mine.csv"
    assert run("predict", place / "run", place / "new", "--out", out) == 0
    table = pd.read_csv(out)
    assert len(table) == 10 and set(table["class"]) <= set(NAMES)
    page = (tmp_path / "deep" / "mine.html").read_text(encoding="utf-8")
    assert all(name in page for name in table["image"])
    said = capsys.readouterr().out
    assert "10 predictions in" in said
    for name, count in table["class"].value_counts().items():
        assert f"{count:6d}  {name}\n" in said
    assert {p.name for p in out.parent.iterdir()} == {"mine.csv", "mine.html"}


def test_all_unreadable_files_are_named_and_nothing_is_written(place, tmp_path, capsys):
    new = shutil.copytree(place / "new", tmp_path / "new")
    (new / "empty.png").write_bytes(b"")
    (new / "text.jpg").write_text("no picture")
    (new / "lost.png").symlink_to("nowhere")
    out = tmp_path / "p.csv"
    assert run("predict", place / "run", new, "--out", out) == 2
    said = capsys.readouterr().err
    assert (
        "3 problems" in said
        and "lost.png: " in said
        and "empty.png: empty file" in said
    )
    assert "text.jpg: not an image" in said
    assert not out.exists() and not out.with_suffix(".html").exists()
    assert run("predict", place / "run", new, "--out", out, "--on-error", "skip") == 0
    assert "3 left out" in capsys.readouterr().out
    assert len(pd.read_csv(out)) == 10
    assert "text.jpg: not an image" in out.with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("no/such.jpg", "nor/this"), "no such image or folder: no/such.jpg, nor/this"),
        ((), "at least one image|required|missing"),
        (("run", "--out", "p.html"), "must end in .csv"),
        (("new", "--most", 0), "at least 1 image"),
    ],
)
def test_wrong_use_is_explained_and_writes_nothing(
    place, tmp_path, monkeypatch, capsys, args, said
):
    monkeypatch.chdir(tmp_path)
    given = [place / "new" if arg == "new" else arg for arg in args]
    assert run("predict", place / "run", *given) == 2
    captured = capsys.readouterr()
    assert re.search(said, captured.err + captured.out)
    assert not list(tmp_path.iterdir())


def test_the_task_of_features_trains_and_predicts(place, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "FeatureExtractor", Means)
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)
    monkeypatch.chdir(tmp_path)
    small = (*FLAGS.split(), "--propagation-steps", 2, "--feature-views", 2)
    small += ("--steps", 40, "--eval-every", 20, "--lr", 0.05)
    small += ("--labels-per-class", 2, "--feature-size", 32, "--folder", "mine")
    train = ("train", "--task", "features", "--data", place / "photos")
    assert run(*train, *small) == 0
    for k in range(3):
        save(Path("fresh") / f"a{k}.png", 180, seed=300 + k)
        save(Path("fresh") / f"b{k}.png", 40, seed=400 + k)
    assert run("predict", "mine", "fresh") == 0
    table = pd.read_csv("predictions.csv")
    assert list(table["class"]) == [NAMES[0]] * 3 + [NAMES[1]] * 3
