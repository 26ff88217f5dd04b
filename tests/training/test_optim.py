"""Which weights decay, how the learning rate falls, and the average of the weights."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.golden import golden
from tests.losses.draws import PRECISIONS
from workshop_lib.config import OptimConfig
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.model import encoder_parameters
from workshop_lib.training.optim import (
    OPTIMIZERS,
    Ema,
    build_optimizer,
    cosine_7_16,
    set_learning_rate,
    weight_decay_groups,
)

SCENE = {"scene": HeadSpec("categorical", 5)}


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
    for group, matrices in ((decay, True), (no_decay, False)):
        expected = {id(p) for p in model.parameters() if (p.ndim > 1) == matrices}
        assert {id(p) for p in group["params"]} == expected
        assert group["weight_decay"] == (0.1 if matrices else 0)


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
    expected = [attention.in_proj_weight, attention.out_proj.weight, shared.weight]
    assert {id(p) for p in decay} == {id(p) for p in expected} and len(decay) == 3
    # LayerNorm's scale is a matrix here: its type spares it, its shape would not
    assert len(no_decay) == 8
    trained = [p for p in model.parameters() if p.requires_grad]
    assert len(decay) + len(no_decay) == len(trained)


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
            assert group["weight_decay"] == decay and group["lr"] == config.lr
            assert {key: group[key] for key in expected} == expected
    plain = build_optimizer(model, OptimConfig(optimizer="sgd", sgd_momentum=0.0))
    assert not any(group["nesterov"] for group in plain.param_groups)
    with pytest.raises(WorkshopError, match="Did you mean 'adamw'"):
        build_optimizer(model, OptimConfig(optimizer="adanw"))


@pytest.mark.parametrize("case", range(4))
def test_golden_schedule(case: int) -> None:
    data = golden("schedule_cosine")
    assert int(data["n_cases"]) == 4
    base, warmup, total, steps, rates = (
        data[f"c{case}_{k}"] for k in ("base_lr", "warmup", "total", "step", "lr")
    )
    ours = [float(base) * cosine_7_16(int(s), int(total), int(warmup)) for s in steps]
    np.testing.assert_allclose(ours, rates, rtol=1e-8, atol=1e-12)


def test_a_warm_up_longer_than_the_training() -> None:
    assert cosine_7_16(5, 3, 10) == 0.5


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 4, bias=False)
        self.bn = nn.BatchNorm1d(4)


@pytest.mark.parametrize("case", [0, 1])
@PRECISIONS
def test_golden_ema(case: int, dtype: torch.dtype, rtol: float, atol: float) -> None:
    data = golden(f"ema_{case}")

    def load(model: nn.Module, step: int) -> None:
        model.load_state_dict(
            {k: torch.from_numpy(data[f"model{step}/{k}"]) for k in model.state_dict()}
        )

    model = Small().to(dtype)
    load(model, 0)
    ema = Ema(model, float(data["decay"]))
    ema.updates = 10**9  # the golden average has no warm-up
    for step in range(1, int(data["steps"]) + 1):
        load(model, step)
        ema.update(model)
        for name, ours in ema.model.state_dict().items():
            np.testing.assert_allclose(
                ours, data[f"ema{step}/{name}"], rtol=rtol, atol=atol
            )


def test_the_averages_warm_up_follows_its_formula() -> None:
    model = Small()
    ema = Ema(model, decay=0.5)
    expected = model.lin.weight.detach().clone()
    for t in range(12):
        nn.init.normal_(model.lin.weight)
        d = min(0.5, (1 + t) / (10 + t))
        ema.update(model)
        expected = d * expected + (1 - d) * model.lin.weight.detach()
    ours = dict(ema.model.named_parameters())
    torch.testing.assert_close(ours["lin.weight"].detach(), expected)


def test_the_average_of_a_constant_is_the_constant_and_leaves_it_alone() -> None:
    model = Small()
    before = copy.deepcopy(model.state_dict())
    ema = Ema(model, decay=0.9)
    for _ in range(5):
        ema.update(model)
    torch.testing.assert_close(ema.model.state_dict(), before, rtol=0, atol=0)
    nn.init.normal_(ema.model.get_parameter("lin.weight"))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.training and not ema.model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in ema.model.parameters())
