"""Every method on every kind of network and head, on a GPU that is not there.

Fake tensors compute shapes, types and devices but no numbers: a tensor that was left on
the CPU, or a number that is read back, fails here as it would slow a real GPU down.
"""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.models.test_fake_gpu import make_fake
from workshop_lib.methods import METHODS, Batch, Method, TrainingSize
from workshop_lib.models import HeadSpec, Model, build_model

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


def fake_batch(method: Method, model: Model, size: int) -> Batch:
    def views(n: int, names: tuple[str, ...]) -> tuple:
        shapes = {"s2": (n, 3, size, size)}
        shapes |= {"metadata": (n, 2)} if method.withholds_metadata else {}
        one = {k: torch.empty(shape, device="cuda") for k, shape in shapes.items()}
        return tuple(dict(one) for _ in names)

    targets = {
        "scene": torch.zeros(B, dtype=torch.int64, device="cuda"),
        "height": torch.empty(B, device="cuda"),
        "tags": torch.empty(B, 3, device="cuda"),
        "cover": torch.zeros(B, size, size, dtype=torch.uint8, device="cuda"),
    }
    return Batch(
        views(B, method.labeled_views),
        {name: targets[name] for name in model.heads},
        views(MU * B, method.views),
        torch.zeros(MU * B, dtype=torch.int64, device="cuda"),
    )


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", METHODS)
def test_losses_stay_on_the_device(name: str, encoder: str) -> None:
    cls = METHODS[name]
    with torch.device("meta"):
        heads = SCENE if cls.needs_projection else ENCODERS[encoder]
        more = {"projection_dim": 8 if cls.needs_projection else 0}
        more |= {"metadata": 2} if cls.withholds_metadata else {}
        model = build_model(encoder, {"s2": 3}, heads, **more)
        method = copy.deepcopy(cls())
        method.setup(model, TrainingSize(IMAGES, IMAGES, B, MU, 10))
    size = 32 if "efficient" in encoder else SIZE
    with FakeTensorMode():
        make_fake(model, "cuda")
        make_fake(method, "cuda")
        terms = dict(method.losses(model, fake_batch(method, model, size)))
        method.after_step(model)
        kept: list[nn.Module] = [model, method]
        state = [t for part in kept for t in part.state_dict().values()]
        for value in [*terms.values(), *method.log.values(), *state]:
            assert value.device.type == "cuda"
        assert all(term.dtype == torch.float32 for term in terms.values())
        assert all(term.ndim == 0 for term in terms.values())
