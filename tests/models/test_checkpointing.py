"""Checkpointing and micro-batches: less memory, the same loss, for every method."""

import copy

import pytest
import torch
from torch import Tensor, nn

from tests.models.common import COVER, SCENE, fused, images, sample, single
from workshop_lib.methods import METHODS, Batch, Method, TrainingSize
from workshop_lib.models import Model

B, MU, K = 4, 2, 5
# So that untrained networks give pseudo-labels, and queues are full in two steps
FIELDS = {"threshold": 0.21, "queue_batches": 2, "ramp_up": 0.0}


def prepared(
    name: str, encoder: str, dtype: torch.dtype
) -> tuple[Model, Method, Batch]:
    cls = METHODS[name]
    known = cls().hyperparameters()
    method = cls(**{k: v for k, v in FIELDS.items() if k in known})
    model = single(encoder, projection_dim=8 if method.needs_projection else 0)
    torch.manual_seed(0)
    method.setup(model, TrainingSize(20, 20, B, MU, 4))

    def views(n: int, names: tuple[str, ...]) -> tuple[dict[str, Tensor], ...]:
        return tuple({"rgb": torch.randn(n, 3, 16, 16, dtype=dtype)} for _ in names)

    batch = Batch(
        views(B, method.labeled_views),
        {"scene": torch.arange(B) % K},
        views(MU * B, method.views),
        torch.arange(MU * B),
    )
    return model.to(dtype), method.to(dtype), batch


def two_steps(
    name: str,
    checkpointing: bool,
    micro_batch: int,
    train: bool,
    encoder: str = "small_cnn",
    dtype: torch.dtype = torch.float64,
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Terms and gradients of two steps; and what is remembered after them."""
    model, method, batch = prepared(name, encoder, dtype)
    for part in (*model.modules(), *method.modules()):
        if isinstance(part, Model):
            part.save_memory(checkpointing=checkpointing, micro_batch=micro_batch)
    model.train(train), method.train(train)
    numbers: list[Tensor] = []
    for _ in range(2):  # the second with what was remembered of the first
        model.zero_grad()
        terms = dict(method.losses(model, batch))
        torch.stack(list(terms.values())).sum().backward()
        method.after_step(model)
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        numbers += [*(term.detach() for term in terms.values()), *gradients]
    return numbers, {**model.state_dict(), **method.state_dict()}


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("micro_batch", [3, 5])
def test_without_batch_statistics_micro_batches_change_nothing(name, micro_batch):
    whole, remembered = two_steps(name, False, 0, train=False)
    parts, also = two_steps(name, True, micro_batch, train=False)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-12)
    for key, value in remembered.items():
        torch.testing.assert_close(also[key], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_checkpointing_changes_no_bit_in_training(name):
    whole, remembered = two_steps(name, False, 0, train=True, dtype=torch.float32)
    again, also = two_steps(name, True, 0, train=True, dtype=torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    # Running statistics too: what is computed twice is counted once.
    assert all(torch.equal(also[key], value) for key, value in remembered.items())


@pytest.mark.parametrize("encoder", ["wrn-10-1", "resnet18", "residual-8"])
def test_checkpointing_changes_no_bit_in_any_network(encoder):
    kind = {"encoder": encoder, "dtype": torch.float32}
    whole, remembered = two_steps("fixmatch", False, 0, train=True, **kind)
    again, also = two_steps("fixmatch", True, 0, train=True, **kind)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    assert all(torch.equal(also[key], value) for key, value in remembered.items())


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
    # The loss that those gradients are of, by finite differences.
    weight = next(model.parameters())
    step = torch.zeros_like(weight)
    step[0, 0] = 1e-6

    def loss(shift: Tensor) -> Tensor:
        torch.manual_seed(1)
        with torch.no_grad():
            weight.add_(shift)
        value = model(x)["scene"].square().sum().detach()
        with torch.no_grad():
            weight.sub_(shift)
        return value

    slope = (loss(step) - loss(-step)) / 2e-6
    torch.testing.assert_close(first[0][0, 0], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n", "most", "sizes"), [(7, 3, [3, 2, 2]), (5, 2, [3, 2])])
def test_parts_are_even_and_none_is_a_single_image(n, most, sizes):
    model = single("small_cnn")
    seen: list[int] = []
    model.encoder.register_forward_pre_hook(lambda m, x: seen.append(len(x[0]["rgb"])))
    model.save_memory(checkpointing=False, micro_batch=most)
    with torch.no_grad():
        model({"rgb": images(n, 3, 16, 16)})
    assert seen == sizes


def test_fewer_activations_are_kept():
    """What autograd saves in a forward pass, in numbers."""
    kept = {}
    for name, options in {
        "all": (False, 0),
        "borders": (True, 0),
        "parts": (False, 4),
    }.items():
        model = single("wrn-10-1")
        model.save_memory(checkpointing=options[0], micro_batch=options[1])
        sizes: list[int] = []

        def pack(x: Tensor, sizes: list[int] = sizes) -> Tensor:
            if not isinstance(x, nn.Parameter):
                sizes.append(x.numel())
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            model({"rgb": images(8, 3, 16, 16)})["scene"].sum()
        kept[name] = sum(sizes)
    assert kept["borders"] < 0.5 * kept["all"]
    assert kept["parts"] < 0.2 * kept["all"]
