"""Checkpointing and micro-batches: less memory, the same loss, for every method."""

import pytest
import torch

from tests.methods.given import made, ready
from tests.methods.networks import batch_for, built_for
from workshop_lib.methods import METHODS
from workshop_lib.models import HeadSpec, Model

MAPS = {"cover": HeadSpec("dense", 3)}
HEADS = {"scene": HeadSpec("categorical", 3), "height": HeadSpec("regression")}


def two_steps(
    name, checkpointing, micro_batch, train, encoder="small_cnn", dtype=torch.float64
):
    """Terms and gradients of two steps, and what is remembered after them."""
    cls = METHODS[name]
    torch.manual_seed(0)
    heads = HEADS | (MAPS if encoder.startswith(("unet", "fcn")) else {})
    model = built_for(cls, encoder, heads)
    method = made(name, threshold=0.34, ramp_up=0.0, queue_batches=2)
    ready(method, model, 20, 20, batch_size=4, mu=2, steps=4).to(dtype)
    model.to(dtype)
    for part in [*model.modules(), *method.modules()]:  # a teacher too
        if isinstance(part, Model):
            part.save_memory(checkpointing=checkpointing, micro_batch=micro_batch)
    model.train(train), method.train(train)
    numbers = []
    for seed in range(2):  # the second with what was remembered of the first
        model.zero_grad(), method.zero_grad()
        batch = batch_for(method, model, seed=seed, size=16)
        for view in (*batch.labeled, *batch.views):
            view.update({name: values.to(dtype) for name, values in view.items()})
        terms = [term for _, term in method.losses(model, batch)]
        torch.stack(terms).sum().backward()
        method.after_step(model)
        trained = (*model.parameters(), *method.parameters())
        gradients = [p.grad.clone() for p in trained if p.grad is not None]
        numbers += [*(term.detach() for term in terms), *gradients]
    return [*numbers, *model.state_dict().values(), *method.state_dict().values()]


@pytest.mark.parametrize("name", METHODS)
def test_without_batch_statistics_micro_batches_change_nothing(name: str) -> None:
    whole, parts = (two_steps(name, *how, False) for how in ((False, 0), (True, 5)))
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        *((name, "small_cnn") for name in METHODS),
        *(("fixmatch", e) for e in ("wrn-10-1", "resnet18", "unet-4", "vit-8")),
    ],
)
def test_checkpointing_changes_no_bit_in_training(name: str, encoder: str) -> None:
    """Running statistics too: what is computed twice is counted once."""
    whole, again = (
        two_steps(name, on, 0, True, encoder, torch.float32) for on in (False, True)
    )
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
