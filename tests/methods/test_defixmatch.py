"""DeFixMatch against a loop twin, and its promises."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses import DistributionAlignment
from workshop_lib.methods import Batch, DeFixMatch
from workshop_lib.methods.defixmatch import defixmatch_loss
from workshop_lib.models import build_model


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def slow_softmax(row: list[float]) -> list[float]:
    weights = [math.exp(v) for v in row]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(("B", "N", "K"), [(1, 1, 2), (3, 7, 4), (2, 5, 6)])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 1.1])  # all, some, none confident
def test_loop_twin(B: int, N: int, K: int, threshold: float) -> None:
    x_w, x_s = draw(B, K), draw(B, K, seed=1)
    u_w, u_s, y = draw(N, K, seed=2), draw(N, K, seed=3), torch.arange(B) % K

    def h(weak: Tensor, strong: Tensor) -> float:
        q, p = slow_softmax(weak.tolist()), slow_softmax(strong.tolist())
        return -math.log(p[q.index(max(q))]) if max(q) >= threshold else 0.0

    loss_x = sum(
        -math.log(slow_softmax(view[b].tolist())[y[b]]) / (2 * B)
        for b in range(B)
        for view in (x_w, x_s)
    )
    loss_u = sum(h(u_w[i], u_s[i]) for i in range(N)) / N
    anti = sum(h(x_w[b], x_s[b]) for b in range(B)) / B
    terms = defixmatch_loss(x_w, x_s, y, u_w, u_s, threshold, 0.3)
    assert terms.total.item() == pytest.approx(loss_x + 0.3 * (loss_u - anti))
    assert terms.parts["loss_anti"].item() == pytest.approx(anti)


def test_labeled_images_in_both_places_cancel() -> None:
    # the same images labeled and unlabeled: what is left is the supervised loss
    w, s, y = draw(4, 3), draw(4, 3, seed=1), torch.tensor([0, 1, 2, 0])
    terms = defixmatch_loss(w, s, y, w, s, threshold=0.5)
    expected = (F.cross_entropy(w, y) + F.cross_entropy(s, y)) / 2
    torch.testing.assert_close(terms.total, expected)


def test_known_labels_cancel_in_the_strong_view_at_one_half() -> None:
    y = torch.tensor([0, 1, 2])
    known, strong = 20 * F.one_hot(y).double(), draw(3, 3).requires_grad_()
    u = draw(2, 3, seed=1)
    defixmatch_loss(known, strong, y, u, u, lambda_u=0.5).total.backward()
    assert strong.grad is not None
    torch.testing.assert_close(strong.grad, torch.zeros(3, 3).double())


def test_labeled_images_do_not_enter_the_alignment() -> None:
    torch.manual_seed(0)
    align, alone = DistributionAlignment(3), DistributionAlignment(3)
    u = draw(5, 3).float()
    x = draw(2, 3, seed=1).float()
    defixmatch_loss(x, x, torch.tensor([0, 1]), u, u, align=align)
    alone(u.softmax(1))
    assert torch.equal(align.average, alone.average)


def test_it_asks_for_both_views_of_labeled_images() -> None:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=2)
    x, y = torch.randn(2, 3, 8, 8), torch.tensor([0, 1])
    with pytest.raises(WorkshopError, match="needs two, x_lab=.weak, strong"):
        DeFixMatch(num_classes=2)(model, Batch((x,), y, (x, x)))
