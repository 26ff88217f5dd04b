"""Every encoder, decoder and fusion on a GPU that is not there, in half precision.

Fake tensors compute shapes, types and devices but no numbers: a tensor that was left on
the CPU fails here as it would on a real GPU.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from tests.models.common import COVER, METADATA, SCENE, SENSORS
from workshop_lib.models import HeadSpec, Model, build_model
from workshop_lib.models.fusion import FUSIONS

SCENE_ENCODERS = [
    *("small_cnn", "wrn-10-1", "resnet18", "resnet50", "plain-8", "residual-8"),
    "vit-32",
    *("efficientnet_lite0", "efficientnet_b0", "vit_b_16"),
]
MAP_ENCODERS = [
    *("unet-4", "unet-resnet18", "unet-small_cnn", "unet-efficientnet_b0"),
    *("fcn-resnet18", "fcn-resnet18:8,16", "fcn-wrn-10-1", "fcn-efficientnet_lite0"),
]
HEADS = {**SCENE, "tags": HeadSpec("multilabel", 4), "height": HeadSpec("regression")}


def make_fake(model: Model, device: str) -> Model:
    """Give a model built without memory fake weights on a device."""
    for part in model.modules():
        for name, p in part.named_parameters(recurse=False):
            fake = torch.empty_strided(p.shape, p.stride(), device=device)
            part.register_parameter(name, torch.nn.Parameter(fake))
        for name, b in part.named_buffers(recurse=False):
            fake = torch.empty(b.shape, dtype=b.dtype, device=device)
            part.register_buffer(name, fake)
    return model


def cases():
    for encoder in (*SCENE_ENCODERS, *MAP_ENCODERS):
        for fusion in FUSIONS:
            deep = "small" not in encoder and "8" not in encoder.split("-")
            slow = deep and fusion != "late" and encoder != "unet-4"
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(encoder, fusion, marks=marks)


@pytest.mark.parametrize(("encoder", "fusion"), list(cases()))
def test_shapes_devices_and_gradients(encoder, fusion):
    if "lite0" in encoder:
        pytest.importorskip("efficientnet_lite_pytorch")
    dense = encoder in MAP_ENCODERS
    with torch.device("meta"):
        model = build_model(
            encoder,
            SENSORS,
            HEADS | (COVER if dense else {}),
            fusion=fusion,
            metadata=METADATA,
            projection_dim=8,
        )
    with FakeTensorMode():
        out = forward(make_fake(model, "cuda"), "cuda", dense)
        assert all(v.device.type == "cuda" for v in out.values())
        # Without a GPU, torch has no half precision and no backward pass there
        make_fake(model, "cpu").save_memory(checkpointing=True, micro_batch=2)
        with torch.autocast("cpu", torch.bfloat16):
            out = forward(model, "cpu", dense)
        assert out["projection"].dtype == torch.float32
        assert out["scene"].dtype == torch.bfloat16
        torch.stack([v.float().sum() for v in out.values()]).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def forward(model: Model, device: str, dense: bool) -> dict[str, torch.Tensor]:
    """Score four images without radar."""
    x = {
        "s2": torch.empty(4, 3, 40, 33, device=device),
        "metadata": torch.empty(4, METADATA, device=device),
    }
    out = model(x)
    out.pop("context")
    shapes = {"scene": (4, 5), "tags": (4, 4), "height": (4,), "projection": (4, 8)}
    shapes |= {"cover": (4, 3, 40, 33)} if dense else {}
    assert {k: tuple(v.shape) for k, v in out.items()} == shapes
    return out
