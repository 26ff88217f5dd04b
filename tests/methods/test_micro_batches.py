"""Checkpointing and micro-batches: less memory, the same loss, for every method."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.methods import METHODS, Batch, Method, build_method, projection_dim
from workshop_lib.models import Classifier, build_model
from workshop_lib.recipe import Recipe

NAMES = sorted(METHODS)
B, MU, K = 4, 2, 3
RECIPE = Recipe(
    batch_size=B, mu=MU, threshold=0.34, queue_batches=2, steps=4, ramp_up=0.0
)


def prepared(
    name: str, model: str = "small_cnn", dtype: torch.dtype = torch.float64
) -> tuple[Classifier, Method, Batch]:
    recipe = RECIPE.with_(method=name)
    torch.manual_seed(0)
    network = build_model(
        model, in_channels=3, num_classes=K, projection_dim=projection_dim(recipe)
    )
    method = build_method(recipe, K)
    method.attach(network, 20, 20)

    def views(n: int, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        return tuple(torch.randn(n, 3, 16, 16, dtype=dtype) for _ in names)

    batch = Batch(
        views(B, method.labeled_views),
        torch.arange(B) % K,
        views(MU * B, method.views),
        torch.arange(MU * B),
    )
    assert isinstance(network, Classifier)
    return network.to(dtype), method.to(dtype), batch


def spare(networks: list[nn.Module], checkpointing: bool, micro_batch: int) -> None:
    for network in networks:
        for part in network.modules():
            if isinstance(part, Classifier):
                part.save_memory(checkpointing=checkpointing, micro_batch=micro_batch)


def two_steps(
    name: str, checkpointing: bool, micro_batch: int, train: bool, **kind: object
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Loss, parts and gradients of two steps; and what is remembered after them."""
    model, method, batch = prepared(name, **kind)  # type: ignore[arg-type]
    spare([model, method], checkpointing, micro_batch)
    model.train(train), method.train(train)
    numbers: list[Tensor] = []
    for _ in range(2):  # the second with what was remembered of the first
        model.zero_grad()
        terms = method(model, batch)
        terms.total.backward()
        method.after_step(model)
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        numbers += [terms.total.detach(), *terms.parts.values(), *gradients]
    return numbers, {**model.state_dict(), **method.state_dict()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("micro_batch", [3, 5])
def test_without_batch_statistics_micro_batches_change_nothing(
    name: str, micro_batch: int
) -> None:
    whole, remembered = two_steps(name, False, 0, train=False)
    parts, also = two_steps(name, True, micro_batch, train=False)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-12)
    for key, value in remembered.items():
        torch.testing.assert_close(also[key], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_checkpointing_changes_no_bit_in_training(name: str) -> None:
    whole, remembered = two_steps(name, False, 0, train=True, dtype=torch.float32)
    again, also = two_steps(name, True, 0, train=True, dtype=torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    # Running statistics too: what is computed twice is counted once.
    assert all(torch.equal(also[key], value) for key, value in remembered.items())


@pytest.mark.parametrize("model", ["wrn-10-1", "resnet18", "resnet50"])
def test_checkpointing_changes_no_bit_in_any_network(model: str) -> None:
    kind = {"model": model, "dtype": torch.float32}
    whole, remembered = two_steps("fixmatch", False, 0, train=True, **kind)
    again, also = two_steps("fixmatch", True, 0, train=True, **kind)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    assert all(torch.equal(also[key], value) for key, value in remembered.items())


def test_in_training_batch_norm_sees_a_micro_batch_and_counts_it_once() -> None:
    """Two parts: each normalised by its own statistics; both enter the running ones."""
    model, _, _ = prepared("supervised", "wrn-10-1")
    images = torch.randn(10, 3, 16, 16, dtype=torch.float64)
    twin = copy.deepcopy(model)
    model.save_memory(checkpointing=False, micro_batch=5)
    logits = model(images).logits
    logits.sum().backward()
    # Every second image: the first part has the even, the second the odd ones.
    even, odd = twin(images[0::2]).logits, twin(images[1::2]).logits
    expected = torch.stack([even, odd], dim=1).flatten(0, 1)
    torch.testing.assert_close(logits, expected)
    expected.sum().backward()
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad)
    for key, value in twin.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value)
    assert model.state_dict()["trunk.bn1.num_batches_tracked"] == 2
    whole = copy.deepcopy(model)
    whole.save_memory(checkpointing=False, micro_batch=0)
    assert (whole(images).logits - logits).abs().max() > 1e-6  # other statistics


def test_dropout_is_the_same_when_it_is_computed_again() -> None:
    torch.manual_seed(0)
    model = build_model("mlp-32", in_channels=8, num_classes=K).double()
    images = torch.randn(9, 8, 1, 1, dtype=torch.float64)

    def gradient(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        model.zero_grad()
        model(images).logits.square().sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    model.save_memory(checkpointing=False, micro_batch=4)  # type: ignore[operator]
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
        value = model(images).logits.square().sum().detach()
        with torch.no_grad():
            weight.sub_(shift)
        return value

    slope = (loss(step) - loss(-step)) / 2e-6
    torch.testing.assert_close(first[0][0, 0], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n", "most", "sizes"), [(7, 3, [3, 2, 2]), (5, 2, [3, 2])])
def test_parts_are_even_and_none_is_a_single_image(
    n: int, most: int, sizes: list[int]
) -> None:
    model, _, _ = prepared("supervised")
    seen: list[int] = []
    model.trunk.register_forward_pre_hook(lambda m, x: seen.append(len(x[0])))
    model.save_memory(checkpointing=False, micro_batch=most)
    with torch.no_grad():
        model(torch.randn(n, 3, 16, 16, dtype=torch.float64))
    assert seen == sizes


def test_recipes_refuse_a_micro_batch_of_one() -> None:
    from workshop_lib.errors import WorkshopError

    for wrong in (1, -4):
        with pytest.raises(WorkshopError, match="at least 2 images"):
            replace(RECIPE, micro_batch=wrong)
