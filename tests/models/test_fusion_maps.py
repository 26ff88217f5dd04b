"""Fusion models of maps: shapes, gaps, who sees whom, what they cost."""

import math

import pytest
import torch
from torch import nn

from workshop_lib.channels import groups
from workshop_lib.data.load import make_split
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.modalities import pack
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.segmentation import evaluate_segmentation
from workshop_lib.models import build_model
from workshop_lib.models.fusion import FUSIONS, parameter_counts
from workshop_lib.models.fusion_maps import MAP_FUSIONS
from workshop_lib.models.segmenter import Segmenter
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train

BANDS = ("s2:B04", "s2:B08", "s2:B11", "s1:VV", "s1:VH", "season=summer", "climate=Dfc")
IMAGES = BANDS[:5]
EACH = pytest.mark.parametrize("fusion", ["early", *MAP_FUSIONS])
APART = pytest.mark.parametrize("fusion", sorted(MAP_FUSIONS))


def fused(fusion, bands=BANDS, model="unet-4") -> Segmenter:
    torch.manual_seed(0)
    return build_model(
        model,
        in_channels=len(bands),
        num_classes=3,
        modalities=groups(bands),
        fusion=fusion,
    )


def images(n=3, bands=BANDS, sides=(16, 16)):
    return torch.randn(n, len(bands), *sides)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_maps_know_the_fusions_of_scenes():
    assert {"early", *MAP_FUSIONS} == set(FUSIONS)


@EACH
@pytest.mark.parametrize("model", ["unet-4", "fcn-resnet18", "fcn-resnet18:16,32"])
@pytest.mark.parametrize("sides", [(32, 32), (33, 47), (5, 70), (4, 4)])
def test_the_map_is_as_large_as_the_image(fusion, model, sides):
    network = fused(fusion, model=model).eval()
    with torch.no_grad():
        found = network(images(2, sides=sides))
    assert isinstance(network, Segmenter)
    assert found.logits.shape == (2, 3, *sides) and found.logits.isfinite().all()
    assert found.embedding.shape == (2, 3)


@APART
@pytest.mark.parametrize(
    "bands", [IMAGES, ("s1:VV", "season=summer"), ("place=lat", "place=lon", "s1:VV")]
)
def test_images_alone_and_one_image_with_facts(fusion, bands):
    network = fused(fusion, bands)
    assert network(images(bands=bands)).logits.shape == (3, 3, 16, 16)
    assert ("facts" in parameter_counts(network)) == (bands != IMAGES)


@EACH
def test_gradient_flows_to_each_part_and_to_the_filling_of_what_is_missing(fusion):
    network = fused(fusion)
    x = images()
    x[0, 3:5] = math.nan
    network(x).logits.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name
    parts = dict(network.named_parameters())
    filling = next(p for n, p in parts.items() if n.endswith(("fill.value", "0.value")))
    assert (filling.grad != 0).tolist() == [False] * 3 + [True] * 2 + [False] * 2


@EACH
def test_a_missing_modality_counts_as_the_mean_at_first(fusion):
    network, lacking = fused(fusion).eval(), images()
    lacking[1, 3:5] = math.nan
    lacking[2, 5] = math.nan
    average = lacking.nan_to_num(0.0)
    assert torch.equal(network(lacking).logits, network(average).logits)


@EACH
def test_tiles_do_not_depend_on_their_neighbours(fusion):
    network, x = fused(fusion).eval(), images()
    alone = torch.cat([network(x[i : i + 1]).logits for i in range(3)])
    torch.testing.assert_close(network(x).logits, alone, rtol=1e-4, atol=1e-5)


def test_late_is_one_convolution_on_the_last_maps_side_by_side():
    """Adding scores and stacking features: the same network, written in two ways."""
    network, x = fused("late", IMAGES).eval(), images(bands=IMAGES)
    nets = [network.trunk.networks[name] for name in ("s2", "s1")]
    scores = [net.score for net in nets]
    for net in nets:
        net.score = nn.Identity()
    maps = torch.cat([nets[0](x[:, :3]), nets[1](x[:, 3:])], 1)  # (B, 2 * width, H, W)
    weight = torch.cat([s.weight for s in scores], 1)
    expected = nn.functional.conv2d(maps, weight, scores[0].bias + scores[1].bias)
    for net, score in zip(nets, scores, strict=True):
        net.score = score
    torch.testing.assert_close(network(x).logits, expected)


@pytest.mark.parametrize("fusion", ["late", "shared"])
def test_what_one_modality_adds_does_not_depend_on_another(fusion):
    network, x = fused(fusion).eval(), images()
    y = images()
    mixed = x.clone()
    mixed[:, 3:5] = y[:, 3:5]  # radar of another place

    def gain(before, after):
        return network(after).logits - network(before).logits

    swapped = y.clone()
    swapped[:, 3:5] = x[:, 3:5]
    torch.testing.assert_close(gain(x, mixed), gain(swapped, y), rtol=1e-3, atol=1e-4)
    assert gain(x, mixed).abs().max() > 1e-3


@pytest.mark.parametrize("fusion", ["late", "shared"])
def test_a_fact_is_read_pixel_by_pixel(fusion):
    """As in a box of another tile, whose season is another."""
    network, x = fused(fusion).eval(), images()
    changed = x.clone()
    changed[:, 5, :4, 4:9] += 2
    touched = (network(changed).logits - network(x).logits).abs().amax(1) > 1e-6
    expected = torch.zeros_like(touched)
    expected[:, :4, 4:9] = True
    assert torch.equal(touched, expected)


def test_parameters_are_counted_by_part():
    counts = {fusion: parameter_counts(fused(fusion)) for fusion in FUSIONS}
    for fusion, parts in counts.items():
        assert parts["total"] == count(fused(fusion))
        assert parts["total"] == sum(v for k, v in parts.items() if k != "total")
    assert set(counts["early"]) == {"fill", "network", "total"}
    assert set(counts["late"]) == {
        *("fill", "facts", "score", "networks.s2", "networks.s1", "total"),
    }
    plain = build_model("unet-4", in_channels=3, num_classes=3)
    assert counts["late"]["networks.s2"] == count(plain)
    assert counts["early"]["fill"] == len(BANDS)
    # One network for both is what shared saves over late
    wide = {f: parameter_counts(fused(f, model="unet-16")) for f in ("late", "shared")}
    assert wide["late"]["total"] > 1.8 * wide["shared"]["total"]


@EACH
def test_memory_saving_changes_no_number(fusion):
    usual, thrifty = fused(fusion).train(), fused(fusion).train()
    thrifty.save_memory(checkpointing=True, micro_batch=0)
    x = images()
    for network in (usual, thrifty):
        network(x).logits.square().sum().backward()
    for a, b in zip(usual.parameters(), thrifty.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_early_has_the_names_that_older_checkpoints_have():
    assert "trunk.0.value" in fused("early").state_dict()


@APART
@pytest.mark.parametrize("bands", [("s2:B04", "s2:B08"), ("season=a", "climate=b")])
def test_what_has_nothing_to_fuse_is_refused_in_words(fusion, bands):
    with pytest.raises(WorkshopError, match="two modalities.*fusion='early'"):
        fused(fusion, bands)
    fused("early", bands)


def test_an_unknown_fusion_is_told():
    with pytest.raises(WorkshopError, match="late"):
        fused("latte")


@pytest.mark.parametrize(
    ("fusion", "method"),
    [("late", "supervised"), *((fusion, "fixmatch") for fusion in MAP_FUSIONS)],
)
def test_a_recipe_trains_maps_with_gaps_and_is_opened_again(fusion, method, tmp_path):
    """Modality dropout, a patch without radar, CutMix: all that makes NaN."""
    recipe = Recipe(
        task="segment",
        model="unet-4",
        fusion=fusion,
        method=method,
        modalities=("s2", "s1", "season_onehot"),
        modality_dropout=0.4,
        labeled_view="strong",
        labels_per_class=1,
        steps=4,
        eval_every=2,
        batch_size=4,
        mu=2,
        threshold=0.4,
        precision="fp32",
    )
    found = mini_eo(200, seed=7)
    has = torch.ones(200)
    has[::7] = 0
    found.metadata["has_s1"] = has
    scenes = pack(found, recipe.modalities)
    split = make_split(recipe, scenes)
    run = train(recipe, scenes, split, folder=tmp_path, verbose=False)
    assert run.log["loss"].notna().all()
    assert 0 <= evaluate_segmentation(run, scenes, split).scores.mean_iou <= 1
    model, _ = run.load_model()
    assert run.facts["parameters"] == parameter_counts(model)["total"]
    nothing = torch.full((1, len(scenes.bands), 9, 11), math.nan)
    assert model(nothing).logits.isfinite().all()
