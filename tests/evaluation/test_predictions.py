"""Predictions: kept ones are whole and of the same images; tables of new files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.evaluation.photos import NAMES, save_folders
from tests.evaluation.test_inference import trained
from tests.training.tiny import parts, short, tiny
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.images import fit
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import apply_temperature
from workshop_lib.evaluation.inference import predict
from workshop_lib.evaluation.predictions import (
    Predictions,
    _names,
    predict_files,
    run_temperature,
)
from workshop_lib.evaluation.scoring import evaluate
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

SOME = Predictions(
    names=("a/1", "b/ü 2", "b/3"),
    truth=torch.tensor([0, 1, 1]),
    probs=torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]),
    class_names=("a", "b"),
    source="photos",
)


def test_there_and_back(tmp_path):
    SOME.save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    assert again.names == SOME.names and again.class_names == SOME.class_names
    assert torch.equal(again.truth, SOME.truth) and again.source == "photos"
    assert torch.equal(again.probs, SOME.probs)
    assert again.right.tolist() == [True, False, True]
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_another_order_is_put_right():
    turned = Predictions(
        SOME.names[::-1], SOME.truth.flip(0), SOME.probs.flip(0), ("a", "b"), "photos"
    )
    again = turned.in_order_of(SOME)
    assert again.names == SOME.names
    assert torch.equal(again.probs, SOME.probs)
    assert torch.equal(again.right, SOME.right)


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("a/1", "b/ü 2", "b/4")},
        {"names": SOME.names[:2], "truth": SOME.truth[:2], "probs": SOME.probs[:2]},
        {"truth": torch.tensor([0, 0, 1])},
        {"source": "other photos"},
        {"class_names": ("a", "c")},
    ],
)
def test_other_images_and_classes_are_refused(change):
    with pytest.raises(WorkshopError, match="same test images and the same classes"):
        replace(SOME, **change).in_order_of(SOME)


@pytest.mark.parametrize("damage", ["truncated", "text", "missing", "lacks", "pickle"])
def test_damaged_files_are_named(damage, tmp_path):
    path = tmp_path / "p.npz"
    if damage == "truncated":
        SOME.save(path)
        path.write_bytes(path.read_bytes()[:-50])
    if damage == "text":
        path.write_text("x")
    if damage == "lacks":
        np.savez(path, names=np.array(["a"]))
    if damage == "pickle":
        np.savez(path, names=np.array([{}], dtype=object))
    with pytest.raises(WorkshopError, match=r"p\.npz.*workshop evaluate"):
        Predictions.load(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve photos, new ones beside them, and a scored run."""
    root = tmp_path_factory.mktemp("own")
    save_folders(root)
    scenes = Dataset.from_folder(root / "photos", size=16)
    split = Split.random(scenes, labels_per_class=2, seed=0)
    config = short(data=str(root / "photos"), size=16, labels_per_class=2)
    run = train(config, scenes, split, folder=root / "run", verbose=False)
    evaluate(run, scenes, split)
    return root


def test_predictions_are_those_of_the_model_at_the_fitted_temperature(place):
    run = Run.load(place / "run")
    found = predict_files(run, [place / "new"])
    assert list(found.table["image"]) == [
        *(f"bright {k}.png" for k in range(5)),
        *(f"deeper/dark {k}.jpg" for k in range(5)),
    ]
    pixels = []
    for path in found.paths:
        picture = fit(Image.open(path).convert("RGB"), 16, 16)
        pixels.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    model, normalize = run.load_model()
    probs = predict(model, {"rgb": torch.stack(pixels)}, normalize)["scene"]
    assert found.temperature == run_temperature(run)
    calibrated = apply_temperature(probs, found.temperature or 1.0)
    torch.testing.assert_close(found.probs, calibrated)
    for i, row in enumerate(found.table.itertuples()):
        k = int(calibrated[i].argmax())
        assert row[2] == NAMES[k] and row.second_class == NAMES[1 - k]
        assert row.confidence == pytest.approx(float(calibrated[i, k]), abs=1e-4)
        assert row.raw_confidence == pytest.approx(float(probs[i, k]), abs=1e-4)


def test_equal_names_are_told_apart(tmp_path):
    for place in ("a/0.png", "b/0.png", "b/1.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    one, other = tmp_path / "a", tmp_path / "b"
    assert list(_names([other]).values()) == ["0.png", "1.png"]
    assert list(_names([one, other]).values()) == [
        (tmp_path / place).as_posix() for place in ("a/0.png", "b/0.png", "b/1.png")
    ]


@pytest.mark.parametrize(("fitted", "used"), [(2.0, 2.0), (0.5, 0.5), (None, None)])
def test_the_temperature_of_the_evaluation_is_used(place, tmp_path, fitted, used):
    folder = shutil.copytree(place / "run", tmp_path / "run")
    known = {"calibration": {"temperature": fitted}}
    (folder / "evaluation.json").write_text(json.dumps(known))
    run = Run.load(folder)
    assert run_temperature(run) == used
    table = predict_files(run, [place / "new"]).table
    raw, calibrated = table["raw_confidence"], table["confidence"]
    if used is None:
        assert (raw == calibrated).all()
    else:
        assert ((calibrated <= raw) if used > 1 else (calibrated >= raw)).all()
        assert (raw != calibrated).any()


def test_single_files_are_predicted_as_in_their_folder(place):
    run = Run.load(place / "run")
    files = [place / "new" / "bright 3.png", place / "new" / "deeper" / "dark 0.jpg"]
    single = predict_files(run, files).table
    assert list(single["image"]) == [path.as_posix() for path in files]
    whole = predict_files(run, [place / "new"]).table.iloc[[3, 5]]
    for column in ("class", "confidence"):
        assert list(single[column]) == list(whole[column])


def test_several_labels_are_listed_with_their_probabilities(place, tmp_path):
    scenes = tiny(several=True)
    pixels = (255 * scenes.images[:, :3]).to(torch.uint8)
    scenes = replace(scenes, images=pixels, bands=("red", "green", "blue"))
    config = short(method="supervised", size=8)
    run = train(config, scenes, parts(scenes), folder=tmp_path / "run", verbose=False)
    found = predict_files(run, [place / "new"])
    assert found.several and found.probs.shape == (10, 3)
    for i, row in enumerate(found.table.itertuples()):
        named = {k: float(found.probs[i, k]) for k in range(3)}
        named = {found.class_names[k]: p for k, p in named.items() if p >= 0.5}
        order = sorted(named, key=lambda name: -named[name])
        assert row.labels == "; ".join(order)
        assert row.probabilities == "; ".join(f"{named[name]:.4f}" for name in order)
        least = torch.maximum(found.probs[i], 1 - found.probs[i]).min()
        assert row.confidence == pytest.approx(float(least), abs=1e-4)
    for name in found.class_names:
        rows = found.images_of(name)
        assert rows["labels"].str.contains(name).all()
        assert len(rows) == found.table["labels"].str.contains(name).sum()


@pytest.mark.parametrize(
    ("heads", "words"),
    [
        (("scene",), "trained on B02, B03, B04, B08"),
        (("cover",), "workshop map"),
        (("elevation",), "predicts the number 'elevation'"),
    ],
)
def test_models_that_image_files_cannot_feed_are_refused(tmp_path, heads, words):
    encoder = "unet-4" if heads == ("cover",) else "small_cnn"
    run = trained(tmp_path / "run", heads=heads, encoder=encoder)
    with pytest.raises(WorkshopError, match=words):
        predict_files(run, [tmp_path])
