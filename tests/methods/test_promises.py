"""What every method promises, whichever it is: each entry of METHODS."""

import copy
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from tests.losses.draws import draw, unit
from tests.methods.given import Given, made, ready, total
from tests.methods.networks import WIDTH, batch_for, small_model
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, Batch, Method
from workshop_lib.methods.base import forward_views
from workshop_lib.models import Model
from workshop_lib.models.class_heads import Categorical
from workshop_lib.sample import take

NAMES = list(METHODS)
JOINT = [k for k in NAMES if "joint_forward" in METHODS[k]().hyperparameters()]
CONTRASTIVE = [name for name in NAMES if METHODS[name].needs_projection]
LABELED = [name for name in NAMES if name != "simclr"]  # which sees no label


def prepared(name: str, norm: bool = True, **options: object) -> tuple[Method, Model]:
    """A method whose threshold some images reach, and a network for it."""
    usual = {"threshold": 0.34, "ramp_up": 0.0, "queue_batches": 2, "alignment": True}
    torch.manual_seed(0)
    model = small_model({"scene": Categorical(WIDTH, 3)}, projection=8, norm=norm)
    method = made(name, **{**usual, **options})
    return ready(method, model, 20, 12, batch_size=4, mu=2, steps=10), model


@pytest.mark.parametrize("name", NAMES)
def test_under_autocast_the_loss_is_float32_and_every_weight_learns(name):
    for joint in (False, True) if name in JOINT else (False,):
        method, model = prepared(name, joint_forward=joint, threshold=0.0)
        with torch.autocast("cpu", torch.bfloat16):
            terms = dict(method.losses(model, batch_for(method, model)))
        for term in terms.values():
            assert term.dtype == torch.float32 and term.isfinite()
        assert all(not value.requires_grad for value in method.log.values())
        torch.stack(list(terms.values())).sum().backward()
        for key, parameter in model.named_parameters():
            learns = name in {"projection": CONTRASTIVE, "heads": LABELED}.get(
                key.split(".")[0], NAMES
            )
            grad = parameter.grad
            assert (grad is not None and bool(grad.any())) == learns, key


@pytest.mark.parametrize("name", NAMES)
def test_one_image_per_batch_gives_no_nan(name):
    method, model = prepared(name, norm=False)
    for seed in range(3):
        assert total(method, model, batch_for(method, model, 1, 1, seed)).isfinite()
        method.after_step(model)
    assert all(b.isfinite().all() for b in method.buffers() if b.is_floating_point())


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_images_changes_nothing(name):
    method, model = prepared(name)
    method, model, other = method.double(), model.double().eval(), copy.deepcopy(method)
    p, q = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 1, 7, 0, 2, 6, 4, 3])
    other.double()
    for seed in range(3):  # with what was remembered of those before
        batch = batch_for(method, model, seed=seed)
        wide = lambda samples: tuple({"s2": x["s2"].double()} for x in samples)  # noqa: E731
        batch = replace(batch, labeled=wide(batch.labeled), views=wide(batch.views))
        shuffled = Batch(
            tuple(take(x, p) for x in batch.labeled),
            take(batch.targets, p),
            tuple(take(x, q) for x in batch.views),
            batch.index[q],
        )
        one, two = total(method, model, batch), total(other, model, shuffled)
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("name", JOINT)
def test_forwards_agree_where_batch_statistics_play_no_part(name):
    (one, model), (other, _) = prepared(name), prepared(name, joint_forward=True)
    model.eval()
    for seed in range(4):  # a memory is full after two
        batch = batch_for(one, model, seed=seed)
        torch.testing.assert_close(total(one, model, batch), total(other, model, batch))


@pytest.mark.parametrize("name", NAMES)
def test_what_it_remembers_is_saved_goes_on_and_moves(name):
    method, model = prepared(name)
    for seed in range(3):
        total(method, model, batch_for(method, model, seed=seed))
        method.after_step(model)
    state = copy.deepcopy(method.state_dict())
    resumed, _ = prepared(name)
    resumed.load_state_dict(state)
    twin = copy.deepcopy(model)
    for seed in range(3, 5):
        batch = batch_for(method, model, seed=seed)
        assert torch.equal(total(method, model, batch), total(resumed, twin, batch))
    for key, value in method.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key])
    assert all(value.is_meta for value in method.to("meta").state_dict().values())


@pytest.mark.parametrize("name", LABELED)
def test_unknown_labels_teach_nothing_and_break_nothing(name):
    weights = dict.fromkeys(("lambda_u", "lambda_c", "lambda_d", "lambda_e"), 0.0)
    method, model = prepared(name, norm=False, **weights)
    batch = batch_for(method, model)
    batch = replace(batch, targets={"scene": torch.full((4,), -1)})
    loss = total(method, model, batch)
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("name", [k for k in CONTRASTIVE if k in LABELED])
def test_models_that_cannot_be_compared_are_refused(name):
    for heads, words in (
        ({"cover": Categorical((WIDTH,), 3, dense=True)}, "0 heads.*FixMatch"),
        ({k: Categorical(WIDTH, 3) for k in ("a", "b")}, "2 heads"),
        ({"scene": Categorical(WIDTH, 3)}, "build it with projection_dim"),
    ):
        with pytest.raises(WorkshopError, match=words):
            ready(METHODS[name](), small_model(heads))


HALF = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("hardness", [1.0, 300.0])
@pytest.mark.parametrize("half", HALF, ids=["bf16", "fp16"])
@pytest.mark.parametrize("name", NAMES)
def test_the_same_logits_give_the_same_loss_in_any_format(name, half, hardness):
    """Exponentials, logarithms and sums in half precision would show: 1e-6 is fp32.

    A hardness of 300 gives logits whose exponential fp16 has not, and probabilities
    that it would round to zero.
    """
    found = []
    for dtype in (torch.float32, half):
        method = prepared(name)[0]
        model = Given(8, scene=Categorical(1, 3))
        ready(method, model, 20, 12, batch_size=4, mu=2)

        def views(n: int, names: tuple[str, ...], dtype=dtype) -> tuple:
            # Numbers that both formats have: what differs is what the loss does
            rows = [draw(n, 3, seed=k, scale=hardness) for k in range(len(names))]
            z = [unit(n, 8, k).to(half).float() for k in range(len(names))]
            exact = [row.to(half).to(dtype) for row in rows]
            return tuple(
                {"scene": a, "projection": b} for a, b in zip(exact, z, strict=True)
            )

        batch = Batch(
            views(4, method.labeled_views),
            {"scene": torch.arange(4) % 3},
            views(8, method.views),
            torch.arange(8),
        )
        with torch.autocast("cpu", half, enabled=dtype == half):
            for _ in range(2):  # the second with what was remembered of the first
                terms = dict(method.losses(model, batch))
        assert all(term.dtype == torch.float32 for term in terms.values())
        found.append({**terms, **method.log})
    for key, value in found[0].items():
        torch.testing.assert_close(found[1][key], value, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_hyperparameter_is_a_field_that_a_config_can_hold(name):
    method = METHODS[name](labeled_view="strong")
    assert list(method.hyperparameters()) == [f.name for f in fields(method)]
    config = Config(method=method)
    assert Config.from_json(config.to_json()).method.hyperparameters() == (
        method.hyperparameters()
    )
    others = {"defixmatch": ("weak", "strong"), "simclr": ()}
    assert method.labeled_views == others.get(name, ("strong",))
    assert hash(method) != hash(METHODS[name](labeled_view="strong"))  # as modules are


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 3, 4])
def test_each_view_gets_its_own_outputs_in_order(joint, kept):
    _, model = prepared("fixmatch", norm=False)
    views = [{"s2": torch.randn(n, 3, 4, 4)} for n in (2, 5, 1, 3)]
    learning, asked = forward_views(model, views[:kept], views[kept:], joint)
    assert (len(learning), len(asked)) == (kept, 4 - kept)
    for output, view in zip([*learning, *asked], views, strict=True):
        for key, value in model(view).items():
            torch.testing.assert_close(output[key], value)
    assert all(v.requires_grad for out in learning for v in out.values())
    assert not any(v.requires_grad for out in asked for v in out.values())


def test_apart_each_kind_of_view_has_batch_statistics_of_its_own():
    _, model = prepared("fixmatch")
    a, b, c, d = (torch.randn(n, 3, 4, 4) for n in (2, 5, 1, 3))
    twin = copy.deepcopy(model)
    (one, two), (three, four) = forward_views(
        model, [{"s2": a}, {"s2": b}], [{"s2": c}, {"s2": d}]
    )
    asked = twin({"s2": torch.cat([c, d])})["scene"]
    learning = twin({"s2": torch.cat([a, b])})["scene"]
    torch.testing.assert_close(torch.cat([one["scene"], two["scene"]]), learning)
    torch.testing.assert_close(torch.cat([three["scene"], four["scene"]]), asked)
    before = int(model.state_dict()["encoder.norm.num_batches_tracked"])
    assert forward_views(model, [{"s2": a}])[1] == []  # nothing to ask: one forward
    after = int(model.state_dict()["encoder.norm.num_batches_tracked"])
    assert after == before + 1


def test_views_with_other_sensors_are_run_apart():
    class Both(nn.Module):
        def forward(self, x):
            return {"scene": sum(v.flatten(1).sum(1, keepdim=True) for v in x.values())}

    two, three = ({"s2": torch.ones(n, 1, 2, 2)} for n in (2, 3))
    more = {**three, "s1": torch.ones(3, 1, 2, 2)}
    (one, other), _ = forward_views(Both(), [two, more])
    assert one["scene"].tolist() == [[4]] * 2 and other["scene"].tolist() == [[8]] * 3
