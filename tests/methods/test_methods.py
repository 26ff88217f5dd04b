"""The baseline, and the way from a recipe to a method."""

import dataclasses
import inspect

import pytest
import torch
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import (
    METHODS,
    Batch,
    FixMatch,
    Method,
    Supervised,
    build_method,
)
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe


def test_supervised_is_cross_entropy_of_the_labeled_view() -> None:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=4).eval()
    x, y = torch.randn(5, 3, 16, 16), torch.tensor([0, 1, 2, 3, 0])
    terms = Supervised()(model, Batch((x,), y))
    torch.testing.assert_close(terms.total, F.cross_entropy(model(x).logits, y))
    assert terms.parts == {"loss_x": terms.total.detach()}
    assert terms.pseudo_labels is None
    terms.total.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_supervised_learns_four_images_by_heart() -> None:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=4)
    x, y = torch.randn(4, 3, 16, 16), torch.arange(4)
    method, optimizer = Supervised(), torch.optim.Adam(model.parameters(), lr=0.01)
    first = method(model, Batch((x,), y)).total.item()
    for _ in range(20):
        optimizer.zero_grad()
        loss = method(model, Batch((x,), y)).total
        loss.backward()
        optimizer.step()
    last = method(model, Batch((x,), y)).total.item()
    assert last < 0.1 * first


def test_supervised_needs_no_unlabeled_view() -> None:
    assert Supervised(labeled_view="strong").labeled_views == ("strong",)
    assert Supervised().labeled_views == ("weak",)
    assert Supervised.views == ()


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_is_built_from_a_recipe(name: str) -> None:
    method = build_method(Recipe(method=name, labeled_view="strong"), num_classes=7)
    assert type(method) is METHODS[name]
    if "labeled_view" in METHODS[name].knobs:
        assert method.labeled_views == ("strong",)
    else:
        assert method.labeled_views == ("weak", "strong")  # DeFixMatch needs both


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_knob_is_an_argument_and_a_recipe_field(name: str) -> None:
    arguments = {  # also of the classes it hands knobs on to
        argument
        for cls in METHODS[name].__mro__
        if issubclass(cls, Method)
        for argument in inspect.signature(cls.__init__).parameters
    }
    fields = {field.name for field in dataclasses.fields(Recipe)}
    for knob in METHODS[name].knobs:
        assert knob in arguments
        assert knob == "num_classes" or knob in fields


def test_none_leaves_a_method_its_own_value() -> None:
    assert Recipe().lambda_u is None and Recipe().temperature is None
    for name, weight in (("fixmatch", 1), ("defixmatch", 0.5), ("mean_teacher", 50)):
        assert build_method(Recipe(method=name), 3).lambda_u == weight
        assert build_method(Recipe(method=name, lambda_u=2.0), 3).lambda_u == 2
    assert build_method(Recipe(method="uda"), 3).temperature == 0.4
    assert build_method(Recipe(method="uda", temperature=1.0), 3).temperature == 1


def test_the_knobs_of_fixmatch_arrive() -> None:
    recipe = Recipe(
        threshold=0.7,
        temperature=0.5,
        lambda_u=2.0,
        joint_forward=True,
        alignment=True,
    )
    method = build_method(recipe, num_classes=7)
    assert isinstance(method, FixMatch)
    assert method.threshold == 0.7
    assert method.temperature == 0.5
    assert method.lambda_u == 2.0
    assert method.joint_forward
    assert method.align is not None
    assert method.align.average.shape == (7,)
    plain = build_method(recipe.with_(alignment=False), num_classes=7)
    assert isinstance(plain, FixMatch)
    assert plain.align is None


def test_unknown_names_are_told_the_nearest() -> None:
    with pytest.raises(WorkshopError, match="Did you mean 'fixmatch'"):
        build_method(Recipe(method="fixmach"), num_classes=3)
    with pytest.raises(WorkshopError, match="labeled_view 'week'.*'weak'"):
        build_method(Recipe().with_(labeled_view="week"), num_classes=3)
