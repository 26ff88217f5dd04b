"""One of several processes that share a batch; run by test_ranks.py.

    python rank_steps.py RANK WORLD_SIZE FOLDER

Takes three steps of each method with a memory on this rank's rows of a fixed global
batch, and writes losses, gradients and memories to FOLDER.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from workshop_lib.losses import DistributionAlignment
from workshop_lib.methods import LossTerms
from workshop_lib.methods.adamatch import adamatch_loss
from workshop_lib.methods.fixmatch import fixmatch_loss
from workshop_lib.methods.flexmatch import CurriculumThreshold, flexmatch_loss
from workshop_lib.methods.freematch import SelfAdaptiveThreshold, freematch_loss
from workshop_lib.methods.softmatch import GaussianWeight, softmatch_loss

B, N, K, STEPS = 4, 12, 3, 3


def memories() -> dict[str, nn.Module]:
    """What each method remembers, fresh."""
    return {
        "fixmatch": DistributionAlignment(K, 0.5),
        "flexmatch": CurriculumThreshold(K, 20, 20, 0.7),
        "freematch": SelfAdaptiveThreshold(K, 0.5),
        "freematch_quantile": SelfAdaptiveThreshold(K, 0.5, quantile=True),
        "softmatch": GaussianWeight(K, 0.5),
        "adamatch": DistributionAlignment(K, 0.5, "labeled", "first batch"),
    }


def loss(
    name: str,
    memory: nn.Module,
    x: Tensor,
    y: Tensor,
    w: Tensor,
    s: Tensor,
    index: Tensor,
) -> LossTerms:
    """One step of a method."""
    if isinstance(memory, CurriculumThreshold):
        return flexmatch_loss(x, y, w, s, index, memory)
    if isinstance(memory, SelfAdaptiveThreshold):
        return freematch_loss(x, y, w, s, memory, lambda_e=0.5)
    if isinstance(memory, GaussianWeight):
        return softmatch_loss(x, y, w, s, memory)
    assert isinstance(memory, DistributionAlignment)
    if name == "adamatch":
        return adamatch_loss(x, y, w, s, memory, 0.7)
    return fixmatch_loss(x, y, w, s, 0.6, align=memory)


def main(rank: int, world: int, folder: Path) -> None:
    """Take the steps; the rows of this rank are rank, rank + world, ..."""
    torch.set_default_dtype(torch.float64)
    if world > 1:
        address = f"file://{(folder / 'meeting').resolve()}"
        distributed.init_process_group(
            "gloo", init_method=address, rank=rank, world_size=world
        )
    mine: dict[str, list[Tensor]] = {}
    for name, memory in memories().items():
        mine[name] = []
        for step in range(STEPS):
            g = torch.Generator().manual_seed(step)
            x, w, s = (2 * torch.randn(n, K, generator=g) for n in (B, N, N))
            index = torch.randperm(20, generator=g)[:N]
            x, s = (part[rank::world].clone().requires_grad_() for part in (x, s))
            y = (torch.arange(B) % K)[rank::world]
            terms = loss(name, memory, x, y, w[rank::world], s, index[rank::world])
            terms.total.backward()
            assert x.grad is not None and s.grad is not None
            mine[name] += [terms.total.detach(), x.grad, s.grad]
            mine[name] += [buffer.clone() for buffer in memory.buffers()]
    torch.save(mine, folder / f"{world}-{rank}.pt")
    if world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
