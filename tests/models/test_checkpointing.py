"""Checkpointing and micro-batches of a model; of methods see test_micro_batches.py."""

import copy

import pytest
import torch
from torch import Tensor

from tests.models.common import COVER, SCENE, fused, images, sample, single


@pytest.mark.parametrize("fusion", ["early", "middle", "late", "shared"])
def test_checkpointing_changes_no_bit_in_any_fusion_of_scenes_and_maps(fusion):
    x = sample(6)
    x["s1"][0] = torch.nan
    models = [fused("unet-4", SCENE | COVER, fusion=fusion) for _ in range(2)]
    models[1].save_memory(checkpointing=True, micro_batch=0)
    for model in models:
        torch.manual_seed(1)  # of dropout
        out = model(x)
        (out["scene"].square().sum() + out["cover"].square().sum()).backward()
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    for a, b in zip(models[0].buffers(), models[1].buffers(), strict=True):
        assert torch.equal(a, b)


def test_in_training_batch_norm_sees_a_micro_batch_and_counts_it_once():
    """Two parts: each normalised by its own statistics; both enter the running ones."""
    model = single("wrn-10-1").double()
    x = images(10, 3, 16, 16).double()
    twin = copy.deepcopy(model)
    model.save_memory(checkpointing=False, micro_batch=5)
    scores = model({"rgb": x})["scene"]
    scores.sum().backward()
    # Every second image: the first part has the even, the second the odd ones.
    even, odd = (twin({"rgb": x[k::2]})["scene"] for k in (0, 1))
    expected = torch.stack([even, odd], dim=1).flatten(0, 1)
    torch.testing.assert_close(scores, expected)
    expected.sum().backward()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad)
    for key, value in twin.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value)
    norm = model.encoder.backbone.get_submodule("stages.2.bn1")
    assert norm.num_batches_tracked == 2
    whole = copy.deepcopy(model)
    whole.save_memory(checkpointing=False, micro_batch=0)
    assert (whole({"rgb": x})["scene"] - scores).abs().max() > 1e-6  # other statistics


def test_parts_of_a_sample_keep_all_its_sensors_and_heads():
    model = fused("unet-4", SCENE | COVER, fusion="late", projection_dim=4).eval()
    x = sample(7, sides=(9, 12))
    x["metadata"][3, 0] = torch.nan
    whole = model(x)
    model.save_memory(checkpointing=False, micro_batch=3)
    for key, value in model(x).items():
        torch.testing.assert_close(value, whole[key])
    assert model.most_images == 7
    absent = {"s1": x["s1"]}
    in_parts = model(absent)["scene"]
    model.save_memory(checkpointing=False, micro_batch=0)
    torch.testing.assert_close(in_parts, model(absent)["scene"])


def test_dropout_is_the_same_when_it_is_computed_again():
    model = single("mlp-32", 8).double()
    x = {"rgb": images(9, 8, 1, 1).double()}

    def gradient(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        model.zero_grad()
        model(x)["scene"].square().sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    model.save_memory(checkpointing=False, micro_batch=4)
    first, same, other = gradient(1), gradient(1), gradient(2)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize(("n", "most", "sizes"), [(7, 3, [3, 2, 2]), (5, 2, [3, 2])])
def test_parts_are_even_and_none_is_a_single_image(n, most, sizes):
    model = single("small_cnn")
    seen: list[int] = []
    model.encoder.register_forward_pre_hook(lambda m, x: seen.append(len(x[0]["rgb"])))
    model.save_memory(checkpointing=False, micro_batch=most)
    with torch.no_grad():
        model({"rgb": images(n, 3, 16, 16)})
    assert seen == sizes
