"""FixMatch against golden numbers, a loop twin, and its promises."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Batch, FixMatch
from workshop_lib.methods.fixmatch import fixmatch_loss
from workshop_lib.models import build_model

GOLDEN = Path(__file__).parents[1] / "golden"


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)],
)
def test_golden(case: int, dtype: torch.dtype, rtol: float, atol: float) -> None:
    data = np.load(GOLDEN / f"fixmatch_{case}.npz")
    logits = {
        name: torch.from_numpy(data[f"logits_{name}"]).to(dtype).requires_grad_()
        for name in ("x", "u_w", "u_s")
    }
    terms = fixmatch_loss(
        logits["x"],
        torch.from_numpy(data["y"]),
        logits["u_w"],
        logits["u_s"],
        threshold=float(data["threshold"]),
        temperature=float(data["T"]),
        lambda_u=float(data["lambda_u"]),
    )
    terms.total.backward()
    for ours, key in (
        (terms.total, "loss"),
        (terms.parts["loss_x"], "Lx"),
        (terms.parts["loss_u"], "Lu"),
    ):
        np.testing.assert_allclose(ours.detach(), data[key], rtol=rtol, atol=atol)
    # stored as float32
    assert terms.parts["mask_rate"].item() == pytest.approx(data["mask_mean"], 1e-6)
    np.testing.assert_array_equal(terms.mask, data["mask"])
    if case != 5:  # the logits tie there: either label would do
        np.testing.assert_array_equal(terms.pseudo_labels, data["pseudo_label"])
    for name, tensor in logits.items():
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        expected = data[f"grad_logits_{name}"]
        np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("B", "mu", "K"), [(1, 1, 2), (1, 3, 2), (4, 2, 5), (3, 7, 10)]
)
@pytest.mark.parametrize("threshold", [0.0, 0.6, 1.1])  # all, some, none confident
def test_loop_twin(B: int, mu: int, K: int, threshold: float) -> None:
    x, u_w, u_s = draw(B, K), draw(mu * B, K, seed=1), draw(mu * B, K, seed=2)
    y = torch.arange(B) % K

    def softmax(row: list[float], T: float = 1.0) -> list[float]:
        weights = [math.exp(v / T) for v in row]
        return [w / sum(weights) for w in weights]

    loss_x = sum(-math.log(softmax(x[b].tolist())[y[b]]) for b in range(B)) / B
    loss_u, confident = 0.0, 0
    for i in range(mu * B):
        q = softmax(u_w[i].tolist(), 0.7)
        if max(q) >= threshold:
            confident += 1
            loss_u -= math.log(softmax(u_s[i].tolist())[q.index(max(q))])
    loss_u /= mu * B

    terms = fixmatch_loss(x, y, u_w, u_s, threshold, temperature=0.7, lambda_u=3.0)
    assert terms.total.item() == pytest.approx(loss_x + 3 * loss_u)
    assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
    assert terms.parts["mask_rate"].item() == pytest.approx(confident / (mu * B))
    assert not any(part.requires_grad for part in terms.parts.values())


def test_alignment_decides_label_and_mask() -> None:
    flip = fixmatch_loss(
        draw(2, 3),
        torch.tensor([0, 1]),
        torch.tensor([[9.0, 0.0, 0.0]]).double(),
        draw(1, 3, seed=1),
        threshold=0.9,
        align=lambda probs: probs.flip(1),
    )
    assert flip.pseudo_labels is not None
    assert flip.pseudo_labels.tolist() == [2]
    assert flip.parts["mask_rate"] == 1


def test_order_of_images_does_not_matter() -> None:
    x, u_w, u_s = draw(4, 3), draw(8, 3, seed=1), draw(8, 3, seed=2)
    y = torch.tensor([0, 1, 2, 0])
    p, q = (
        torch.tensor([2, 0, 3, 1]),
        torch.randperm(8, generator=torch.Generator().manual_seed(3)),
    )
    one = fixmatch_loss(x, y, u_w, u_s, 0.6).total
    other = fixmatch_loss(x[p], y[p], u_w[q], u_s[q], 0.6).total
    torch.testing.assert_close(one, other)


def batch_of(B: int = 4, mu: int = 2, C: int = 3, K: int = 3) -> Batch:
    def view(n: int, seed: int) -> Tensor:
        return draw(n, C, 16, 16, seed=seed, scale=1.0).float()

    return Batch(
        x_lab=(view(B, 0),),
        y_lab=torch.arange(B) % K,
        x_unl=(view(mu * B, 1), view(mu * B, 2)),
    )


def small_model(K: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return build_model("small_cnn", in_channels=3, num_classes=K)


@pytest.mark.parametrize("joint", [False, True])
def test_method_is_the_loss_of_its_forwards(joint: bool) -> None:
    model, batch = small_model(), batch_of()
    twin = copy.deepcopy(model)
    terms = FixMatch(num_classes=3, threshold=0.34, joint_forward=joint)(model, batch)

    x, (weak, strong) = batch.x_lab[0], batch.x_unl
    if joint:
        x_, w_, s_ = twin(torch.cat([x, weak, strong])).logits.split([4, 8, 8])
    else:
        w_ = twin(weak).logits
        x_, s_ = twin(torch.cat([x, strong])).logits.split([4, 8])
    expected = fixmatch_loss(x_, batch.y_lab, w_, s_, 0.34)
    torch.testing.assert_close(terms.total, expected.total)
    torch.testing.assert_close(terms.pseudo_labels, expected.pseudo_labels)
    for ours, theirs in zip(model.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("joint", [False, True])
def test_forwards_agree_where_batch_statistics_play_no_part(joint: bool) -> None:
    model, batch = small_model().eval(), batch_of()
    terms = FixMatch(num_classes=3, threshold=0.3, joint_forward=joint)(model, batch)
    logits = [model(v).logits for v in (batch.x_lab[0], *batch.x_unl)]
    expected = fixmatch_loss(logits[0], batch.y_lab, logits[1], logits[2], 0.3)
    torch.testing.assert_close(terms.total, expected.total)


@pytest.mark.parametrize(("joint", "updates"), [(False, 2), (True, 1)])
def test_updates_of_batch_statistics(joint: bool, updates: int) -> None:
    model = small_model()
    FixMatch(num_classes=3, joint_forward=joint)(model, batch_of())
    assert model.state_dict()["trunk.1.num_batches_tracked"] == updates


@pytest.mark.parametrize("joint", [False, True])
def test_the_weak_view_teaches_and_does_not_learn(joint: bool) -> None:
    model, batch = small_model().eval(), batch_of()
    views = [v.clone().requires_grad_() for v in (*batch.x_lab, *batch.x_unl)]
    watched = Batch((views[0],), batch.y_lab, (views[1], views[2]))
    method = FixMatch(num_classes=3, threshold=0.0, joint_forward=joint)
    method(model, watched).total.backward()
    lab, weak, strong = (v.grad for v in views)
    assert lab is not None and lab.abs().sum() > 0
    assert strong is not None and strong.abs().sum() > 0
    assert weak is None or weak.abs().sum() == 0


@pytest.mark.parametrize("joint", [False, True])
def test_every_weight_learns_under_mixed_precision(joint: bool) -> None:
    model, batch = small_model(), batch_of()
    method = FixMatch(num_classes=3, threshold=0.0, joint_forward=joint)
    with torch.autocast("cpu", torch.bfloat16):
        terms = method(model, batch)
    assert terms.total.dtype == torch.float32
    terms.total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_what_it_remembers_is_saved_and_goes_on() -> None:
    model, batch = small_model(), batch_of()
    method = FixMatch(num_classes=3, threshold=0.34, alignment=True)
    method(model, batch)
    state = copy.deepcopy(method.state_dict())
    assert list(state) == ["align.average"]
    resumed = FixMatch(num_classes=3, threshold=0.34, alignment=True)
    resumed.load_state_dict(state)
    twin = copy.deepcopy(model)
    assert torch.equal(method(model, batch).total, resumed(twin, batch).total)
    assert torch.equal(
        method.state_dict()["align.average"], resumed.state_dict()["align.average"]
    )
    assert method.to("meta").state_dict()["align.average"].is_meta
    assert not FixMatch(num_classes=3).state_dict()


def test_views_it_asks_for() -> None:
    method = FixMatch(num_classes=3, labeled_view="strong")
    assert method.labeled_views == ("strong",)
    assert method.views == ("weak", "strong")


def test_a_missing_view_is_told() -> None:
    batch = batch_of()
    with pytest.raises(WorkshopError, match="needs two"):
        FixMatch(num_classes=3)(
            small_model(), Batch(batch.x_lab, batch.y_lab, batch.x_unl[:1])
        )
