"""The training step: what every step of every method does, in one function."""

__all__ = ["random_numbers_of", "training_step"]

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from workshop_lib.methods import Batch, Method
from workshop_lib.models import Model
from workshop_lib.ranks import rank
from workshop_lib.training.distributed import average_gradients
from workshop_lib.training.precision import Precision


def training_step(
    model: Model,
    method: Method,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    precision: Precision,
    scaler: torch.amp.GradScaler,
    after_forward: Callable[[], None] | None = None,
) -> dict[str, Tensor]:
    """Take one step: forward pass, loss, backward pass, update of the weights.

    Returns:
        The terms of the loss by name, and "loss", their sum. Nothing is read back.
    """
    method.log, terms = {}, dict[str, Tensor]()
    with precision.autocast():
        for name, term in method.losses(model, batch):
            terms[name] = terms[name] + term if name in terms else term
        loss = torch.stack(list(terms.values())).sum()
    if after_forward is not None:
        after_forward()
    scaler.scale(loss).backward()  # fp16 only: its small gradients would vanish
    average_gradients(model)
    scaler.step(optimizer)
    scaler.update()
    return {"loss": loss, **terms}


@contextmanager
def random_numbers_of(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Let dropout draw what belongs to a step, and leave the caller's numbers alone.

    Dropout knows no generator but torch's global one, which no checkpoint holds: drawn
    from the number of the step, a resumed training drops what it would have dropped.
    Each rank draws its own.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed((seed << 32) + (step << 8) + rank() % 256)
        yield
