"""Every method on every kind of network and head, on a GPU that is not there.

Fake tensors compute shapes, types and devices but no numbers: a tensor that was left on
the CPU, or a number that is read back, fails here as it would slow a real GPU down.
"""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map

from tests.methods.networks import batch_for, built_for
from tests.models.test_fake_gpu import make_fake
from workshop_lib.methods import METHODS, Batch, TrainingSize
from workshop_lib.models import HeadSpec

B, MU, SIZE, IMAGES = 4, 2, 16, 20
SCENE = {"scene": HeadSpec("categorical", 3)}
ALL = {**SCENE, "height": HeadSpec("regression"), "tags": HeadSpec("multilabel", 3)}
MAPS = {**ALL, "cover": HeadSpec("dense", 3)}
ENCODERS = {
    **dict.fromkeys(
        ("small_cnn", "wrn-10-1", "resnet18", "vit-8", "efficientnet_b0"), ALL
    ),
    **dict.fromkeys(("unet-4", "unet-small_cnn", "fcn-wrn-10-1"), MAPS),
}


def on_gpu(tree: Any) -> Any:
    """Keep the shapes and types of some tensors, on another device."""
    return tree_map(lambda t: torch.empty(t.shape, dtype=t.dtype, device="cuda"), tree)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", METHODS)
def test_losses_stay_on_the_device(name: str, encoder: str) -> None:
    cls = METHODS[name]
    with torch.device("meta"):
        heads = SCENE if cls.needs_projection else ENCODERS[encoder]
        model = built_for(cls, encoder, heads)
        method = copy.deepcopy(cls())
        method.setup(model, TrainingSize(IMAGES, IMAGES, B, MU, 10))
    size = 32 if "efficient" in encoder else SIZE
    batch = batch_for(method, model, B, MU, size=size)
    with FakeTensorMode():
        make_fake(model, "cuda")
        make_fake(method, "cuda")
        parts = on_gpu((batch.labeled, batch.targets, batch.views, batch.index))
        terms = dict(method.losses(model, Batch(*parts)))
        method.after_step(model)
        kept: list[nn.Module] = [model, method]
        state = [t for part in kept for t in part.state_dict().values()]
        for value in [*terms.values(), *method.log.values(), *state]:
            assert value.device.type == "cuda"
        assert all(term.dtype == torch.float32 for term in terms.values())
        assert all(term.ndim == 0 for term in terms.values())
