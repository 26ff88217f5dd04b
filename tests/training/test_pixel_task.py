"""Training maps: the same loop, resumed to the last bit, refused in words."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import PIXEL_METHODS
from workshop_lib.models.fcn import FCN
from workshop_lib.models.resnet import ResNet
from workshop_lib.pixels import IGNORE
from workshop_lib.recipe import Recipe, preset
from workshop_lib.training import start
from workshop_lib.training.loop import train
from workshop_lib.training.pseudo_maps import PseudoMaps
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
RECIPE = Recipe(
    task="segment",
    model="unet-4",
    method="fixmatch",
    size=16,
    labels_per_class=2,
    steps=6,
    eval_every=3,
    batch_size=4,
    mu=2,
    warmup_steps=2,
    threshold=0.4,
    precision="fp32",
)


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
    images = images.expand(n, 3, 16, 16) + 0.05 * torch.rand(
        n, 3, 16, 16, generator=generator
    )
    return Scenes(
        images=(255 * images.clamp(0, 1)).to(torch.uint8) if rgb else images,
        labels=torch.arange(n) % 2,
        class_names=("even", "odd"),
        names=tuple(f"{k:02d}" for k in range(n)),
        bands=("red", "green", "blue"),
        masks=masks,
        mask_names=("ground", "water"),
    )


SCENES = make_scenes()
SPLIT = Split.random(SCENES, labels_per_class=2, seed=0)


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_every_method_trains_resumes_and_is_the_same_to_the_last_bit(method, tmp_path):
    recipe = RECIPE.with_(method=method)
    whole = Trainer(recipe, SCENES, SPLIT, CPU)
    for _ in range(3):
        whole.step()
    whole.validate()
    state = whole.state_dict()
    torch.save(state, tmp_path / "state.pt")
    resumed = Trainer(recipe, SCENES, SPLIT, CPU)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    rows = []
    for trainer in (whole, resumed):
        for _ in range(3):
            trainer.step()
        rows.append(trainer.validate())
    assert rows[0] == rows[1]
    for a, b in zip(
        whole.state_dict()["ema"]["model"].values(),
        resumed.state_dict()["ema"]["model"].values(),
        strict=True,
    ):
        assert torch.equal(a, b)
    ours, theirs = whole.task.state_dict(), resumed.task.state_dict()
    assert ours["steps"] == theirs["steps"] == [3, 6]
    assert torch.equal(ours["maps"], theirs["maps"])


def test_a_run_learns_maps_and_says_what_it_saw(tmp_path):
    recipe = RECIPE.with_(steps=60, eval_every=30)
    run = train(recipe, SCENES, SPLIT, folder=tmp_path, verbose=False, device=CPU)
    assert run.log["val_miou"].iloc[-1] > 0.6
    assert run.facts["labels"] == 4  # two tiles of each class of scene
    assert run.facts["class_names"] == ["ground", "water"]
    maps = run.pseudo_maps()
    assert maps.steps == [30, 60]
    assert torch.stack(maps.maps).shape == (2, 6, 16, 16)
    assert not np.isin(maps.index.numpy(), SPLIT.labeled.numpy()).any()
    counts = run.pseudo_labels()
    assert set(counts["class"]) == {"ground", "water"}
    assert counts["correct"].sum() / counts["used"].sum() > 0.7
    # Rows that nobody knows are not counted as true
    assert counts["true"].sum() < 60 * 8 * 16 * 16
    model, _ = run.load_model()
    assert model(torch.zeros(1, 3, 9, 11)).logits.shape == (1, 2, 9, 11)


def test_the_pseudo_labels_truth_is_that_of_the_weak_views_pixels():
    """With an image that is its mask, the truth can be read off the view itself."""
    images = (SCENES.masks == 1)[:, None].float().expand(-1, 3, -1, -1).contiguous()
    scenes = dataclasses.replace(SCENES, images=images)
    trainer = Trainer(RECIPE, scenes, SPLIT, CPU)
    trainer.step()
    batch = trainer.draw_batch()
    truth = trainer.task.truth(batch).view(8, 16, 16)
    lit = batch.x_unl[0][:, 0] > 0
    assert torch.equal(lit[truth >= 0], (truth == 1)[truth >= 0])
    assert (truth == -1).any()
    known = batch.y_lab != IGNORE
    assert torch.equal((batch.x_lab[0][:, 0] > 0)[known], (batch.y_lab == 1)[known])


def test_source_leads_to_the_same_ground_through_cutmix_and_all():
    """Images that are their pixel's number: each strong pixel finds its weak twin."""
    n = len(SCENES)
    numbers = torch.arange(n * 256).view(n, 1, 16, 16).float() / (n * 256)
    scenes = dataclasses.replace(SCENES, images=numbers.expand(-1, 3, -1, -1) + 0.0)
    trainer = Trainer(RECIPE.with_(cutmix=1.0), scenes, SPLIT, CPU)
    # Colours off: what is left is geometry and boxes of others
    policy = trainer.views.policies["strong"]
    plain = dataclasses.replace(
        policy, gain=0, band_gain=0, contrast=0, tint=0, haze=0,
        degrees=0, shear=0, shift=0, zoom=0,
    )  # fmt: skip
    trainer.views.policies["strong"] = plain
    batch = trainer.draw_batch()
    weak, strong = (view[:, 0] for view in batch.x_unl)
    there = batch.source >= 0
    assert 0.4 < there.float().mean() < 0.98
    twins = weak.flatten()[batch.source.clamp_min(0)]
    assert torch.allclose(strong[there], twins[there], atol=1e-4)


def test_pool_labeled_and_weights_of_rare_classes_are_heard():
    trainer = Trainer(
        RECIPE.with_(pool="labeled", rare_classes=1.0), SCENES, SPLIT, CPU
    )
    batch = trainer.draw_batch()
    assert torch.isin(batch.unlabeled_index, SPLIT.labeled).all()
    shares, weights = trainer.method.shares, trainer.method.weights
    assert shares[1] < shares[0] and weights[1] > weights[0]
    assert float(weights @ shares) == pytest.approx(1)


def test_photographs_train_too():
    scenes = make_scenes(rgb=True)
    trainer = Trainer(RECIPE, scenes, SPLIT, CPU)
    trainer.step()
    assert np.isfinite(trainer.validate()["loss"])


@pytest.mark.parametrize("loss", ["focal", "dice", "cross_entropy+dice"])
def test_every_mask_loss_trains(loss):
    trainer = Trainer(RECIPE.with_(mask_loss=loss), SCENES, SPLIT, CPU)
    for _ in range(2):
        trainer.step()
    assert trainer.bad_numbers() is None


def test_the_best_checkpoint_is_that_of_the_best_miou(tmp_path):
    recipe = RECIPE.with_(steps=9, eval_every=3)
    run = train(recipe, SCENES, SPLIT, folder=tmp_path, verbose=False, device=CPU)
    state = torch.load(tmp_path / "best.pt", weights_only=True)
    last_best = run.log["val_miou"][::-1].idxmax()
    assert state["step"] == run.log["step"][last_best]


def test_maps_that_cannot_be_learnt_are_refused_in_words():
    bare = dataclasses.replace(SCENES, masks=None)
    with pytest.raises(WorkshopError, match="needs a mask for each image"):
        Trainer(RECIPE, bare, SPLIT, CPU)
    nameless = dataclasses.replace(SCENES, mask_names=())
    with pytest.raises(WorkshopError, match="mask_names"):
        Trainer(RECIPE, nameless, SPLIT, CPU)
    masks = SCENES.masks.clone()
    masks[SPLIT.labeled] = IGNORE
    blind = dataclasses.replace(SCENES, masks=masks)
    with pytest.raises(WorkshopError, match="no pixel of a known class"):
        Trainer(RECIPE, blind, SPLIT, CPU)
    masks = SCENES.masks.clone()
    masks[SPLIT.val] = IGNORE
    with pytest.raises(WorkshopError, match="validation tiles"):
        trainer = Trainer(RECIPE, dataclasses.replace(SCENES, masks=masks), SPLIT, CPU)
        trainer.step()
        trainer.validate()
    with pytest.raises(WorkshopError, match="class 7 in the masks"):
        odd = SCENES.masks.clone()
        odd[3, 4, 5] = 7
        dataclasses.replace(SCENES, masks=odd)


def test_recipes_that_mix_the_tasks_are_refused_in_words():
    for knobs, words in (
        ({"task": "segment"}, "model='unet-16'"),
        ({"model": "unet-16"}, "task='classify'"),
        ({"task": "segmnt"}, "segment"),
        ({"cutmix": 1.5}, "cutmix=1.5"),
        ({"rare_classes": -1}, "rare_classes=-1"),
    ):
        with pytest.raises(WorkshopError, match=words):
            Recipe().with_(**knobs)
    assert preset("segment").task == "segment"


def test_maps_over_time_that_are_damaged_are_told(tmp_path):
    (tmp_path / "pseudo_maps.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(WorkshopError, match="cannot read the maps"):
        PseudoMaps.load(tmp_path / "pseudo_maps.npz")


def test_a_classifiers_trunk_is_where_an_fcn_goes_on(tmp_path):
    classify = Recipe(
        model="resnet18", size=16, steps=2, eval_every=2, batch_size=4, mu=1,
        precision="fp32",
    )  # fmt: skip
    place = tmp_path / "classes"
    train(classify, SCENES, SPLIT, folder=place, verbose=False, device=CPU)
    state = torch.load(place / "best.pt", weights_only=True)["ema"]["model"]
    recipe = RECIPE.with_(model="fcn-resnet18:8", start_from=str(place), steps=1)
    trainer = Trainer(recipe, SCENES, SPLIT, CPU)
    for name, value in trainer.model.trunk.backbone.state_dict().items():
        assert torch.equal(value, state[f"trunk.{name}"])
    again = Trainer(recipe, SCENES, SPLIT, CPU).model.state_dict()
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, again[name])  # the heads come from the seed
    run = train(
        recipe.with_(eval_every=1),
        SCENES, SPLIT, folder=tmp_path / "maps", verbose=False, device=CPU,
    )  # fmt: skip
    place.rename(tmp_path / "gone")
    run.load_model()  # needs no more than its own folder
    with pytest.raises(WorkshopError, match="holds no trained network"):
        Trainer(recipe, SCENES, SPLIT, CPU)
    with pytest.raises(WorkshopError, match="another trunk"):
        odd = recipe.with_(model="fcn-resnet34", start_from=str(tmp_path / "gone"))
        Trainer(odd, SCENES, SPLIT, CPU)
    with pytest.raises(WorkshopError, match="only an fcn"):
        RECIPE.with_(start_from="somewhere")


@pytest.mark.parametrize("bands", [3, 4])
def test_imagenets_trunk_is_where_an_fcn_goes_on(bands, monkeypatch):
    other = ResNet("resnet18", num_classes=1).trunk.state_dict()
    there = SimpleNamespace(get_state_dict=lambda progress: dict(other))
    weights = SimpleNamespace(DEFAULT=there)
    monkeypatch.setattr(start, "get_model_weights", lambda name: weights)
    model = FCN("resnet18", in_channels=bands, num_classes=2)
    heads = copy.deepcopy(model.trunk.heads.state_dict())
    start.load_trunk(model, "imagenet", "resnet18")
    for name, value in model.trunk.backbone.state_dict().items():
        if name == "conv1.weight" and bands != 3:  # of all bands the same sum
            torch.testing.assert_close(value.sum(1), other[name].sum(1))
            torch.testing.assert_close(value[:, 0], value[:, 1])
        else:
            assert torch.equal(value, other[name])
    for name, value in model.trunk.heads.state_dict().items():
        assert torch.equal(value, heads[name])

    def fails(progress):
        raise OSError("no route")

    there.get_state_dict = fails
    with pytest.raises(WorkshopError, match=r"no route.*start_from=FOLDER"):
        start.load_trunk(model, "imagenet", "resnet18")


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
