"""CoMatch against golden numbers over many steps, a loop twin, and its promises."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.graph_contrast import pseudo_label_graph
from workshop_lib.methods import Batch, CoMatch
from workshop_lib.methods.comatch import comatch_loss
from workshop_lib.models import build_model
from workshop_lib.models.output import Output

GOLDEN = Path(__file__).parents[1] / "golden"
VIEWS = ("x", "u_w", "u_s0", "u_s1")
TYPES = [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)]


def golden_method(data: dict[str, np.ndarray], dtype: torch.dtype) -> CoMatch:
    method = CoMatch(
        num_classes=int(data["K"]),
        batch_size=int(data["B"]),
        mu=int(data["mu"]),
        projection_dim=int(data["D"]),
        threshold=float(data["threshold"]),
        alignment_batches=int(data["da_len"]),
        queue_batches=int(data["queue_batch"]),
        smoothing=float(data["alpha"]),
        graph_threshold=float(data["contrast_threshold"]),
        graph_temperature=float(data["temperature"]),
        lambda_u=float(data["lambda_u"]),
        lambda_c=float(data["lambda_c"]),
    )
    return method.to(dtype)


@pytest.mark.parametrize("case", ["a", "b", "c"])
@pytest.mark.parametrize(("dtype", "rtol", "atol"), TYPES)
def test_golden(case: str, dtype: torch.dtype, rtol: float, atol: float) -> None:
    with np.load(GOLDEN / f"comatch_{case}.npz") as file:
        data = dict(file)
    method, steps = golden_method(data, dtype), len(data["y"])

    def equal(ours: Tensor, key: str, step: int) -> None:
        if key in data and len(data[key]) == steps:
            np.testing.assert_allclose(
                ours.detach().numpy(),
                data[key][step],
                rtol=rtol,
                atol=atol,
                err_msg=f"{key} in step {step}",
            )

    for step in range(steps):
        inputs = {
            f"{kind}_{view}": torch.from_numpy(data[f"{kind}_{view}"][step])
            .to(dtype)
            .requires_grad_()
            for kind in ("logits", "feats")
            for view in VIEWS
        }
        y = torch.from_numpy(data["y"][step])
        # The implementation counts epochs: told from outside when to smooth.
        probs = method.pseudo_labels(
            inputs["logits_u_w"],
            inputs["feats_u_w"],
            inputs["feats_x"],
            y,
            smooth=bool(data["smoothed"][step]),
        )
        lab, strong, contrastive = (
            Output(inputs[f"logits_{view}"], inputs[f"feats_{view}"])
            for view in ("x", "u_s0", "u_s1")
        )
        terms = method.loss(lab, y, strong, contrastive, probs)
        terms.total.backward()

        equal(probs, "probs", step)
        equal(pseudo_label_graph(probs, method.graph_threshold), "Q", step)
        equal(terms.total, "loss", step)
        equal(terms.parts["loss_x"], "Lx", step)
        equal(terms.parts["loss_u"], "Lu", step)
        equal(terms.parts["loss_c"], "Lc", step)
        mask_rate = terms.parts["mask_rate"].item()  # stored as float32
        assert mask_rate == pytest.approx(data["mask_mean"][step], 1e-6)
        window = method.align.window
        equal(window.rows[(window.pointer - 1) % len(window.rows)], "da_mean", step)
        equal(window.rows.sum(0) / window.filled, "prob_avg", step)
        equal(method.memory.embeddings, "queue_feats", step)
        equal(method.memory.probs, "queue_probs", step)
        assert method.memory.ring.pointer == data["queue_ptr"][step]
        assert terms.pseudo_labels is not None
        np.testing.assert_array_equal(terms.pseudo_labels, data["pseudo_label"][step])
        np.testing.assert_array_equal(terms.mask, data["mask"][step])
        for name, tensor in inputs.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            equal(gradient, f"grad_{name}", step)
    for ours, key in (
        (method.memory.embeddings, "queue_feats"),
        (method.memory.probs, "queue_probs"),
    ):
        np.testing.assert_allclose(ours, data[key][-1], rtol=rtol, atol=atol)


def test_smoothing_starts_with_the_first_full_memory_one_step_before_the_peer() -> None:
    with np.load(GOLDEN / "comatch_a.npz") as file:
        data = dict(file)
    method = golden_method(data, torch.float64)
    for step, peer in enumerate(data["smoothed"]):
        logits, z, z_x = (
            torch.from_numpy(data[key][step]).double()
            for key in ("logits_u_w", "feats_u_w", "feats_x")
        )
        y = torch.from_numpy(data["y"][step])
        before = copy.deepcopy(method)
        probs = method.pseudo_labels(logits, z, z_x, y)
        plain = before.pseudo_labels(logits, z, z_x, y, smooth=False)
        ours = not torch.equal(probs, plain)
        assert ours == (step >= int(data["queue_batch"]))
        assert ours == bool(peer) or step == int(data["queue_batch"])


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("B", "mu", "K"), [(1, 1, 2), (1, 3, 2), (3, 2, 7), (2, 5, 10)]
)
@pytest.mark.parametrize("threshold", [0.0, 0.6, 1.1])  # all, some, none confident
def test_loop_twin(B: int, mu: int, K: int, threshold: float) -> None:
    N, D = mu * B, 4
    x, u_s, probs = draw(B, K), draw(N, K, seed=1), draw(N, K, seed=2).softmax(1)
    z0, z1 = (F.normalize(draw(N, D, seed=s), dim=1) for s in (3, 4))
    z0[0] = 0.0  # what a projection of zero becomes
    y = torch.arange(B) % K

    def softmax(row: list[float]) -> list[float]:
        weights = [math.exp(v) for v in row]
        return [w / sum(weights) for w in weights]

    loss_x = sum(-math.log(softmax(x[b].tolist())[y[b]]) for b in range(B)) / B
    loss_u, loss_c, confident = 0.0, 0.0, 0
    for i in range(N):
        p, q = softmax(u_s[i].tolist()), probs[i].tolist()
        if max(q) >= threshold:
            confident += 1
            loss_u -= sum(q[c] * math.log(p[c]) for c in range(K)) / N
        agree = [sum(a * b for a, b in zip(q, r, strict=True)) for r in probs.tolist()]
        agree[i] = 1.0
        w = [a if a >= 0.5 else 0.0 for a in agree]
        s = softmax([float(z0[i] @ z1[j]) / 0.3 for j in range(N)])
        for j in range(N):
            loss_c -= w[j] / sum(w) * math.log(s[j] + 1e-7) / N

    terms = comatch_loss(
        x,
        y,
        u_s,
        z0,
        z1,
        probs,
        threshold=threshold,
        graph_threshold=0.5,
        graph_temperature=0.3,
        lambda_u=3.0,
        lambda_c=2.0,
    )
    assert terms.total.item() == pytest.approx(loss_x + 3 * loss_u + 2 * loss_c)
    assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
    assert terms.parts["loss_c"].item() == pytest.approx(loss_c)
    assert terms.parts["mask_rate"].item() == pytest.approx(confident / N)
    assert not any(part.requires_grad for part in terms.parts.values())


def batch_of(B: int = 2, mu: int = 2, K: int = 3) -> Batch:
    def view(n: int, seed: int) -> Tensor:
        return draw(n, 3, 16, 16, seed=seed, scale=1.0).float()

    return Batch(
        x_lab=(view(B, 0),),
        y_lab=torch.arange(B) % K,
        x_unl=tuple(view(mu * B, seed) for seed in (1, 2, 3)),
    )


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return build_model("small_cnn", in_channels=3, num_classes=3, projection_dim=8)


def small_method(**knobs: float) -> CoMatch:
    return CoMatch(num_classes=3, batch_size=2, mu=2, projection_dim=8, **knobs)


def test_the_order_of_images_changes_nothing_but_the_order_of_the_memory() -> None:
    model, batch = small_model().eval(), batch_of()
    p, q = torch.tensor([1, 0]), torch.tensor([2, 0, 3, 1])
    mixed = Batch(
        (batch.x_lab[0][p],), batch.y_lab[p], tuple(v[q] for v in batch.x_unl)
    )
    one, other = small_method(threshold=0.3), small_method(threshold=0.3)
    for _ in range(7):  # the memory is full after five
        a, b = one(model, batch), other(model, mixed)
        torch.testing.assert_close(a.total, b.total)
        assert a.pseudo_labels is not None and b.pseudo_labels is not None
        assert torch.equal(a.pseudo_labels[q], b.pseudo_labels)
    rows = [sorted(m.memory.ring.rows[:, 0].tolist()) for m in (one, other)]
    assert rows[0] == pytest.approx(rows[1], abs=1e-6)


def test_what_it_remembers_is_saved_and_goes_on() -> None:
    model, batch = small_model(), batch_of()
    method = small_method(threshold=0.34)
    for _ in range(6):
        method(model, batch)
    state = copy.deepcopy(method.state_dict())
    assert set(state) == {
        f"{part}.{name}"
        for part in ("align.window", "memory.ring")
        for name in ("rows", "pointer", "filled")
    }
    resumed = small_method(threshold=0.34)
    resumed.load_state_dict(state)
    twin = copy.deepcopy(model)
    for _ in range(2):
        assert torch.equal(method(model, batch).total, resumed(twin, batch).total)
    for name, value in method.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert all(b.is_meta for b in method.to("meta").buffers())


def test_a_memory_that_batches_do_not_divide_wraps_around() -> None:
    method = small_method(queue_batches=1)  # 6 rows; batches of another size
    model = small_model().eval()
    for _ in range(4):
        assert method(model, batch_of(B=2, mu=3)).total.isfinite()  # 8 rows
    for _ in range(3):
        method(model, batch_of(B=1, mu=3))  # 4 rows
    assert method.memory.ring.filled == 6
    # 4 * 8 + 3 * 4, in pushes of unlabeled and labeled ones
    assert method.memory.ring.pointer == 44 % 6


def test_labeled_images_enter_the_memory_with_their_label() -> None:
    method, model, batch = small_method(), small_model().eval(), batch_of()
    method(model, batch)
    own = method.memory.probs[4:6]  # after the four unlabeled ones
    assert torch.equal(own, F.one_hot(batch.y_lab, 3).float())
    expected = model(batch.x_lab[0]).embedding
    torch.testing.assert_close(method.memory.embeddings[4:6], expected)


def test_outside_training_nothing_is_remembered() -> None:
    method = small_method().eval()
    method(small_model().eval(), batch_of())
    assert all(not buffer.any() for buffer in method.buffers())


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ({"graph_temperature": 0.0}, "above 0"),
        ({"queue_batches": 0}, "above 0"),
        ({"smoothing": 1.5}, "between 0 and 1"),
        ({"graph_threshold": -0.1}, "between 0 and 1"),
    ],
)
def test_impossible_knobs_are_told(knob: dict[str, float], message: str) -> None:
    with pytest.raises(WorkshopError, match=f"{next(iter(knob))}=.*{message}"):
        small_method(**knob)
