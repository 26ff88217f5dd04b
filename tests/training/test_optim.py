"""Which weights decay, what a config asks for, and how the learning rate falls."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from workshop_lib.config import OptimConfig
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.model import encoder_parameters
from workshop_lib.training import optim
from workshop_lib.training.optim import (
    OPTIMIZERS,
    cosine_7_16,
    set_learning_rate,
    weight_decay_groups,
)

SCENE = {"scene": HeadSpec("categorical", 5)}


def build_optimizer(model: nn.Module, settings: OptimConfig) -> torch.optim.Optimizer:
    """Build it for any module; all of it is trained at the same rate."""
    return optim.build_optimizer(model, settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoder", ["small_cnn", "resnet18", "unet-resnet18"])
def test_the_encoder_may_learn_more_slowly(encoder: str) -> None:
    heads = {"cover": HeadSpec("dense", 3)} if "unet" in encoder else SCENE
    model = build_model(encoder, {"s2": 3}, heads, projection_dim=4)
    settings = OptimConfig(lr=0.1, encoder_lr=0.01, warmup_steps=0)
    optimizer = build_optimizer(model, settings)
    slow = {id(p) for p in encoder_parameters(model)}
    for step in (0, 1000):
        set_learning_rate(optimizer, settings, step)
        full = 0.1 * cosine_7_16(step, settings.steps)
        for group in optimizer.param_groups:
            kinds = {id(p) in slow for p in group["params"]}
            assert len(kinds) == 1
            assert group["lr"] == pytest.approx(full * (0.01 if True in kinds else 1))
    late = [*model.heads.parameters(), *model.projection.parameters()]
    if model.encoder.decoder is not None:
        late += model.encoder.decoder.parameters()
    assert slow and not slow & {id(p) for p in late}
    # Nothing else is left out, and the log shows the rate of the heads.
    counted = sum(len(group["params"]) for group in optimizer.param_groups)
    assert counted == len(list(model.parameters())) == len(slow) + len(late)
    assert optimizer.param_groups[-1]["relative_lr"] == 1


@pytest.mark.parametrize("name", ["small_cnn", "wrn-10-2", "resnet18", "resnet50"])
def test_convolutions_and_linear_weights_decay_and_nothing_else(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, {"s2": 3}, SCENE, projection_dim=8)
    decay, no_decay = weight_decay_groups(model, 0.1)
    # in these networks exactly the matrices and kernels have two dimensions or more
    assert {id(p) for p in decay["params"]} == {
        id(p) for p in model.parameters() if p.ndim > 1
    }
    assert {id(p) for p in no_decay["params"]} == {
        id(p) for p in model.parameters() if p.ndim <= 1
    }
    assert decay["weight_decay"] == 0.1
    assert no_decay["weight_decay"] == 0


def test_norm_layers_of_a_resnets_shortcut_do_not_decay() -> None:
    model = build_model("resnet18", {"s2": 3}, SCENE)
    spared = {id(p) for p in weight_decay_groups(model, 0.1)[1]["params"]}
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 20
    assert all(id(m.weight) in spared and id(m.bias) in spared for m in norms)


def test_other_norms_attention_biases_frozen_and_shared_weights() -> None:
    attention = nn.MultiheadAttention(4, 2)
    shared = nn.Linear(4, 4)
    frozen = nn.Linear(4, 4).requires_grad_(False)
    model = nn.ModuleList(
        [attention, nn.LayerNorm([4, 4]), nn.GroupNorm(2, 4), shared, shared, frozen]
    )
    twin = nn.Linear(4, 4)
    twin.weight = shared.weight  # one parameter, two owners
    model.append(twin)
    decay, no_decay = (g["params"] for g in weight_decay_groups(model, 0.1))
    assert {id(p) for p in decay} == {
        id(attention.in_proj_weight),
        id(attention.out_proj.weight),
        id(shared.weight),
    }
    assert len(decay) == 3
    # LayerNorm's scale is a matrix here: its type spares it, its shape would not
    assert len(no_decay) == 8
    trained = [p for p in model.parameters() if p.requires_grad]
    assert len(decay) + len(no_decay) == len(trained)


def test_adamw_and_sgd_of_the_config() -> None:
    model = build_model("small_cnn", {"s2": 3}, SCENE)
    adamw = build_optimizer(model, OptimConfig(lr=0.004, weight_decay=0.03))
    assert isinstance(adamw, torch.optim.AdamW)
    assert [g["weight_decay"] for g in adamw.param_groups] == [0.03, 0.0]
    assert all(g["lr"] == 0.004 for g in adamw.param_groups)
    sgd = build_optimizer(
        model, OptimConfig(optimizer="sgd", lr=0.03, sgd_momentum=0.8)
    )
    assert isinstance(sgd, torch.optim.SGD)
    assert all(g["nesterov"] and g["momentum"] == 0.8 for g in sgd.param_groups)
    plain = build_optimizer(model, OptimConfig(optimizer="sgd", sgd_momentum=0.0))
    assert not any(g["nesterov"] for g in plain.param_groups)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_fused_steps_equal_plain_ones(name: str) -> None:
    def train(fused: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(), nn.Linear(5, 2))
        config = OptimConfig(optimizer=name, lr=0.01, weight_decay=0.1)
        optimizer = build_optimizer(model, config)
        if not fused:
            for group in optimizer.param_groups:
                group.update(fused=False, foreach=False)
        x = torch.randn(8, 3)
        for _ in range(5):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        return [p.detach() for p in model.parameters()]

    torch.testing.assert_close(train(True), train(False))


def test_only_decaying_weights_shrink_without_a_gradient() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, OptimConfig(lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        factor = 0.95 if name == "0.weight" else 1.0  # 1 - lr * weight_decay
        torch.testing.assert_close(parameter.detach(), factor * before[name])


def test_wrong_settings() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(WorkshopError, match="Did you mean 'adamw'"):
        build_optimizer(model, OptimConfig(optimizer="adanw"))
    for wrong in ({"lr": 0.0}, {"weight_decay": -1.0}, {"sgd_momentum": 1.0}):
        with pytest.raises(WorkshopError, match="expected lr > 0"):
            build_optimizer(model, OptimConfig(**wrong))


def test_the_lectures_list_is_what_torch_calls_it() -> None:
    model = nn.Linear(3, 2)
    kinds = {
        "plain_sgd": (torch.optim.SGD, {"momentum": 0, "nesterov": False}),
        "momentum": (torch.optim.SGD, {"momentum": 0.8, "nesterov": False}),
        "sgd": (torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        "adagrad": (torch.optim.Adagrad, {}),
        "rmsprop": (torch.optim.RMSprop, {}),
        "adam": (torch.optim.Adam, {}),
        "adamw": (torch.optim.AdamW, {}),
    }
    assert tuple(kinds) == OPTIMIZERS
    for name, (kind, expected) in kinds.items():
        config = OptimConfig(optimizer=name, sgd_momentum=0.8, weight_decay=0.1)
        found = build_optimizer(model, config)
        assert type(found) is kind
        for group, decay in zip(found.param_groups, (0.1, 0.0), strict=True):
            assert group["weight_decay"] == decay
            assert {key: group[key] for key in expected} == expected


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_and_resumes(name: str) -> None:
    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
        loss = model(torch.eye(3)).sub(1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    torch.manual_seed(0)
    model, config = nn.Linear(3, 2), OptimConfig(optimizer=name, lr=0.05)
    optimizer = build_optimizer(model, config)
    losses = [step(model, optimizer) for _ in range(20)]
    assert losses[-1] < losses[0]
    twin = nn.Linear(3, 2)
    twin.load_state_dict(model.state_dict())
    resumed = build_optimizer(twin, config)
    # As from a file: loaded as it is, both would move one set of buffers
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(model, optimizer)
    step(twin, resumed)
    assert torch.equal(model.weight, twin.weight)


GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("case", range(4))
def test_golden(case: int) -> None:
    data = np.load(GOLDEN / "schedule_cosine.npz")
    assert int(data["n_cases"]) == 4
    base, warmup, total, steps, rates = (
        data[f"c{case}_{k}"] for k in ("base_lr", "warmup", "total", "step", "lr")
    )
    ours = [float(base) * cosine_7_16(int(s), int(total), int(warmup)) for s in steps]
    np.testing.assert_allclose(ours, rates, rtol=1e-8, atol=1e-12)


def test_rises_to_one_then_falls_to_a_fifth() -> None:
    factors = [cosine_7_16(step, 100, 10) for step in range(101)]
    assert factors[0] == 0
    assert factors[10] == 1
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(math.cos(7 * math.pi / 16))


def test_a_warm_up_longer_than_the_training() -> None:
    assert cosine_7_16(5, 3, 10) == 0.5


@pytest.mark.parametrize("arguments", [(-1, 10, 0), (0, 0, 0), (0, 10, -1)])
def test_impossible_steps(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(WorkshopError, match="expected step >= 0"):
        cosine_7_16(*arguments)
