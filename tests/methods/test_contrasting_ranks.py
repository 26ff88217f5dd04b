"""Two processes learn from a batch what one learns from the whole of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn

from workshop_lib.methods import Batch, build_method
from workshop_lib.models.heads import Classifier, ProjectionHead
from workshop_lib.ranks import mean_over_ranks
from workshop_lib.recipe import Recipe

METHODS = ("comatch", "ccssl", "ccssl_comatch")
STEPS, B, MU, K = 7, 4, 2, 3  # the memory is full after five


def network() -> Classifier:
    """No batch normalisation: its statistics are another matter."""
    torch.manual_seed(0)
    return Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 8), nn.Tanh()),
        in_channels=3,
        feature_dim=8,
        num_classes=K,
        projection=ProjectionHead(8, 8, 4),
    ).double()


def part_of(step: int, rank: int, world: int) -> Batch:
    """Rows rank, rank + world, ... of the global batch of a step."""
    generator = torch.Generator().manual_seed(step)

    def view(n: int) -> Tensor:
        images = torch.randn(n, 3, 4, 4, generator=generator, dtype=torch.float64)
        return images[rank::world]

    return Batch(
        (view(B),),
        (torch.arange(B) % K)[rank::world],
        tuple(view(MU * B) for _ in range(3)),
    )


def train(name: str, rank: int, world: int) -> dict[str, Tensor]:
    """Some steps of plain gradient descent on the ranks' mean gradient."""
    recipe = Recipe(method=name, batch_size=B, mu=MU, projection_dim=4, threshold=0.4)
    model, method = network(), build_method(recipe, num_classes=K).double()
    losses = []
    for step in range(STEPS):
        model.zero_grad()
        total = method(model, part_of(step, rank, world)).total
        total.backward()
        losses.append(mean_over_ranks(total))
        with torch.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter -= 0.5 * mean_over_ranks(parameter.grad)
    return {"losses": torch.stack(losses), **model.state_dict(), **method.state_dict()}


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_gloo_available(), reason="needs gloo")
def test_two_ranks_equal_one(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), "2", str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in ranks:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    for name in METHODS:
        one = train(name, 0, 1)
        for rank in range(2):
            many = torch.load(tmp_path / f"{name}_{rank}.pt", weights_only=True)
            assert many.keys() == one.keys()
            for key, value in one.items():
                torch.testing.assert_close(
                    many[key], value, rtol=1e-9, atol=1e-9, msg=f"{name}: {key}"
                )


if __name__ == "__main__":
    rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    distributed.init_process_group(
        "gloo",
        init_method=(folder / "meeting").as_uri(),
        rank=rank,
        world_size=world,
    )
    for name in METHODS:
        torch.save(train(name, rank, world), folder / f"{name}_{rank}.pt")
    distributed.destroy_process_group()
