"""Training maps: the same loop; masks are labels, and other masks another run."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.scenes import dataset
from tests.training.tiny import parts, quietly, resumed, short, tiny
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json
from workshop_lib.pixels import IGNORE
from workshop_lib.training.pseudo_labels import PseudoMaps
from workshop_lib.training.run import run_identity, what_differs
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
CONFIG = short(heads=("cover",), encoder="unet-4", threshold=0.4, size=16)


def make_scenes(n=40, rgb=False):
    """Bright ground with a dark rectangle: the mask is where it is."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(n, 16, 16, dtype=torch.uint8)
    for mask in masks:
        top, left = torch.randint(0, 10, (2,), generator=generator).tolist()
        mask[top : top + 6, left : left + 8] = 1
    masks[:, 0, :] = IGNORE
    shade = torch.rand(n, 1, 1, 1, generator=generator) * 0.2
    images = 0.6 - 0.4 * (masks == 1)[:, None].float() + shade
    noise = 0.05 * torch.rand(n, 3, 16, 16, generator=generator)
    images = images.expand(n, 3, 16, 16) + noise
    images = (255 * images.clamp(0, 1)).byte() if rgb else images
    more = {"bands": ("B04", "B03", "B02"), "masks": masks}
    more["mask_names"] = ("ground", "water")
    return dataset(images, torch.arange(n) % 2, ("even", "odd"), **more)


SCENES = make_scenes()
SPLIT = Split.random(SCENES, labels_per_class=2, seed=0)


def run_in(folder, config=CONFIG, scenes=SCENES, **more):
    return quietly(folder, config, scenes, SPLIT, **more)


def test_a_run_learns_maps_and_says_what_it_saw(tmp_path):
    config = CONFIG.replace(steps=60, eval_every=20, lr=0.01)
    run = run_in(tmp_path, config)
    assert run.log["val_miou"].iloc[-1] > 0.6
    assert run.facts["labels"] == 4  # two tiles of each class of scene
    assert run.class_names == ("ground", "water") and run.dense
    state = torch.load(tmp_path / "best.pt", weights_only=True)
    best = run.log["val_miou"][::-1].idxmax()
    assert state["step"] == run.log["step"][best]
    maps = run.pseudo_maps()
    assert maps.steps == [20, 40, 60]
    assert maps.maps.shape == (3, 6, 16, 16)
    assert not np.isin(maps.index.numpy(), SPLIT.labeled.numpy()).any()
    counts = run.pseudo_labels()
    assert set(counts["class"]) == {"ground", "water"}
    assert counts["correct"].sum() / counts["used"].sum() > 0.7
    # Rows of unlabelled pixels are not counted as true
    assert counts["true"].sum() < 60 * 8 * 16 * 16
    model, _ = run.load_model()
    with torch.no_grad():
        found = model({"s2": torch.zeros(1, 3, 9, 11)})["cover"]
    assert found.shape == (1, 2, 9, 11)


def test_maps_over_time_resume_to_the_last_bit(tmp_path):
    run = resumed(tmp_path, CONFIG, SCENES, SPLIT)
    assert run.pseudo_maps().steps == [3, 6]


def test_the_truth_and_the_labels_are_those_of_the_views_pixels():
    """With an image that is its mask, the truth can be read off the view itself."""
    images = (SCENES.masks == 1)[:, None].float().expand(-1, 3, -1, -1).contiguous()
    config = CONFIG.replace(cutmix=0.0)
    trainer = Trainer(config, replace(SCENES, images=images), SPLIT, CPU)
    batch, truth = trainer.draw_batch()
    for view, mask in (
        (batch.labeled[0], batch.targets["cover"]),
        (batch.views[0], None),
    ):
        lit = view["s2"][:, 0] > view["s2"].mean()
        if mask is None:
            mask = truth()["cover"]
            strong = batch.follow(torch.ones(mask.shape))
            mask = torch.where(strong > 0, mask, IGNORE)
        known = mask != IGNORE
        assert known.any() and not known.all()
        agree = (lit == (mask == 1))[known].float().mean()
        assert agree > 0.99


def test_weights_of_rare_classes_and_the_frequencies_of_pixels_are_heard():
    config = CONFIG.replace(unlabeled_from="labeled", class_weighting=1.0)
    trainer = Trainer(config, SCENES, SPLIT, CPU)
    batch, _ = trainer.draw_batch()
    assert torch.isin(batch.index, SPLIT.labeled).all()
    head = trainer.heads["cover"]
    assert head.prior[1] < head.prior[0]
    assert head.class_weights[1] > head.class_weights[0]
    assert float(head.class_weights @ head.prior) == pytest.approx(1)


@pytest.mark.parametrize("loss", ["focal", "dice", "cross_entropy+dice"])
def test_every_mask_loss_and_photographs_train(loss):
    trainer = Trainer(CONFIG.replace(mask_loss=loss), make_scenes(rgb=True), SPLIT, CPU)
    for _ in range(2):
        trainer.step()
    assert trainer.diagnosis() is None
    assert np.isfinite(trainer.validate()["loss"])


def test_maps_that_cannot_be_learnt_are_refused_in_words():
    with pytest.raises(WorkshopError, match="cover"):
        Trainer(CONFIG, replace(SCENES, masks=None, mask_names=()), SPLIT, CPU)
    with pytest.raises(WorkshopError, match="unet|decoder"):
        Trainer(CONFIG.replace(encoder="small_cnn"), SCENES, SPLIT, CPU)
    masks = SCENES.masks.clone()
    masks[SPLIT.labeled] = IGNORE
    with pytest.raises(WorkshopError, match="no pixel of a known class"):
        Trainer(CONFIG, replace(SCENES, masks=masks), SPLIT, CPU)


def test_maps_over_time_that_are_damaged_are_told(tmp_path):
    (tmp_path / "pseudo_maps.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(WorkshopError, match="cannot read .*train again"):
        PseudoMaps.load(tmp_path / "pseudo_maps.npz")


def test_maps_over_time_leave_out_what_is_not_sure():
    maps = PseudoMaps.of(SPLIT)
    for step in range(10, 80, 10):
        probs = torch.tensor([0.55, 0.45, 0.9, 0.1]).view(2, 2, 1, 1)  # two tiles
        maps.add(step, probs.expand(2, 2, 4, 4))
    columns = maps.columns(0.8, most=3)
    assert list(columns) == ["step 10", "step 40", "step 70"]
    for one in columns.values():
        assert (one[0] == IGNORE).all() and (one[1] == 0).all()
    assert len(maps.columns(0.5, most=1)) == 1


def with_pixel(image: int, value: int) -> Dataset:
    """The same scenes, one pixel of one mask changed."""
    masks = SCENES.masks.clone()
    masks[image, 7, 3] = value
    return replace(SCENES, masks=masks)


@pytest.mark.parametrize("image", [0, 21, 39])
def test_one_pixel_of_one_mask_is_another_identity(image):
    own = run_identity(CONFIG, SCENES, SPLIT)
    for value in {0, 1, 255} - {int(SCENES.masks[image, 7, 3])}:
        other = run_identity(CONFIG, with_pixel(image, value), SPLIT)
        assert what_differs(own, other) == "other masks"
    assert what_differs(own, run_identity(CONFIG, make_scenes(), SPLIT)) == ""
    # Cut differently, the same bytes are other masks; and so are other meanings
    wide = replace(
        SCENES, images=torch.zeros(40, 3, 8, 32), masks=SCENES.masks.view(40, 8, 32)
    )
    renamed = replace(SCENES, mask_names=("land", "sea"))
    assert wide.mask_digest() != SCENES.mask_digest() != renamed.mask_digest()


def test_other_masks_in_the_folder_of_a_run_are_refused(tmp_path):
    run = run_in(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("*.*")}
    other = with_pixel(3, 255)
    with pytest.raises(WorkshopError, match="holds a run with other masks: choose"):
        run_in(tmp_path, scenes=other)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("*.*")} == before
    assert run_in(tmp_path).facts == run.facts  # its own: loaded
    both = replace(other, images=SCENES.images / 2)
    with pytest.raises(WorkshopError, match="other images and other masks"):
        run_in(tmp_path, scenes=both)
    run_in(tmp_path, scenes=other, resume=False)
    identity = run_identity(CONFIG, other, SPLIT)
    assert read_json(tmp_path / "identity.json") == identity


def test_classes_of_images_are_learnt_from_no_mask(tmp_path):
    config = CONFIG.replace(heads=("scene",), encoder="small_cnn")
    run = run_in(tmp_path, config)
    assert set(read_json(tmp_path / "identity.json")) == {"images", "split"}
    assert run_in(tmp_path, config, with_pixel(3, 255)).facts == run.facts
    assert json.loads((tmp_path / "run.json").read_text()) == run.facts


def test_an_encoder_of_scenes_is_where_a_map_goes_on(tmp_path):
    scenes, place = tiny(size=16), tmp_path / "classes"
    classify = short(encoder="resnet18", size=16)
    split = parts(scenes)
    quietly(place, classify, scenes)
    state = torch.load(place / "best.pt", weights_only=True)["ema"]["model"]
    config = short(encoder="fcn-resnet18", heads=("cover",), size=16).replace(
        init_from=str(place)
    )
    trainer = Trainer(config, scenes, split, CPU)
    again = Trainer(config, scenes, split, CPU).model.state_dict()
    taken = 0
    for name, value in trainer.model.state_dict().items():
        if name.startswith("encoder.backbones.") and name in state:
            assert torch.equal(value, state[name]), name
            taken += 1
        assert torch.equal(value, again[name])  # the heads come from the seed
    assert taken > 50
    run = quietly(tmp_path / "maps", config, scenes)
    place.rename(tmp_path / "gone")
    run.load_model()  # needs no more than its own folder
    with pytest.raises(WorkshopError, match="holds no trained network"):
        Trainer(config, scenes, split, CPU)
