"""SimCLR: no label is seen, collapse is told, and other trainings go on from it."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.losses.draws import unit
from tests.methods.given import Given
from tests.training.tiny import differences, parts, quietly, resumed, short, tiny
from workshop_lib.augment.multimodal import View
from workshop_lib.commands.training import pretrain
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import embed_run
from workshop_lib.evaluation.inference import predict_run
from workshop_lib.evaluation.scoring import evaluate
from workshop_lib.methods import Batch, SimCLR, Supervised
from workshop_lib.methods.simclr import COLLAPSED
from workshop_lib.models.class_heads import Categorical, MultiLabel
from workshop_lib.models.heads import Regression
from workshop_lib.presets import preset
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.heads import neighbours_votes
from workshop_lib.training.run import Run
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
SENSORS = {"sensors": ("s2", "s1"), "fusion": "late"}


def contrasting(**changes: object) -> Config:
    """Short, without labels."""
    return short(method="simclr", batch_size=16, mu=1, **changes)


def two_sensors(**changes: object) -> Config:
    return contrasting(**SENSORS, **changes).replace(pairs="sensors")


def given_views(method: SimCLR, *views: Tensor) -> dict[str, Tensor]:
    """Terms of the loss for embeddings given by hand: (N, P) each."""
    samples = tuple({"projection": z} for z in views)
    if method.projects_sensors:
        samples = ({"projection": torch.stack(views, 1)},)
    model = Given(4, scene=Categorical(1, 3))
    return dict(method.losses(model, Batch((), {}, samples)))


def test_three_sensors_are_compared_two_by_two_as_by_a_loop():
    method = SimCLR(pairs="sensors", temperature=0.3)
    views = [unit(5, 4, seed) for seed in range(3)]
    loss = given_views(method, *views)["contrast"].item()
    losses, hits = [], []
    for a, b in combinations(views, 2):
        z = [*a.tolist(), *b.tolist()]
        for i in range(10):
            s = [sum(x * y for x, y in zip(z[i], one, strict=True)) for one in z]
            other = (i + 5) % 10
            total = sum(math.exp(s[j] / 0.3) for j in range(10) if j != i)
            losses.append(math.log(total) - s[other] / 0.3)
            hits.append(s[other] == max(s[j] for j in range(10) if j != i))
    assert loss == pytest.approx(np.mean(losses))
    assert method.log["matched"].item() == pytest.approx(np.mean(hits))
    wide = [np.mean([np.std(z[:, d].numpy()) for d in range(4)]) * 2 for z in views]
    assert method.log["spread"].item() == pytest.approx(np.mean(wide))


def test_without_negatives_only_the_pairs_count():
    z0, z1 = unit(6, 4, 0), unit(6, 4, 1)
    loss = given_views(SimCLR(negatives=False), z0, z1)["contrast"]
    torch.testing.assert_close(loss, -(z0 * z1).sum(1).mean())


@pytest.mark.parametrize("config", [contrasting(), two_sensors()], ids=["views", "s12"])
def test_no_label_reaches_the_weights(config, tmp_path):
    """Other labels, other values of `val_knn`; all else is the same to the last bit."""
    scenes = tiny()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    turned = replace(scenes, labels=scenes.labels[order])
    runs = [
        quietly(tmp_path / str(k), config, x) for k, x in enumerate((scenes, turned))
    ]
    states = [load_checkpoint(run.folder / "last.pt") for run in runs]
    for state in states:
        del state["rows"], state["best"]
    assert differences(*states) == []
    logs = [run.log.drop(columns="seconds") for run in runs]
    told = [name for name in logs[0] if not logs[0][name].equals(logs[1][name])]
    assert set(told) == {"val_knn", "val_knn_online"}
    assert runs[0].facts["labels"] == 0


def test_two_sensors_resume_bit_for_bit_and_share_a_projection(tmp_path):
    run = resumed(tmp_path, two_sensors())
    model, _ = run.load_model()
    width = model.encoder.backbones["s1"].widths[-1]
    assert model.projection is not None
    assert model.projection.fc1.in_features == width == model.encoder.width // 2
    scenes, split = tiny(), parts(tiny())
    for which, length in (("features", 2 * width), ("projection", 2 * 64)):
        assert embed_run(run, scenes, split, which=which).vectors.shape == (15, length)
    for wrong in ({"fusion": "early"}, {"sensors": ("s1",)}):
        with pytest.raises(WorkshopError, match="two or more.*fusion='late'"):
            Trainer(two_sensors().replace(**wrong), scenes, split, CPU)


def test_collapse_is_told(tmp_path, capsys):
    alone = {"steps": 40, "eval_every": 20, "lr": 0.02, "warmup_steps": 5}
    config = contrasting(**alone).replace(negatives=False)
    run = quietly(tmp_path / "a", config, verbose=True)
    said = capsys.readouterr().out
    assert "warning: the embeddings collapse" in said and "spread" in said
    assert run.log["spread"].iloc[-1] < COLLAPSED
    assert run.log["loss"].iloc[-1] < -0.99  # and it believes to have learned
    run = quietly(tmp_path / "b", config.replace(negatives=True), verbose=True)
    assert "collapse" not in capsys.readouterr().out
    assert run.log["spread"].iloc[-1] > 3 * COLLAPSED


def test_its_head_is_not_asked_and_the_encoder_goes_on(tmp_path):
    scenes, split = tiny(), parts(tiny())
    run = quietly(tmp_path / "both", two_sensors())
    assert run.metric == "knn" and Run.load(run.folder).config == run.config
    best = run.log["val_knn"].max()
    state = load_checkpoint(run.folder / "best.pt")
    assert run.log.set_index("step")["val_knn"][state["step"]] == best
    for ask in (lambda: evaluate(run, scenes, split), lambda: predict_run(run, scenes)):
        with pytest.raises(WorkshopError, match="--init-from"):
            ask()
    # The same sensors, one of them, and an encoder for maps
    theirs = state["ema"]["model"]
    weights = {k: v for k, v in theirs.items() if k.startswith("encoder.backbones.s2.")}
    for changes, own in ((SENSORS, "s2"), ({}, "all")):
        config = short(init_from=str(run.folder), freeze=-1, **changes)
        config = config.replace(method=Supervised())
        model = Trainer(config, scenes, split, CPU).model
        mine = model.state_dict()
        for name, value in weights.items():
            assert torch.equal(mine[name.replace(".s2.", f".{own}.")], value)
    tuned = quietly(tmp_path / "tuned", config)
    assert 0 <= evaluate(tuned, scenes, split).value <= 1


@pytest.mark.parametrize(
    ("sensors", "all_parts"),
    [
        ({"s2": 12}, "crop-turns-jitter-gray"),
        ({"rgb": 3}, "gray-jitter-turns-crop"),
        ({"s1": 2}, "crop-turns-jitter"),
        ({"s2": 12, "s1": 2, "rgb": 3}, "crop-turns-jitter-gray"),
    ],
)
def test_parts_of_a_view_are_left_out_one_by_one(sensors, all_parts):
    images = {k: torch.rand(20, c, 16, 16) for k, c in sensors.items()}

    def seen(name: str) -> dict[str, Tensor]:
        view = View(name, images, False, None)
        params = view.sample_params(20, (16, 16), torch.Generator().manual_seed(0))
        return view.apply({k: v.clone() for k, v in images.items()}, params)

    assert differences(seen(f"contrastive-{all_parts}"), images) == []
    names = all_parts.split("-")
    for kept in names:  # each part alone does something
        rest = "-".join(part for part in names if part != kept)
        assert differences(seen(f"contrastive-{rest}"), images) != [], kept
    wrong = {"contrastive-crob": "crop", "weak-crop": "only 'contrastive'"}
    wrong |= {} if "gray" in all_parts else {"contrastive-gray": "no color"}
    for name, words in wrong.items():
        with pytest.raises(WorkshopError, match=words):
            seen(name)


def test_neighbours_vote_by_kind_of_target():
    vectors = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 3.0]])
    several = torch.tensor([[1, 0], [1, 0], [1, 1], [0, 1]])
    for head, targets, expected in (
        (Categorical(2, 3), torch.tensor([0, 0, 2, 2]), [0, 0, 2, 2]),
        (Regression(2), torch.tensor([1.0, 2, 30, 40]), [2, 1, 40, 30]),
        (MultiLabel(2, 2), several, [[1, 0], [1, 0], [0, 1], [1, 1]]),
    ):
        votes = neighbours_votes(head, vectors, targets, k=1)
        found = votes if votes.ndim == 1 else (votes > 0).int()
        found = votes.argmax(1) if isinstance(head, Categorical) else found
        assert found.tolist() == expected
        everyone = neighbours_votes(head, vectors, targets)  # at most three others
        assert everyone.shape == votes.shape and everyone.isfinite().all()


def test_the_command_contrasts_the_sensors_that_it_is_given(monkeypatch):
    seen: list[Config] = []
    monkeypatch.setattr(
        "workshop_lib.commands.training.train", lambda config, *_: seen.append(config)
    )
    pretrain(preset("ci", "pretrain"))
    pretrain(preset("ci", "pretrain", sensors=("s1", "s2")))
    assert [c.method_name for c in seen] == ["simclr", "simclr"]
    assert [c.method.pairs for c in seen] == ["augmentations", "sensors"]
    assert [c.model.fusion for c in seen] == ["early", "late"]
    with pytest.raises(WorkshopError, match="pairs='sensor'"):
        SimCLR(pairs="sensor")
