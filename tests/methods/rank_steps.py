"""One of several processes that share a batch; run by test_distributed.py.

    python -m tests.methods.rank_steps FOLDER

RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say which process this is.
Takes some steps of every method on this rank's rows of a fixed global batch, by plain
gradient descent on the ranks' mean gradient, and writes losses, weights and memories.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tests.methods.given import made, ready
from tests.methods.networks import WIDTH, batch_for, small_model
from workshop_lib.methods import METHODS, Method
from workshop_lib.models import Model
from workshop_lib.models.class_heads import Categorical, MultiLabel
from workshop_lib.models.heads import Regression
from workshop_lib.ranks import mean_over_ranks, process_group, rank, world_size
from workshop_lib.sample import take

B, MU, STEPS = 4, 2, 5  # a memory is full after two steps
USUAL = {"threshold": 0.4, "momentum": 0.5, "alignment": True, "queue_batches": 2}
MORE = {"freematch": {"lambda_e": 0.5}, "pseudo_label": {"ramp_up": 0.5}}


def prepared(name: str) -> tuple[Method, Model]:
    """A method and a network with every kind of head that the method can learn."""
    torch.manual_seed(0)
    cls = METHODS[name]
    heads = {"scene": Categorical(WIDTH, 3), "height": Regression(WIDTH)}
    if not cls.needs_projection:
        heads["tags"] = MultiLabel(WIDTH, 3, thresholds=(0.3, 0.55))
        heads["cover"] = Categorical((WIDTH,), 3, dense=True, loss="cross_entropy+dice")
    model = small_model(heads, projection=4 if cls.needs_projection else 0)
    method = made(name, **{**USUAL, **MORE.get(name, {})})
    return ready(method, model, 20, 20, B, MU, STEPS), model


def train(name: str, me: int, world: int) -> dict[str, Tensor]:
    """Return losses, logs, weights and memories after all steps."""
    method, model = prepared(name)
    rows = slice(me, None, world)
    found = {}
    for step in range(STEPS):
        batch = batch_for(method, model, B, MU, seed=step)
        targets = batch.targets
        targets["scene"][step % B] = -1  # what is known is not equally many on all
        targets["height"][(step + 1) % B] = torch.nan
        if "tags" in targets:
            targets["tags"][step % B, 1:] = torch.nan
            targets["cover"][step % B, 1:] = 255
        order = torch.randperm(20, generator=torch.Generator().manual_seed(step))
        mine = replace(
            batch,
            labeled=tuple(take(x, rows) for x in batch.labeled),
            targets=take(targets, rows),
            views=tuple(take(x, rows) for x in batch.views),
            index=order[: B * MU][rows],
        )
        model.zero_grad(), method.zero_grad()
        loss = torch.stack([term for _, term in method.losses(model, mine)]).sum()
        loss.backward()
        found[f"loss {step}"] = mean_over_ranks(loss)
        for key, value in method.log.items():
            found[f"{key} {step}"] = mean_over_ranks(value.double())
        with torch.no_grad():
            for parameter in (*model.parameters(), *method.parameters()):
                if parameter.grad is not None:
                    parameter -= 0.3 * mean_over_ranks(parameter.grad)
        method.after_step(model)
    return {**found, **model.state_dict(), **method.state_dict(prefix="method.")}


def main(folder: Path) -> None:
    """Take the steps; the rows of this rank are rank, rank + world, ..."""
    torch.set_default_dtype(torch.float64)
    with process_group():
        me, all_ranks = rank(), world_size()
        found = {name: train(name, me, all_ranks) for name in METHODS}
        torch.save(found, folder / f"{all_ranks}-{me}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
