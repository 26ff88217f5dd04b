"""Predictions kept for comparisons: whole, harmless, and of the same images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import Predictions

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
        {"truth": torch.tensor([0, 0, 1])},
        {"source": "other photos"},
    ],
)
def test_other_images_are_refused(change):
    with pytest.raises(WorkshopError, match="same test images"):
        replace(SOME, **change).in_order_of(SOME)


def test_fewer_images_and_other_classes_are_refused():
    fewer = Predictions(SOME.names[:2], SOME.truth[:2], SOME.probs[:2], ("a", "b"))
    with pytest.raises(WorkshopError, match="on 2 and on 3 test images"):
        replace(fewer, source="photos").in_order_of(SOME)
    with pytest.raises(WorkshopError, match="the same classes"):
        replace(SOME, class_names=("a", "c")).in_order_of(SOME)


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
