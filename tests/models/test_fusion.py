"""Fusion of sensors and metadata: shapes, gaps, what affects what, what it costs."""

import math

import pytest
import torch
from torch.nn import functional as F

from tests.models.common import (
    COVER,
    SCENE,
    SENSORS,
    count,
    fused,
    images,
    sample,
    single,
)
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec
from workshop_lib.models.fusion import FUSIONS
from workshop_lib.models.model import parameter_counts

EACH = pytest.mark.parametrize("fusion", FUSIONS)
APART = pytest.mark.parametrize("fusion", ["late", "shared"])
BOTH = SCENE | COVER


def total(out):
    return sum(values.square().sum() for values in out.values())


@EACH
@pytest.mark.parametrize("sensors", [{}, {"s1": 2}, SENSORS])
@pytest.mark.parametrize("metadata", [0, 2])
def test_metadata_alone_and_sensors_alone(fusion, sensors, metadata):
    if not sensors and not metadata:
        return
    model = fused("small_cnn", sensors=sensors, metadata=metadata, fusion=fusion)
    x = sample(metadata=metadata)
    assert model({k: x[k] for k in x if k in (*sensors, "metadata")})["scene"].shape
    assert ("metadata" in parameter_counts(model)) == bool(metadata)


@EACH
def test_every_parameter_but_unused_missing_values_learns(fusion):
    model = fused("unet-4", BOTH, fusion=fusion)
    x = sample()
    x["s1"][0] = math.nan
    x["metadata"][1, 0] = math.nan
    total(model(x)).backward()
    unused = {"encoder.missing.s2.value"}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert (parameter.grad.abs().sum() > 0) == (name not in unused), name
    missing = model.encoder.metadata.missing.grad
    assert (missing != 0).tolist() == [True, False]


@EACH
def test_a_missing_sensor_counts_as_the_mean_at_first(fusion):
    model = fused("unet-4", BOTH, fusion=fusion).eval()
    missing = sample()
    missing["s1"][1] = math.nan
    missing["metadata"][2, 1] = math.nan
    average = {k: v.nan_to_num(0.0) for k, v in missing.items()}
    for name, scores in model(missing).items():
        assert torch.equal(scores, model(average)[name])


@EACH
def test_images_do_not_depend_on_their_neighbours(fusion):
    model, x = fused("unet-4", BOTH, fusion=fusion).eval(), sample(3)
    for name, scores in model(x).items():
        rows = [{k: v[i : i + 1] for k, v in x.items()} for i in range(3)]
        alone = torch.cat([model(row)[name] for row in rows])
        torch.testing.assert_close(scores, alone, rtol=1e-4, atol=1e-5)


@EACH
@pytest.mark.parametrize("encoder", ["small_cnn", "vit-8"])
def test_metadata_moves_the_context_unless_it_is_withheld(encoder, fusion):
    model, x = fused(encoder, fusion=fusion).eval(), sample(sides=(32, 32))
    other = x | {"metadata": x["metadata"] + 1}
    unknown = x | {"metadata": torch.full((4, 2), math.nan)}
    absent = {name: x[name] for name in SENSORS}
    known, moved, *without = (model(one) for one in (x, other, unknown, absent))
    assert known["context"].shape == (4, model.encoder.width)
    vector = model.features(x).vector  # of a transformer another token's output
    assert torch.equal(known["context"], vector) == (encoder == "small_cnn")
    for name in ("context", "scene"):
        assert (known[name] - moved[name]).abs().max() > 1e-4
        assert torch.equal(without[0][name], without[1][name])
    model.encoder.reads_metadata = False
    for one in (x, other, unknown, absent):
        assert torch.equal(model(one)["context"], without[0]["context"])
    assert "context" not in fused(encoder, metadata=0)(absent)


@APART
def test_the_scores_that_one_sensor_adds_do_not_depend_on_another(fusion):
    """An FCN's scores are linear in maps that lie side by side."""
    model = fused("fcn-residual-8", COVER, fusion=fusion).eval()
    x, y = sample(), sample(seed=50)
    y["metadata"] = x["metadata"]
    mixed, swapped = x | {"s1": y["s1"]}, y | {"s1": x["s1"]}

    def gain(before, after):
        return model(after)["cover"] - model(before)["cover"]

    torch.testing.assert_close(gain(x, mixed), gain(swapped, y), rtol=1e-3, atol=1e-4)
    assert gain(x, mixed).abs().max() > 1e-3


@EACH
def test_a_batch_without_a_sensor_leaves_its_running_statistics_alone(fusion):
    """Else features of real radar would be normalised by those of its absence."""
    model = fused("small_cnn", fusion=fusion)
    x = sample()
    parts = {"late": [model.encoder.backbones], "early": []}.get(
        fusion, [model.encoder.stems]
    )
    before = [
        {k: v.clone() for k, v in part["s1"].state_dict().items()} for part in parts
    ]
    model({"s2": x["s2"]})
    for part, state in zip(parts, before, strict=True):
        for key, value in part["s1"].state_dict().items():
            assert torch.equal(value, state[key]), key
    model(x)
    for part, state in zip(parts, before, strict=True):
        assert any(
            not torch.equal(v, state[k]) for k, v in part["s1"].state_dict().items()
        )


def test_parameters_are_counted_by_part():
    counts = {}
    for fusion in FUSIONS:
        model = fused("small_cnn", fusion=fusion)
        counts[fusion] = parameter_counts(model)
        parts = dict(counts[fusion])
        assert parts.pop("total") == count(model) == sum(parts.values())
    common = {"missing", "metadata", "heads.scene", "total"}
    assert set(counts["late"]) == common | {"backbones.s2", "backbones.s1"}
    assert set(counts["shared"]) == common | {"stems.s2", "stems.s1", "backbone"}
    # One backbone for all sensors is what shared saves over late
    assert counts["shared"]["backbone"] < 1.1 * counts["late"]["backbones.s2"]
    assert counts["late"]["total"] > 1.8 * counts["shared"]["total"]
    plain = single("small_cnn", sum(SENSORS.values()))
    early = counts["early"]["total"] - counts["early"]["missing"]
    assert early - counts["early"]["metadata"] == count(plain)


def test_what_cannot_be_fused_is_refused_in_words():
    with pytest.raises(WorkshopError, match="late"):
        fused("small_cnn", fusion="latte")
    with pytest.raises(WorkshopError, match="no maps"):
        fused("unet-4", COVER, sensors={})
    model = fused("small_cnn", sensors={})
    with pytest.raises(WorkshopError, match="reads metadata"):
        model({"s2": torch.zeros(1, 3, 4, 4)})


def test_a_network_learns_to_read_the_same_pixels_differently():
    """The class is pattern XOR season: neither tells anything by itself."""
    generator = torch.Generator().manual_seed(0)
    n = 128
    pattern, season = torch.randint(2, (2, n), generator=generator)
    x = {
        "s2": images(n, 3, 8, 8) + 2 * pattern[:, None, None, None],
        "metadata": torch.stack([2.0 * season - 1, torch.zeros(n)], 1),
    }
    labels = pattern ^ season
    heads = {"scene": HeadSpec("categorical", 2)}
    model = fused("small_cnn", heads, sensors={"s2": 3})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(40):
        loss = F.cross_entropy(model(x)["scene"], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (model.eval()(x)["scene"].argmax(1) == labels).float().mean()
    assert right > 0.9
