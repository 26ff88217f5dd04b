"""What the methods that compare embeddings promise beyond what every method does."""

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, Batch, build_method, projection_dim
from workshop_lib.methods.contrasting import Contrasting
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.training.initial import initial_model

NAMES = [name for name, method in METHODS.items() if issubclass(method, Contrasting)]
RECIPE = Recipe(batch_size=2, mu=2, projection_dim=8, threshold=0.0)


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return build_model("small_cnn", in_channels=3, num_classes=3, projection_dim=8)


def batch_of(B: int = 2, mu: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(0)

    def view(n: int) -> Tensor:
        return torch.randn(n, 3, 16, 16, generator=generator)

    return Batch((view(B),), torch.arange(B) % 3, tuple(view(mu * B) for _ in range(3)))


def built(name: str, **knobs: object) -> Contrasting:
    method = build_method(RECIPE.with_(method=name, **knobs), num_classes=3)
    assert isinstance(method, Contrasting)
    return method


def test_there_are_three() -> None:
    assert NAMES == ["comatch", "ccssl", "ccssl_comatch"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_gets_its_projection_by_itself(name: str) -> None:
    recipe = Recipe(method=name)
    assert projection_dim(recipe) == 64
    model = initial_model(recipe, in_channels=4, num_classes=3)
    method = build_method(recipe, num_classes=3)
    method.attach(model, 10, 10)
    assert isinstance(method, Contrasting)
    assert method.projection_dim == 64
    assert model(torch.zeros(1, 4, 32, 32)).embedding.shape == (1, 64)
    assert projection_dim(recipe.with_(projection_dim=16)) == 16
    assert built(name, projection_dim=16).projection_dim == 16


def test_other_methods_get_no_projection_unless_asked() -> None:
    assert projection_dim(Recipe()) == 0
    assert projection_dim(Recipe(projection_dim=32)) == 32
    assert projection_dim(Recipe(method="comatch", projection_dim=0)) == 0
    with pytest.raises(WorkshopError, match="Did you mean 'comatch'"):
        projection_dim(Recipe(method="comach"))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_without_projection_is_refused(name: str) -> None:
    with pytest.raises(WorkshopError, match="projection_dim=0: .*give it a width"):
        built(name, projection_dim=0)
    bare = build_model("small_cnn", in_channels=3, num_classes=3)
    with pytest.raises(WorkshopError, match="build it with projection_dim=8"):
        built(name).attach(bare, 10, 10)


@pytest.mark.parametrize("name", NAMES)
def test_the_shared_knobs_arrive(name: str) -> None:
    method = built(
        name,
        labeled_view="strong",
        threshold=0.7,
        temperature=0.5,
        lambda_u=2.0,
        lambda_c=3.0,
        joint_forward=True,
    )
    assert method.labeled_views == ("strong",)
    assert method.views == ("weak", "strong", "contrastive")
    assert method.joint_forward
    for knob, value in (
        ("threshold", 0.7),
        ("temperature", 0.5),
        ("lambda_u", 2.0),
        ("lambda_c", 3.0),
    ):
        assert getattr(method, knob) == value


def test_the_knobs_of_memory_graph_and_contrast_arrive() -> None:
    method = built(
        "ccssl_comatch",
        queue_batches=3,
        smoothing=0.6,
        graph_threshold=0.4,
        graph_temperature=0.5,
        contrast_temperature=0.3,
        push_threshold=0.2,
    )
    assert len(method.get_buffer("memory.ring.rows")) == 3 * (2 + 1) * 2
    for knob, value in (
        ("smoothing", 0.6),
        ("graph_threshold", 0.4),
        ("graph_temperature", 0.5),
        ("contrast_temperature", 0.3),
        ("push_threshold", 0.2),
    ):
        assert getattr(method, knob) == value


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_weak_view_teaches_and_does_not_learn(name: str, joint: bool) -> None:
    model, batch = small_model().eval(), batch_of()
    views = [view.clone().requires_grad_() for view in (*batch.x_lab, *batch.x_unl)]
    watched = Batch((views[0],), batch.y_lab, tuple(views[1:]))
    built(name, joint_forward=joint)(model, watched).total.backward()
    lab, weak, strong, contrastive = (view.grad for view in views)
    for learns in (lab, strong, contrastive):
        assert learns is not None and learns.abs().sum() > 0
    assert weak is None or weak.abs().sum() == 0


@pytest.mark.parametrize("name", NAMES)
def test_forwards_agree_where_batch_statistics_play_no_part(name: str) -> None:
    model, batch = small_model().eval(), batch_of()
    one, other = built(name, joint_forward=True), built(name)
    for _ in range(7):  # the memory is full after five
        torch.testing.assert_close(one(model, batch).total, other(model, batch).total)


@pytest.mark.parametrize(("joint", "updates"), [(False, 2), (True, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_updates_of_batch_statistics(name: str, joint: bool, updates: int) -> None:
    model = small_model()
    built(name, joint_forward=joint)(model, batch_of())
    assert model.state_dict()["trunk.1.num_batches_tracked"] == updates


@pytest.mark.parametrize("name", NAMES)
def test_a_projection_of_zero_gives_no_nan(name: str) -> None:
    model, method = small_model(), built(name)
    with torch.no_grad():
        for parameter in model.projection.fc2.parameters():
            parameter.zero_()
    for _ in range(7):
        terms = method(model, batch_of())
        terms.total.backward()
    assert terms.total.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
