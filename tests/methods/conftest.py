"""Replaying what other implementations returned, step by step."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from workshop_lib.methods import LossTerms

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass
class Replay:
    """A golden file, a number format, and how near one has to come in it."""

    dtype: torch.dtype
    rtol: float
    atol: float

    def load(self, name: str) -> dict[str, Any]:
        return dict(np.load(GOLDEN / f"{name}.npz"))

    def same(self, ours: Tensor, theirs: np.ndarray) -> None:
        assert ours.dtype in (self.dtype, torch.int64)
        assert tuple(ours.shape) == theirs.shape
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs, rtol=self.rtol, atol=self.atol
        )

    def check(
        self,
        data: dict[str, Any],
        loss: Callable[..., LossTerms],
        states: dict[str, Callable[[], Tensor]],
        exact_mask: bool = True,
    ) -> None:
        """Take all steps; compare loss, parts, mask, labels, gradients, states.

        `loss(x, y, u_w, u_s, step)` computes one step; `states` reads by golden name
        what it remembers afterwards.
        """
        for step in range(len(data["loss"])):
            x, u_w, u_s = (
                torch.from_numpy(data[key][step]).to(self.dtype).requires_grad_()
                for key in ("logits_x", "logits_u_w", "logits_u_s")
            )
            terms = loss(x, torch.from_numpy(data["y"][step]), u_w, u_s, step)
            terms.total.backward()
            self.same(terms.total, data["loss"][step])
            self.same(terms.parts["loss_x"], data["Lx"][step])
            self.same(terms.parts["loss_u"], data["Lu"][step])
            assert terms.mask is not None and terms.pseudo_labels is not None
            if exact_mask:
                np.testing.assert_array_equal(terms.mask, data["mask"][step])
            else:
                self.same(terms.mask, data["mask"][step])
            np.testing.assert_array_equal(
                terms.pseudo_labels, data["pseudo_label"][step]
            )
            assert u_w.grad is None and not data["grad_logits_u_w"][step].any()
            assert u_s.grad is not None
            self.same(u_s.grad, data["grad_logits_u_s"][step])
            for key, read in states.items():
                self.same(read(), data[key][step])


@pytest.fixture(params=["fp64", "fp32"])
def replay(request: pytest.FixtureRequest) -> Any:
    """Golden files in double and single precision, also for what a method remembers."""
    double = request.param == "fp64"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if double else torch.float32)
    yield (
        Replay(torch.float64, 1e-8, 1e-9)
        if double
        else Replay(torch.float32, 1e-5, 1e-6)
    )
    torch.set_default_dtype(before)
