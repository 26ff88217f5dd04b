"""The networks of the first edition and of the second compute the same.

While both exist; goes with the first.
"""

import pytest
import torch

from tests.next.models.common import SENSORS, count, images
from workshop_lib.channels import groups
from workshop_lib.models import build_model as first_edition
from workshop_lib.next.models import HeadSpec, build_model

BANDS = ("s2:B04", "s2:B08", "s2:B11", "s1:VV", "s1:VH")
SCENES = ["small_cnn", "wrn-10-1", "resnet18", "plain-8", "residual-8"]
MAPS = ["unet-4", "fcn-resnet18:8,16"]
CASES = [(name, False, 0) for name in [*SCENES, "mlp-8"]]
CASES += [("small_cnn", False, 8)]
CASES += [(name, True, 0) for name in MAPS]


def pair(name, dense, projection, channels=5, fusion=""):
    torch.manual_seed(0)
    more = {"modalities": groups(BANDS), "fusion": fusion} if fusion else {}
    old = first_edition(
        name, in_channels=channels, num_classes=3, projection_dim=projection, **more
    )
    sensors = SENSORS if fusion else {"x": channels}
    head = HeadSpec("dense" if dense else "categorical", 3)
    new = build_model(
        name,
        sensors,
        {"head": head},
        projection_dim=projection,
        fusion=fusion or "early",
    )
    ours = [p for n, p in new.named_parameters() if ".missing." not in n]
    theirs = [
        p
        for n, p in old.named_parameters()
        if not n.endswith(("fill.value", "0.value"))
    ]
    with torch.no_grad():
        for a, b in zip(ours, theirs, strict=True):
            a.copy_(b)
    assert count(old) == count(new)
    return old.double(), new.double(), list(zip(ours, theirs, strict=True))


def same(old, new, parameters, x, sample):
    torch.manual_seed(1)
    theirs = old(x)
    torch.manual_seed(1)
    ours = new(sample)
    close = {"rtol": 1e-7, "atol": 1e-8}
    torch.testing.assert_close(ours["head"], theirs.logits, **close)
    loss_ours, loss_theirs = ours["head"].square().sum(), theirs.logits.square().sum()
    if "projection" in ours:
        torch.testing.assert_close(ours["projection"], theirs.embedding, **close)
        weights = images(*theirs.embedding.shape, seed=5).double()
        loss_ours = loss_ours + (ours["projection"] * weights).sum()
        loss_theirs = loss_theirs + (theirs.embedding * weights).sum()
    loss_ours.backward()
    loss_theirs.backward()
    for a, b in parameters:
        if b.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, **close)
    old.eval(), new.eval()  # with the running statistics of the step before
    torch.testing.assert_close(new(sample)["head"], old(x).logits, **close)


@pytest.mark.parametrize(("name", "dense", "projection"), CASES)
def test_one_sensor(name, dense, projection):
    old, new, parameters = pair(name, dense, projection)
    side = (1, 1) if name == "mlp-8" else (33, 40)
    x = images(4, 5, *side).double()
    same(old, new, parameters, x, {"x": x})


@pytest.mark.parametrize("fusion", ["early", "middle", "late", "shared"])
def test_two_sensors_of_scenes(fusion):
    old, new, parameters = pair("small_cnn", False, 8, fusion=fusion)
    x = images(4, 5, 16, 16).double()
    x[0, 3:] = torch.nan  # no radar there
    same(old, new, parameters, x, {"s2": x[:, :3], "s1": x[:, 3:]})
