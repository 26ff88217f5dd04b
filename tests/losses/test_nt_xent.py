"""NT-Xent against golden numbers and what it promises."""

from pathlib import Path

import numpy as np
import pytest
import torch

from workshop_lib.losses.nt_xent import matching_accuracy, nt_xent

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)],
)
def test_golden(case: int, dtype: torch.dtype, rtol: float, atol: float) -> None:
    data = np.load(GOLDEN / "ntxent.npz")
    assert data["n_cases"] == 5
    z0, z1 = (
        torch.from_numpy(data[f"c{case}_z{view}"]).to(dtype).requires_grad_()
        for view in (0, 1)
    )
    loss = nt_xent(z0, z1, float(data[f"c{case}_temperature"]))
    loss.backward()
    assert z0.grad is not None and z1.grad is not None
    for ours, key in (
        (loss, "loss"),
        (loss, "loss_mommert"),
        (z0.grad, "grad_z0"),
        (z1.grad, "grad_z1"),
    ):
        expected = data[f"c{case}_{key}"]
        np.testing.assert_allclose(ours.detach(), expected, rtol=rtol, atol=atol)
    expected = data[f"c{case}_matching_accuracy"]
    assert matching_accuracy(z0, z1).item() == pytest.approx(expected)


def test_length_of_an_embedding_does_not_matter() -> None:
    z0, z1 = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(nt_xent(3 * z0, 0.1 * z1), nt_xent(z0, z1))


def test_a_batch_of_one_has_nothing_to_tell_apart() -> None:
    z = torch.tensor([[1.0, 2.0]])
    assert nt_xent(z, -z) == 0
    assert matching_accuracy(z, -z) == 1


def test_a_zero_vector_gives_no_nan() -> None:
    z = torch.zeros(3, 2, requires_grad=True)
    loss = nt_xent(z, torch.eye(3, 2))
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None and z.grad.isfinite().all()


def test_it_keeps_float32_under_autocast() -> None:
    z0, z1 = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    plain = nt_xent(z0, z1, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent(z0, z1, 0.1), plain)
