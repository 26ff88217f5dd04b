"""Fusion models: shapes, gaps, who sees whom, what they cost."""

import math

import pytest
import torch

from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError
from workshop_lib.models import build_model
from workshop_lib.models.fusion import FUSIONS, Fill, fuse, parameter_counts
from workshop_lib.models.heads import Classifier

BANDS = ("s2:B04", "s2:B08", "s2:B11", "s1:VV", "s1:VH", "season=summer", "climate=Dfc")
EACH = pytest.mark.parametrize("fusion", sorted(FUSIONS))


def fused(fusion, bands=BANDS, model="small_cnn", **more) -> Classifier:
    torch.manual_seed(0)
    parts = groups(bands)
    return build_model(
        model,
        in_channels=len(bands),
        num_classes=5,
        modalities=parts,
        fusion=fusion,
        **more,
    )


def images(n=4, bands=BANDS, side=16):
    return torch.randn(n, len(bands), side, side)


RESNET = pytest.param("resnet18", marks=pytest.mark.slow)


@EACH
@pytest.mark.parametrize("model", ["small_cnn", "wrn-10-1", RESNET])
def test_any_backbone_and_any_size(fusion, model):
    network = fused(fusion, model=model, projection_dim=8)
    for side in (16, 33):
        out = network(images(side=side))
        assert out.logits.shape == (4, 5) and out.embedding.shape == (4, 8)
    assert network.features(images()).shape == (4, network.feature_dim)


@EACH
@pytest.mark.parametrize(
    "bands", [("season=summer", "climate=Dfc"), ("s1:VV", "s1:VH"), BANDS[:5]]
)
def test_facts_alone_and_images_alone(fusion, bands):
    network = fused(fusion, bands)
    assert network(images(bands=bands)).logits.shape == (4, 5)


@EACH
def test_every_parameter_but_unused_fillings_learns(fusion):
    network = fused(fusion)
    x = images()
    x[0, 3:5] = math.nan
    network(x).logits.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    (filling,) = [p.grad for n, p in network.named_parameters() if "fill" in n]
    assert (filling != 0).tolist() == [False] * 3 + [True] * 2 + [False] * 2


@EACH
def test_a_missing_modality_counts_as_the_mean_at_first(fusion):
    network = fused(fusion).eval()
    lacking, average = images(), None
    lacking[1, 3:5] = math.nan
    average = lacking.nan_to_num(0.0)
    assert torch.equal(network(lacking).logits, network(average).logits)


@EACH
def test_images_do_not_depend_on_their_neighbours(fusion):
    network, x = fused(fusion).eval(), images()
    alone = torch.cat([network(x[i : i + 1]).logits for i in range(4)])
    torch.testing.assert_close(network(x).logits, alone, rtol=1e-4, atol=1e-5)


def test_late_keeps_modalities_apart_and_early_does_not():
    x = images()
    changed = x.clone()
    changed[:, 3:5] += 1  # radar
    for fusion, apart in (("late", True), ("shared", True), ("early", False)):
        network = fused(fusion).eval()
        before, after = network.features(x), network.features(changed)
        assert torch.equal(before[:, :96], after[:, :96]) == apart, fusion
        assert not torch.equal(before, after)


def test_late_reads_the_number_behind_a_fact():
    network, x = fused("late").eval(), images()
    flat = x.clone()
    flat[:, 5:] = x[:, 5:].mean((2, 3), keepdim=True)
    torch.testing.assert_close(network(x).logits, network(flat).logits)


def test_parameters_are_counted_by_part():
    counts = {fusion: parameter_counts(fused(fusion)) for fusion in FUSIONS}
    for fusion, parts in counts.items():
        network = fused(fusion)
        assert parts["total"] == sum(p.numel() for p in network.parameters())
        assert parts["total"] == sum(v for k, v in parts.items() if k != "total")
    assert set(counts["late"]) == {
        *("fill", "facts", "backbones.s2", "backbones.s1", "classifier", "total"),
    }
    # one backbone for all modalities is what shared saves over late
    assert counts["shared"]["backbone"] < 1.1 * counts["late"]["backbones.s2"]
    assert counts["late"]["total"] > 1.8 * counts["shared"]["total"]
    plain = build_model("small_cnn", in_channels=len(BANDS), num_classes=5)
    early = counts["early"]["total"] - counts["early"]["fill"]
    assert early == sum(p.numel() for p in plain.parameters())


def test_fill_learns_what_to_put_there():
    fill = Fill(2)
    x = torch.tensor([math.nan, 3.0]).view(1, 2, 1, 1)
    assert fill(x).flatten().tolist() == [0, 3]
    fill.value.data[0] = 7.0
    assert fill(x).flatten().tolist() == [7, 3]


def test_memory_saving_changes_no_number():
    x = images(6)
    for fusion in FUSIONS:
        usual, thrifty = fused(fusion).train(), fused(fusion).train()
        thrifty.save_memory(checkpointing=True, micro_batch=0)
        for network in (usual, thrifty):
            network(x).logits.square().sum().backward()
        for a, b in zip(usual.parameters(), thrifty.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_fused_is_told():
    with pytest.raises(WorkshopError, match="late"):
        fused("latte")
    with pytest.raises(WorkshopError, match="no modalities"):
        fuse("late", (), lambda c: fused("early"), num_classes=2)
