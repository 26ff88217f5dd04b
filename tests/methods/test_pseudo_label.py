"""Pseudo-Label against a loop twin, and its promises."""

import math

import pytest
import torch
from torch import Tensor

from workshop_lib.methods import Batch, PseudoLabel
from workshop_lib.methods.pseudo_label import pseudo_label_loss
from workshop_lib.models import build_model


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("B", "N", "K"), [(1, 1, 2), (3, 7, 4), (2, 5, 6)])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 1.1])  # all, some, none confident
def test_loop_twin(B: int, N: int, K: int, threshold: float) -> None:
    x, u, y = draw(B, K), draw(N, K, seed=1), torch.arange(B) % K
    loss_u = 0.0
    for row in u.tolist():
        top = max(math.exp(v) for v in row) / sum(math.exp(v) for v in row)
        loss_u -= math.log(top) / N if top >= threshold else 0
    terms = pseudo_label_loss(x, y, u, threshold, lambda_u=3.0)
    assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
    expected = terms.parts["loss_x"].item() + 3 * loss_u
    assert terms.total.item() == pytest.approx(expected)


def test_the_view_that_is_asked_is_the_one_that_learns() -> None:
    u = draw(6, 3, seed=1).requires_grad_()
    terms = pseudo_label_loss(draw(2, 3), torch.tensor([0, 1]), u, threshold=0.6)
    terms.total.backward()
    assert u.grad is not None and terms.mask is not None
    one_hot = torch.nn.functional.one_hot(u.argmax(1), 3)
    # only as a prediction: the gradient of a cross-entropy with a constant target
    expected = terms.mask[:, None] * (u.detach().softmax(1) - one_hot) / 6
    torch.testing.assert_close(u.grad, expected)


def test_unlabeled_images_wait_for_the_ramp() -> None:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=3).eval()
    batch = Batch(
        (torch.randn(2, 3, 8, 8),), torch.tensor([0, 1]), (torch.randn(4, 3, 8, 8),)
    )
    method = PseudoLabel(num_classes=3, steps=10, threshold=0.0, ramp_up=0.2)
    for weight in (0.0, 0.5, 1.0, 1.0):
        terms = method(model, batch)
        expected = terms.parts["loss_x"] + weight * terms.parts["loss_u"]
        torch.testing.assert_close(terms.total.detach(), expected)
        method.after_step(model)
