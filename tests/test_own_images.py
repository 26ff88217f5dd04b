"""New images and a trained model: the table, the page, and what is wrong with files."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from workshop_lib import cli
from workshop_lib.data.read.decode import fit
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import apply_temperature
from workshop_lib.models.predict import predict
from workshop_lib.models.pretrained import Backbone
from workshop_lib.recipe import PRESETS
from workshop_lib.report.predictions import (
    PredictedFiles,
    predict_files,
    run_temperature,
    write_prediction_page,
)
from workshop_lib.training import features
from workshop_lib.training.run import Run

FLAGS = "--steps 6 --eval-every 3 --batch-size 4 --mu 2 --size 16 --precision fp32"
FAST = FLAGS.split()
NAMES = ("bright & big", "dark")


def run(*args: object) -> int:
    try:
        return cli.main([str(a) for a in args])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def save(path: Path, level: int, seed: int, side: int = 16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(level, 25, (side, side, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Two classes of twelve photos, unlabelled ones beside them, and a run on them."""
    root = tmp_path_factory.mktemp("own")
    for start, (name, level) in enumerate(
        (*zip(NAMES, (180, 40), strict=True), ("unlabeled", 110))
    ):
        for k in range(12):
            save(root / "photos" / name / f"{k}.png", level, seed=12 * start + k)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WORKSHOP_PRESET", raising=False)
        train = ("train", "--data", root / "photos", *FAST, "--labels-per-class", 2)
        assert run(*train, "--folder", root / "run") == 0
    for k in range(5):
        save(root / "new" / f"bright {k}.png", 180, seed=100 + k, side=20)
        save(root / "new" / "deeper" / f"dark {k}.jpg", 40, seed=200 + k, side=40)
    return root


def test_unlabelled_images_beside_the_classes_are_used(place):
    names = (place / "run" / "split" / "unlabeled.txt").read_text().splitlines()
    assert sum(name.startswith("unlabeled/") for name in names) == 12
    assert Run.load(place / "run").facts["class_names"] == list(NAMES)


def test_the_command_writes_a_table_and_a_page_beside_it(place, tmp_path, capsys):
    out = tmp_path / "deep" / "mine.csv"
    assert run("predict", place / "run", place / "new", "--out", out) == 0
    table = pd.read_csv(out)
    assert list(table["image"]) == [
        *(f"bright {k}.png" for k in range(5)),
        *(f"deeper/dark {k}.jpg" for k in range(5)),
    ]
    assert set(table["class"]) <= set(NAMES)
    assert (table["class"] != table["second_class"]).all()
    both = table["confidence"] + table["second_confidence"]
    assert both.between(0.9998, 1.0002).all(), "of two classes nothing is left over"
    page = (tmp_path / "deep" / "mine.html").read_text(encoding="utf-8")
    assert all(name in page for name in table["image"])
    assert "10 predictions in" in capsys.readouterr().out
    assert {p.name for p in out.parent.iterdir()} == {"mine.csv", "mine.html"}


def test_predictions_are_those_of_the_model_at_the_fitted_temperature(place):
    opened = Run.load(place / "run")
    found = predict_files(opened, [place / "new"])
    pixels = []
    for path in found.paths:
        picture = fit(Image.open(path).convert("RGB"), 16, 16)
        pixels.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    probs = predict(*opened.load_model(), torch.stack(pixels))
    assert found.temperature == run_temperature(opened)
    calibrated = apply_temperature(probs, found.temperature or 1.0)
    for i, row in enumerate(found.table.itertuples()):
        k = int(calibrated[i].argmax())
        assert row[2] == NAMES[k] and row.second_class == NAMES[1 - k]
        assert row.confidence == pytest.approx(float(calibrated[i, k]), abs=1e-4)
        assert row.raw_confidence == pytest.approx(float(probs[i, k]), abs=1e-4)


@pytest.mark.parametrize(
    ("fitted", "used"), [(2.0, 2.0), (0.5, 0.5), (0.1, None), (None, None)]
)
def test_a_temperature_that_nothing_spoke_against_is_not_used(
    place, tmp_path, fitted, used
):
    folder = shutil.copytree(place / "run", tmp_path / "run")
    known = {} if fitted is None else {"calibration": {"temperature": fitted}}
    (folder / "evaluation.json").write_text(json.dumps(known))
    opened = Run.load(folder)
    assert run_temperature(opened) == used
    table = predict_files(opened, [place / "new"]).table
    raw, sure = table["raw_confidence"], table["confidence"]
    if used is None:
        assert (raw == sure).all()
    else:
        assert ((sure <= raw) if used > 1 else (sure >= raw)).all()
        assert (raw != sure).any()


def test_single_files_are_predicted_as_in_their_folder(place):
    opened = Run.load(place / "run")
    files = [place / "new" / "bright 3.png", place / "new" / "deeper" / "dark 0.jpg"]
    single = predict_files(opened, files).table
    assert list(single["image"]) == [path.as_posix() for path in files]
    whole = predict_files(opened, [place / "new"]).table.iloc[[3, 5]]
    for column in ("class", "confidence"):
        assert list(single[column]) == list(whole[column])


def test_all_unreadable_files_are_named_and_nothing_is_written(place, tmp_path, capsys):
    new = shutil.copytree(place / "new", tmp_path / "new")
    (new / "empty.png").write_bytes(b"")
    (new / "text.jpg").write_text("no picture")
    out = tmp_path / "p.csv"
    assert run("predict", place / "run", new, "--out", out) == 2
    told = capsys.readouterr().err
    assert "2 problems" in told and "empty.png: empty file" in told
    assert "text.jpg: not an image" in told
    assert not out.exists() and not out.with_suffix(".html").exists()
    assert run("predict", place / "run", new, "--out", out, "--on-error", "skip") == 0
    assert "2 left out" in capsys.readouterr().out
    assert len(pd.read_csv(out)) == 10
    assert "text.jpg: not an image" in out.with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("no/such.jpg", "nor/this"), "no such image or folder: no/such.jpg, nor/this"),
        ((".",), "no images in it"),
        ((), "at least one image|required|missing"),
        (("run", "--out", "p.html"), "must end in .csv"),
        (("new", "--most", 0), "at least 1 image"),
        (("new", "--on-error", "hope"), "raise"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(
    place, tmp_path, monkeypatch, capsys, args, told
):
    monkeypatch.chdir(tmp_path)
    given = [place / "new" if arg == "new" else arg for arg in args]
    assert run("predict", place / "run", *given) == 2
    captured = capsys.readouterr()
    assert re.search(told, captured.err + captured.out)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def found(tmp_path) -> PredictedFiles:
    """Five images said to be bright, one dark; the least sure is not the first."""
    sure = [0.9, 0.55, 0.99, 0.6, 0.95, 0.8]
    paths = tuple(tmp_path / f"<{k}>.png" for k in range(6))
    for k, path in enumerate(paths):
        save(path, 100, seed=k)
    table = pd.DataFrame(
        {
            "image": [path.name for path in paths],
            "class": [NAMES[0]] * 5 + [NAMES[1]],
            "confidence": sure,
            "second_class": [NAMES[1]] * 5 + [NAMES[0]],
            "second_confidence": [1 - c for c in sure],
            "raw_confidence": sure,
        }
    )
    return PredictedFiles(table, paths, (*NAMES, "never seen"), 1.5, "")


def test_the_least_sure_of_each_class_come_first_and_the_rest_is_counted(
    found, tmp_path
):
    path = tmp_path / "page.html"
    write_prediction_page(path, found, "T", most=3)
    page = path.read_text(encoding="utf-8")
    alts = re.findall(r'alt="([^"]*)"', page)
    assert [re.search(r"\d", alt).group() for alt in alts] == ["1", "3", "0", "5"]
    assert alts[0].startswith("&lt;1&gt;.png: predicted bright &amp; big 55")
    assert "The 3 least confident of 5" in page and "All 1." in page
    assert page.count('class="wrong"') == 2, "those below 70 % are marked"
    assert "about 5 of 6 are right" in page and "temperature 1.50" in page
    row = re.search(r"never seen</th>(.*?)</tr>", page).group(1)
    assert row.startswith("<td>0</td>")


def test_the_page_needs_no_other_file_and_shows_no_markup_of_names(found, tmp_path):
    write_prediction_page(tmp_path / "page.html", found, "<b>T</b>")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) > 6
    assert all(one.startswith(("data:image/jpeg;base64,", "#")) for one in sources)
    assert "default-src 'none'" in page and "prefers-color-scheme: dark" in page
    assert "<b>" not in page and "<1>" not in page


def test_confidence_that_is_not_calibrated_says_so(found, tmp_path):
    raw = dataclasses.replace(found, temperature=None)
    write_prediction_page(tmp_path / "page.html", raw, "T")
    assert "Do not take it literally" in (tmp_path / "page.html").read_text()


def test_a_page_that_fails_leaves_the_old_one(found, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    found.paths[2].unlink()
    with pytest.raises(WorkshopError, match="<2>.png"):
        write_prediction_page(path, found, "T")
    assert path.read_text() == "old"


class Means(nn.Module):
    """A backbone for tests: mean and spread of each colour."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], dim=1)  # (B, 6)


def test_the_preset_of_features_trains_and_predicts(place, tmp_path, monkeypatch):
    def load(name: str) -> Backbone:
        assert name == PRESETS["features"]["features"]
        return Backbone(Means(), 6, (0.5,) * 3, (0.25,) * 3)

    monkeypatch.setattr(features, "pretrained_backbone", load)
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    small = (*FAST, "--propagation-steps", 2, "--feature-views", 2)
    small += ("--steps", 40, "--eval-every", 20, "--lr", 0.05)
    small += ("--labels-per-class", 2, "--feature-size", 32, "--folder", "mine")
    train = ("train", "--preset", "features", "--data", place / "photos")
    assert run(*train, *small) == 0
    recipe = Run.load("mine").recipe
    changed = ("size", "steps", "eval_every", "batch_size", "mu", "feature_size")
    changed += ("feature_views", "propagation_steps", "lr")
    for name, value in PRESETS["features"].items():
        assert name in changed or getattr(recipe, name) == value, name
    for k in range(3):
        save(Path("fresh") / f"a{k}.png", 180, seed=300 + k)
        save(Path("fresh") / f"b{k}.png", 40, seed=400 + k)
    assert run("predict", "mine", "fresh") == 0
    table = pd.read_csv("predictions.csv")
    assert list(table["class"]) == [NAMES[0]] * 3 + [NAMES[1]] * 3


def test_a_preset_changes_the_defaults_that_the_help_shows(capsys):
    assert run("train", "--preset=features", "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "(default: efficientnet_lite0)" in text and "--preset features" in text
    assert run("train", "--help") == 0
    assert "(default: efficientnet_lite0)" not in capsys.readouterr().out


def test_an_unknown_preset_offers_the_nearest(capsys):
    assert run("train", "--preset", "feature") == 2
    assert "Did you mean 'features'?" in capsys.readouterr().err
    assert run("train", "--preset") == 2
    assert run("doctor", "--preset", "ci") == 2, "it has no knobs to change"
