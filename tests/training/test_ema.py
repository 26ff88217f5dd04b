"""The averaged weights against golden numbers and their own promises."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from workshop_lib.errors import WorkshopError
from workshop_lib.training.ema import Ema

GOLDEN = Path(__file__).parents[1] / "golden"


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 4, bias=False)
        self.bn = nn.BatchNorm1d(4)


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)],
)
def test_golden(case: int, dtype: torch.dtype, rtol: float, atol: float) -> None:
    data = np.load(GOLDEN / f"ema_{case}.npz")

    def load(model: nn.Module, step: int) -> None:
        model.load_state_dict(
            {k: torch.from_numpy(data[f"model{step}/{k}"]) for k in model.state_dict()}
        )

    model = Small().to(dtype)
    load(model, 0)
    ema = Ema(model, float(data["decay"]), warmup=False)
    for step in range(1, int(data["steps"]) + 1):
        load(model, step)
        ema.update(model)
        for name, ours in ema.model.state_dict().items():
            np.testing.assert_allclose(
                ours, data[f"ema{step}/{name}"], rtol=rtol, atol=atol
            )


def moved(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator))


def test_warm_up_follows_its_formula() -> None:
    model = Small()
    ema = Ema(model, decay=0.5)
    expected = model.lin.weight.detach().clone()
    ours = dict(ema.model.named_parameters())
    for t in range(12):
        moved(model, t)
        d = min(0.5, (1 + t) / (10 + t))
        assert ema.current_decay() == d
        ema.update(model)
        expected = d * expected + (1 - d) * model.lin.weight.detach()
    torch.testing.assert_close(ours["lin.weight"].detach(), expected)
    assert ema.current_decay() == 0.5


def test_the_average_of_a_constant_is_the_constant() -> None:
    model = Small()
    ema = Ema(model, decay=0.9)
    for _ in range(5):
        ema.update(model)
    for ours, theirs in zip(ema.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_decay_zero_follows_the_model() -> None:
    model = Small()
    ema = Ema(model, decay=0.0)
    moved(model, 0)
    ema.update(model)
    torch.testing.assert_close(ema.model.state_dict(), model.state_dict())


def test_the_model_in_training_is_left_alone() -> None:
    model = Small()
    before = copy.deepcopy(model.state_dict())
    ema = Ema(model, decay=0.9)
    moved(ema.model, 1)
    torch.testing.assert_close(model.state_dict(), before)
    assert model.training
    assert not ema.model.training
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in ema.model.parameters())


def test_resumed_is_the_same_as_never_stopped() -> None:
    model = Small()
    ema = Ema(model, decay=0.9)
    for t in range(3):
        moved(model, t)
        ema.update(model)
    resumed = Ema(Small(), decay=0.9)
    resumed.load_state_dict(copy.deepcopy(ema.state_dict()))
    for t in range(3, 6):
        moved(model, t)
        ema.update(model)
        resumed.update(model)
    assert resumed.updates == ema.updates == 6
    for ours, theirs in zip(
        resumed.model.state_dict().values(),
        ema.model.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_decay_out_of_range(decay: float) -> None:
    with pytest.raises(WorkshopError, match="ema_decay"):
        Ema(Small(), decay)
