"""Masks are the labels of a segmentation: other masks are another run."""

import json
from dataclasses import replace

import pytest
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.segmentation import evaluate_segmentation
from workshop_lib.files import read_json
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train
from workshop_lib.training.run import run_identity, what_differs

MAPS = Recipe(
    task="segment",
    model="unet-2",
    method="supervised",
    size=8,
    steps=2,
    eval_every=1,
    batch_size=4,
    warmup_steps=1,
    precision="fp32",
)
CLASSES = MAPS.with_(task="classify", model="small_cnn")


def make_scenes() -> Scenes:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(200, 3, 8, 8, generator=generator)
    return Scenes(
        images=images,
        labels=torch.arange(200) % 2,
        class_names=("even", "odd"),
        names=tuple(f"{k:03d}" for k in range(200)),
        bands=("B04", "B03", "B02"),
        masks=(images.mean(1) > 0.5).to(torch.uint8),
        mask_names=("dark", "bright"),
    )


SCENES = make_scenes()
SPLIT = Split.random(SCENES, labels_per_class=4, seed=0)


def with_pixel(image: int, value: int) -> Scenes:
    """The same scenes, one pixel of one mask changed."""
    masks = SCENES.masks.clone()
    masks[image, 7, 3] = value
    return replace(SCENES, masks=masks)


def run_in(folder, recipe=MAPS, scenes=SCENES, **more):
    return train(recipe, scenes, SPLIT, folder=folder, verbose=False, **more)


@pytest.mark.parametrize("image", [0, 101, 199])
def test_one_pixel_of_one_mask_is_another_identity(image):
    own = run_identity(SCENES, SPLIT, "segment")
    for value in {0, 1, 255} - {int(SCENES.masks[image, 7, 3])}:
        other = run_identity(with_pixel(image, value), SPLIT, "segment")
        assert what_differs(own, other) == "other masks"
    assert what_differs(own, run_identity(make_scenes(), SPLIT, "segment")) == ""
    # Cut differently, the same bytes are other masks; and so are other meanings
    wide = replace(SCENES, images=torch.zeros(200, 3, 4, 16),
                   masks=SCENES.masks.view(200, 4, 16))  # fmt: skip
    renamed = replace(SCENES, mask_names=("land", "sea"))
    assert wide.mask_digest() != SCENES.mask_digest() != renamed.mask_digest()


def test_other_masks_in_the_folder_of_a_run_are_refused(tmp_path):
    run = run_in(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("*.*")}
    other = with_pixel(3, 255)
    with pytest.raises(WorkshopError, match="holds a run on other masks: choose"):
        run_in(tmp_path, scenes=other)
    with pytest.raises(WorkshopError, match="was trained on other masks"):
        evaluate_segmentation(run, other, SPLIT)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("*.*")} == before
    assert run_in(tmp_path).facts == run.facts  # its own: loaded
    run_in(tmp_path, scenes=other, resume=False)
    assert read_json(tmp_path / "identity.json") == run_identity(
        other, SPLIT, "segment"
    )


def test_other_pixels_and_other_masks_are_both_named(tmp_path):
    run_in(tmp_path)
    other = replace(with_pixel(3, 255), images=SCENES.images / 2)
    with pytest.raises(WorkshopError, match="other images and other masks"):
        run_in(tmp_path, scenes=other)


def test_without_a_folder_other_masks_go_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {run_in(None, scenes=s).folder for s in (SCENES, with_pixel(3, 255))}
    assert len(places) == 2


def test_classes_of_images_are_learnt_from_no_mask(tmp_path):
    run = run_in(tmp_path, CLASSES)
    assert set(read_json(tmp_path / "identity.json")) == {"images", "split"}
    again = run_in(tmp_path, CLASSES, with_pixel(3, 255))
    assert again.facts == run.facts


def test_runs_of_before_go_on(tmp_path):
    """Their masks were not hashed; all else is compared as ever."""
    run = run_in(tmp_path)
    path = tmp_path / "identity.json"
    identity = read_json(path)
    del identity["masks"]
    path.write_text(json.dumps(identity), encoding="utf-8")
    assert run_in(tmp_path).facts == run.facts
    assert evaluate_segmentation(run, SCENES, SPLIT).scores.accuracy > 0
    with pytest.raises(WorkshopError, match="on other images: choose"):
        run_in(tmp_path, scenes=replace(SCENES, images=SCENES.images / 2))
