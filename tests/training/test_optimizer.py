"""Which weights decay, and what the recipe asks for."""

import copy

import pytest
import torch
from torch import nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.training.optimizer import (
    OPTIMIZERS,
    build_optimizer,
    weight_decay_groups,
)


@pytest.mark.parametrize("name", ["small_cnn", "wrn-10-2", "resnet18", "resnet50"])
def test_convolutions_and_linear_weights_decay_and_nothing_else(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, in_channels=3, num_classes=5, projection_dim=8)
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
    model = build_model("resnet18", in_channels=3, num_classes=5)
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


def test_adamw_and_sgd_of_the_recipe() -> None:
    model = build_model("small_cnn", in_channels=3, num_classes=5)
    adamw = build_optimizer(model, Recipe(lr=0.004, weight_decay=0.03))
    assert isinstance(adamw, torch.optim.AdamW)
    assert [g["weight_decay"] for g in adamw.param_groups] == [0.03, 0.0]
    assert all(g["lr"] == 0.004 for g in adamw.param_groups)
    sgd = build_optimizer(model, Recipe(optimizer="sgd", lr=0.03, momentum=0.8))
    assert isinstance(sgd, torch.optim.SGD)
    assert all(g["nesterov"] and g["momentum"] == 0.8 for g in sgd.param_groups)
    plain = build_optimizer(model, Recipe(optimizer="sgd", momentum=0.0))
    assert not any(g["nesterov"] for g in plain.param_groups)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_fused_steps_equal_plain_ones(name: str) -> None:
    def train(fused: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 5), nn.LeakyReLU(), nn.Linear(5, 2))
        recipe = Recipe().with_(optimizer=name, lr=0.01, weight_decay=0.1)
        optimizer = build_optimizer(model, recipe)
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
    optimizer = build_optimizer(model, Recipe(lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        factor = 0.95 if name == "0.weight" else 1.0  # 1 - lr * weight_decay
        torch.testing.assert_close(parameter.detach(), factor * before[name])


def test_wrong_settings() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(WorkshopError, match="Did you mean 'adamw'"):
        build_optimizer(model, Recipe().with_(optimizer="adanw"))
    for wrong in ({"lr": 0.0}, {"weight_decay": -1.0}, {"momentum": 1.0}):
        with pytest.raises(WorkshopError, match="expected lr > 0"):
            build_optimizer(model, Recipe().with_(**wrong))


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
        recipe = Recipe().with_(optimizer=name, momentum=0.8, weight_decay=0.1)
        found = build_optimizer(model, recipe)
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
    model, recipe = nn.Linear(3, 2), Recipe().with_(optimizer=name, lr=0.05)
    optimizer = build_optimizer(model, recipe)
    losses = [step(model, optimizer) for _ in range(20)]
    assert losses[-1] < losses[0]
    twin = nn.Linear(3, 2)
    twin.load_state_dict(model.state_dict())
    resumed = build_optimizer(twin, recipe)
    # As from a file: loaded as it is, both would move one set of buffers
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(model, optimizer)
    step(twin, resumed)
    assert torch.equal(model.weight, twin.weight)
