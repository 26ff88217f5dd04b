"""The memory of pseudo-labels against loops, and when it may be asked."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.memory import PseudoLabelMemory


def unit(N: int, D: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(N, D, generator=generator, dtype=torch.float64)
    return F.normalize(z, dim=1)


def probabilities(N: int, K: int, seed: int) -> Tensor:
    return (3 * unit(N, K, seed)).softmax(1)


@pytest.mark.parametrize(("N", "D", "K", "size"), [(1, 2, 2, 1), (3, 4, 5, 6)])
def test_a_full_memory_smooths_like_its_loop(N: int, D: int, K: int, size: int) -> None:
    memory = PseudoLabelMemory(size, D, K).double()
    known_z, known_p = unit(size, D, 0), probabilities(size, K, 1)
    memory.push(known_z, known_p)
    z, probs = unit(N, D, 2), probabilities(N, K, 3)
    smoothed = memory.smooth(probs, z, weight=0.7, temperature=0.3)
    for i in range(N):
        near = [math.exp(sum((z[i] * known_z[k]).tolist()) / 0.3) for k in range(size)]
        for c in range(K):
            recalled = sum(a * known_p[k, c].item() for k, a in enumerate(near))
            expected = 0.7 * probs[i, c].item() + 0.3 * recalled / sum(near)
            assert smoothed[i, c].item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(smoothed.sum(1), torch.ones(N).double())


def test_a_memory_that_is_not_full_is_not_asked() -> None:
    memory = PseudoLabelMemory(5, 3, 2).double()
    z, probs = unit(4, 3, 0), probabilities(4, 2, 1)
    for pushed in range(5):  # 0, 1, ..., 4 rows of 5
        assert torch.equal(memory.smooth(probs, z), probs), pushed
        memory.push(z[:1], probs[:1])
    assert not torch.equal(memory.smooth(probs, z), probs)


def test_when_it_is_asked_can_be_overruled() -> None:
    memory = PseudoLabelMemory(4, 3, 2).double()
    z, probs = unit(4, 3, 0), probabilities(4, 2, 1)
    memory.push(z[:2], probs[:2])
    smoothed = memory.smooth(probs, z, ready=True)
    # the two empty rows take a share of the softmax and give nothing for it
    assert (smoothed.sum(1) < 1).all()
    memory.push(z, probs)
    assert torch.equal(memory.smooth(probs, z, ready=False), probs)


def test_a_zero_embedding_recalls_the_mean() -> None:
    memory = PseudoLabelMemory(3, 2, 2).double()
    memory.push(unit(3, 2, 0), probabilities(3, 2, 1))
    probs = torch.tensor([[0.5, 0.5]]).double()
    smoothed = memory.smooth(probs, torch.zeros(1, 2).double(), weight=0.0)
    torch.testing.assert_close(smoothed[0], memory.probs.mean(0))


def test_no_gradient_reaches_what_is_remembered() -> None:
    memory = PseudoLabelMemory(2, 2, 2).double()
    z, probs = unit(2, 2, 0).requires_grad_(), probabilities(2, 2, 1).requires_grad_()
    memory.push(z, probs)
    assert not memory.smooth(probs, z).requires_grad
    assert not memory.embeddings.requires_grad


def test_similarities_keep_float32_under_autocast() -> None:
    memory = PseudoLabelMemory(8, 16, 3)
    memory.push(unit(8, 16, 0), probabilities(8, 3, 1))
    z, probs = unit(4, 16, 2).float(), probabilities(4, 3, 3).float()
    plain = memory.smooth(probs, z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(memory.smooth(probs, z), plain)


def test_embeddings_of_another_width_are_told() -> None:
    with pytest.raises(WorkshopError, match=r"\(2, 7\) given to a memory of \(n, 5\)"):
        PseudoLabelMemory(4, 3, 2).push(unit(2, 5, 0), probabilities(2, 2, 1))
