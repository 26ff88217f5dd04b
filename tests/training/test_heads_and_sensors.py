"""Every method on every head, several sensors with gaps: learned, resumed, reopened."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.training.tiny import parts, quietly, resumed, short, tiny
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import sample_of, targets_of
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.models.heads import HeadWeights
from workshop_lib.training.heads import HeadLabels, gradient_cosines
from workshop_lib.training.inputs import read_inputs
from workshop_lib.training.run import Run
from workshop_lib.training.trainer import Trainer

HEADS = {
    "scene": (("scene",), "small_cnn", False),
    "maps": (("cover",), "unet-4", False),
    "several labels": (("scene",), "small_cnn", True),
    "a number": (("elevation",), "small_cnn", False),
    "three heads": (("scene", "cover", "elevation"), "unet-small_cnn", False),
}
THREE = ("scene", "cover", "elevation")
FEW_MAPS = short(
    heads=THREE, encoder="unet-4", labels_per_class=0, labels_per_head=(0, 1, 2)
)
CPU = torch.device("cpu")
CONTRASTIVE = ("comatch", "ccssl", "ccssl_comatch")
SENSORS = short(
    sensors=("s2", "s1"), metadata=("date",), fusion="late", modality_dropout=0.3
)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("method", METHODS)
def test_method_trains_head(method, kind, tmp_path):
    heads, encoder, several = HEADS[kind]
    scenes = tiny(several=several)
    config = short(method=method, heads=heads, encoder=encoder)
    if method in CONTRASTIVE and kind not in ("scene", "three heads"):
        with pytest.raises(WorkshopError, match="use FixMatch or one of its relatives"):
            quietly(tmp_path, config, scenes)
        return
    if method in CONTRASTIVE and kind == "three heads":
        pytest.skip("a contrastive view has no pixels to compare")
    if method == "simclr" and kind == "maps":
        with pytest.raises(WorkshopError, match="predicts pixels.*init_from"):
            quietly(tmp_path, config, scenes)
        return
    run = quietly(tmp_path, config, scenes)
    assert list(run.log["step"]) == [3, 6]
    assert run.log["loss"].notna().all()
    model, normalize = run.load_model()
    with torch.no_grad():
        out = model(normalize({"s2": scenes.images[:2]}))
    assert set(out) - {"projection", "context"} == set(heads)
    assert all(values.isfinite().all() for values in out.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_bit_for_bit(method, tmp_path):
    resumed(tmp_path, short(method=method))


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    """Images of which every seventh lacks radar and every ninth its date."""
    found = tiny()
    has, day = torch.ones(len(found)), found.metadata["day_of_year"].clone()
    has[::7], day[::9] = 0, math.nan
    facts = {**found.metadata, "has_s1": has, "day_of_year": day}
    return replace(found, metadata=facts)


@pytest.mark.parametrize("fusion", ["early", "middle", "late", "shared"])
def test_interrupted_with_gaps_it_ends_the_same_and_opens_again(
    scenes, tmp_path, fusion
):
    config = SENSORS.replace(fusion=fusion)
    resumed(tmp_path, config, scenes)
    run = Run.load(tmp_path / "cut")
    assert run.config == config
    model, normalize = run.load_model("last", "online")
    with torch.no_grad():
        sample = sample_of(scenes, ("s2", "s1"), ("date",))
        assert model(normalize(sample))["scene"].isfinite().all()


def test_statistics_are_those_of_the_training_part_and_any_sensor_may_be_missing(
    scenes, tmp_path
):
    model, normalize = quietly(tmp_path, SENSORS, scenes).load_model()
    there = parts(scenes).unlabeled
    there = there[scenes.metadata["has_s1"][there] > 0]
    radar = scenes.modalities["s1"][there].double()
    mean = normalize.state_dict()["bands.s1.mean"]
    torch.testing.assert_close(mean.flatten(), radar.mean((0, 2, 3)).float())
    sample = sample_of(scenes, ("s2", "s1"), ("date",))
    nothing = {k: torch.full_like(v[:3], math.nan) for k, v in sample.items()}
    with torch.no_grad():
        gaps = model(normalize(nothing))["scene"]
        absent = model(normalize({"s2": nothing["s2"]}))["scene"]
    assert gaps.isfinite().all() and torch.equal(gaps[0], gaps[1])
    assert absent.isfinite().all()


def all_labeled(scenes: Dataset) -> Split:
    """Thirty labelled images, ten of each class."""
    return replace(parts(scenes), labeled=parts(scenes).unlabeled)


def test_weights_of_losses_and_their_gradient_as_by_hand():
    weigh = HeadWeights(["scene", "cover", "absent"], [2.0, 0.5, 1.0], learned=True)
    s, w, L = (0.3, -0.4), (2.0, 0.5), (3.0 + 1.0, 0.2)
    with torch.no_grad():
        weigh.log_variance[:2] = torch.tensor(s)
    terms = {
        "scene/supervised": 3.0,
        "scene/unsupervised": 1.0,
        "cover/supervised": 0.2,
    }
    losses = {k: torch.tensor(v, requires_grad=True) for k, v in terms.items()}
    losses["contrast"] = torch.tensor(7.0)  # of no head
    total = torch.stack(weigh(losses)).sum()
    total.backward()
    pairs = list(zip(w, s, L, strict=True))
    expected = 7 + sum(w * math.exp(-s) * L + s / 2 for w, s, L in pairs)
    assert total.item() == pytest.approx(expected)
    of_s = [0.5 - w * math.exp(-s) * L for w, s, L in pairs]
    assert weigh.log_variance.grad.tolist() == pytest.approx([*of_s, 0.0])
    of_terms = [losses[k].grad.item() for k in terms]
    a, b = (w * math.exp(-s) for w, s, _ in pairs)
    assert of_terms == pytest.approx([a, a, b])
    with torch.no_grad():  # the best variance: each head then weighs 1 / (2 L)
        weigh.log_variance[:2] = (2 * torch.tensor(w) * torch.tensor(L)).log()
    assert weigh.current()["scene"].item() == pytest.approx(1 / (2 * 4))


@pytest.mark.parametrize(
    "changes", [{}, {"head_weights": (1.0, 3.0, 0.5)}, {"learned_weights": True}]
)
def test_all_heads_learn_without_labels_and_resume_bit_for_bit(changes, tmp_path):
    config, scenes = FEW_MAPS.replace(threshold=0.2, **changes), tiny()
    split = all_labeled(scenes)
    run = resumed(tmp_path, config, scenes, split)
    assert run.facts["labels"] == 30
    heights = int((~scenes.metadata["elevation"][[0, 1, 2, 3, 4, 5]].isnan()).sum())
    assert run.facts["labels_per_head"] == {
        "scene": 30, "cover": 3, "elevation": heights
    }  # fmt: skip
    last = run.log.iloc[-1]
    parts_ = {"scene": "", "cover": "cover/", "elevation": "elevation/"}
    terms = {
        k: last[v + "supervised"] + last[v + "unsupervised"] for k, v in parts_.items()
    }
    assert all(last[f"{v}unsupervised"] > 0 for v in parts_.values())
    if "learned_weights" not in changes:
        weights = changes.get("head_weights", (1, 1, 1))
        total = sum(w * terms[k] for k, w in zip(THREE, weights, strict=True))
        assert last["loss"] == pytest.approx(total, rel=1e-5)
        return
    trainer = Trainer(config, scenes, split, CPU)
    (group,) = (
        one for one in trainer.optimizer.param_groups
        if any(p is trainer.model.head_weights.log_variance for p in one["params"])
    )  # fmt: skip
    assert group["weight_decay"] == 0
    model, _ = run.load_model("last", "online")
    weights = {k: v.item() for k, v in model.head_weights.current().items()}
    assert weights == pytest.approx({k: last[f"weight/{k}"] for k in THREE})
    assert all(value != 1 for value in weights.values())


@pytest.mark.parametrize("method", ["supervised", "fixmatch"])
def test_targets_that_an_image_does_not_have_teach_nothing(method, tmp_path):
    scenes, config = tiny(), FEW_MAPS.replace(method=method)
    split = all_labeled(scenes)
    hidden = split.labeled[3:]  # the first of each class keep their map
    masks, heights = scenes.masks.clone(), scenes.metadata["elevation"].clone()
    masks[hidden], heights[hidden[3:]] = 2 - masks[hidden].clamp_max(2), -9e5
    other = replace(
        scenes, masks=masks, metadata={**scenes.metadata, "elevation": heights}
    )
    found = []
    for name, one in (("a", scenes), ("b", other)):
        run = quietly(tmp_path / name, config, one, split)
        found.append(run.load_model("last", "online")[0].state_dict())
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])


def test_labels_per_head_are_those_of_smaller_splits_and_in_every_batch():
    scenes = tiny(300)
    split = Split.random(scenes, labels_per_class=0, seed=5)
    labels = HeadLabels(FEW_MAPS, scenes, split, CPU)
    for name, n in (("cover", 1), ("elevation", 2)):
        few = Split.random(scenes, labels_per_class=n, seed=5).labeled
        assert torch.equal(labels.index[name], few)
    stream = labels.stream()
    assert set(stream.tolist()) == set(split.labeled.tolist())
    maps = torch.isin(stream, labels.index["cover"]).double().mean()
    assert 0.4 < maps < 0.6  # a third, and its part of the other two thirds
    targets = labels.hide(targets_of(scenes, THREE))
    assert int((targets["cover"][split.labeled] != 255).flatten(1).any(1).sum()) == 3
    assert (targets["scene"] >= 0).all()  # and nothing else has changed
    single = HeadLabels(short(), scenes, split, CPU)
    assert torch.equal(single.stream(), split.labeled) and not single.hidden


def test_cosines_of_gradients_against_autograd_by_hand():
    scenes = tiny()
    trainer = Trainer(FEW_MAPS, scenes, all_labeled(scenes), CPU)
    trainer.step()
    before = copy.deepcopy(trainer.model.state_dict())
    batch = trainer._draw_labeled(torch.Generator().manual_seed(3))
    found = gradient_cosines(trainer.model, trainer.method, batch, trainer.precision)
    gradients = []
    for name in THREE:
        model = copy.deepcopy(trainer.model).train()
        model.zero_grad()
        out = model(batch.labeled[0])[name]
        model.heads[name].supervised_loss(out, batch.targets[name]).backward()
        shared = model.encoder.backbones.parameters()
        flat = [(0 * p if p.grad is None else p.grad).flatten() for p in shared]
        gradients.append(torch.cat(flat))
    expected = {
        f"cosine/{THREE[a]}/{THREE[b]}": pytest.approx(
            F.cosine_similarity(gradients[a], gradients[b], dim=0).item(), abs=1e-5
        )
        for a, b in ((0, 1), (0, 2), (1, 2))
    }
    assert found == expected
    after = trainer.model.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    alone = Trainer(short(), scenes, parts(scenes), CPU).validate()
    assert not any(name.startswith("cosine") for name in alone)


def test_elevation_is_the_mean_of_the_dem_and_then_no_input():
    scenes = tiny(6)
    dem, has = torch.arange(6 * 64.0).view(6, 1, 8, 8), torch.tensor([1, 1, 0, 1, 1, 1])
    facts = {"has_dem": has}
    bare = replace(scenes, modalities={"dem": dem}, metadata=facts)
    found = targets_of(bare, ("elevation",))["elevation"]
    assert found[:2].tolist() == [31.5, 95.5] and found[2].isnan()
    own = targets_of(scenes, ("elevation",))["elevation"]  # a column of that name
    torch.testing.assert_close(own, scenes.metadata["elevation"], equal_nan=True)
    config = short(heads=("elevation",), sensors=("s2", "dem"))
    with pytest.raises(WorkshopError, match="holds the answer"):
        read_inputs(config, bare)
