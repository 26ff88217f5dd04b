"""What every method promises, whichever it is: each entry of METHODS, on MiniEO."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, Batch, Method, build_method, projection_dim
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
NAMES = sorted(METHODS)
# Supervised asks nobody; Pseudo-Label learns from the view it asks (tested beside it).
ASKING = sorted({*METHODS} - {"supervised", "pseudo_label"})
# A threshold that some images reach with a network that knows nothing yet.
SMALL = Recipe(
    size=16,
    labels_per_class=2,
    batch_size=4,
    mu=2,
    steps=6,
    warmup_steps=1,
    threshold=0.11,
    queue_batches=2,
    precision="fp32",
)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    whole = mini_eo(count=60)
    small = nn.functional.avg_pool2d(whole.images, 2)
    return replace(whole, images=small, masks=None, modalities={})


@pytest.fixture(scope="module")
def split(scenes: Scenes) -> Split:
    return Split.random(scenes, labels_per_class=2, seed=0)


def same(a: object, b: object) -> bool:
    """Compare nested checkpoints bit for bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(map_same(a, b))
    if isinstance(a, list | tuple):
        return all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def map_same(a: dict, b: dict) -> list[bool]:
    return [same(a[key], b[key]) for key in a]


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_steps_and_resumes_bit_for_bit(
    name: str, scenes: Scenes, split: Split
) -> None:
    recipe = SMALL.with_(method=name)
    whole = Trainer(recipe, scenes, split, CPU)
    start = copy.deepcopy(whole.model.state_dict())
    for _ in range(3):
        whole.step()
    middle = copy.deepcopy(whole.state_dict())
    for _ in range(3):
        whole.step()
    row = whole.validate()
    assert all(torch.isfinite(torch.tensor(row[k])) for k in row if "loss" in k)
    moved = whole.model.state_dict()
    assert not any(torch.equal(start[k], moved[k]) for k in start if "weight" in k)

    resumed = Trainer(recipe, scenes, split, CPU)
    resumed.load_state_dict(middle)
    for _ in range(3):
        resumed.step()
    resumed.validate()
    assert same(resumed.state_dict(), whole.state_dict())


def prepared(name: str, **knobs: object) -> tuple[nn.Module, Method, Batch]:
    """A small network, the method attached to it, and a batch with all its views."""
    recipe = SMALL.with_(method=name, **knobs)
    torch.manual_seed(0)
    model = build_model(
        "small_cnn", in_channels=3, num_classes=3, projection_dim=projection_dim(recipe)
    )
    method = build_method(recipe, 3)
    method.attach(model, 20, 12)
    return model, method, batch_for(method)


def batch_for(method: Method, B: int = 4, mu: int = 2) -> Batch:
    def views(n: int, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        return tuple(torch.randn(n, 3, 16, 16) for _ in names)

    return Batch(
        views(B, method.labeled_views),
        torch.arange(B) % 3,
        views(mu * B, method.views),
        torch.arange(mu * B),
    )


@pytest.mark.parametrize("name", NAMES)
def test_under_autocast_the_loss_is_float32_and_every_weight_learns(name: str) -> None:
    model, method, batch = prepared(name, ramp_up=0.0)
    with torch.autocast("cpu", torch.bfloat16):
        terms = method(model, batch)
    assert terms.total.dtype == torch.float32 and terms.total.isfinite()
    assert not any(part.requires_grad for part in terms.parts.values())
    terms.total.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", NAMES)
def test_one_image_per_batch_gives_no_nan(name: str) -> None:
    model, method, _ = prepared(name, ramp_up=0.0)
    model.eval()  # batch statistics of one image are the networks' problem
    for _ in range(3):
        terms = method(model, batch_for(method, B=1, mu=1))
        method.after_step(model)
        assert terms.total.isfinite()
    assert all(b.isfinite().all() for b in method.buffers() if b.is_floating_point())


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_images_changes_nothing(name: str) -> None:
    model, method, batch = prepared(name, ramp_up=0.0)
    model, other = model.double().eval(), copy.deepcopy(method)
    p, q = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 1, 7, 0, 2, 6, 4, 3])
    index = batch.unlabeled_index
    assert index is not None
    method.double(), other.double()
    batch = Batch(
        tuple(v.double() for v in batch.x_lab),
        batch.y_lab,
        tuple(v.double() for v in batch.x_unl),
        index,
    )
    shuffled = Batch(
        tuple(v[p] for v in batch.x_lab),
        batch.y_lab[p],
        tuple(v[q] for v in batch.x_unl),
        index[q],
    )
    for _ in range(2):  # the second with what was remembered of the first
        one, two = method(model, batch).total, other(model, shuffled).total
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", ASKING)
def test_pseudo_labels_carry_no_gradient(name: str) -> None:
    model, method, batch = prepared(name, ramp_up=0.0)
    model.eval()
    weak = batch.x_unl[0].clone().requires_grad_()
    watched = replace(batch, x_unl=(weak, *batch.x_unl[1:]))
    method(model, watched).total.backward()
    assert weak.grad is None or (weak.grad == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_it_remembers_moves_with_it(name: str) -> None:
    _, method, _ = prepared(name)
    state = list(method.state_dict())
    assert all(value.is_meta for value in method.to("meta").state_dict().values())
    assert list(method.state_dict()) == state


@pytest.mark.parametrize("name", NAMES)
def test_missing_views_are_told(name: str) -> None:
    model, method, batch = prepared(name)
    wrong = replace(batch, x_lab=())
    with pytest.raises(WorkshopError, match="0 labeled view"):
        method(model, wrong)


def test_an_unknown_name_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(WorkshopError, match="Did you mean 'flexmatch'") as told:
        build_method(Recipe(method="flexmtach"), 3)
    assert all(name in str(told.value) for name in METHODS)
