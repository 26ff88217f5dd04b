"""Mean Teacher against a loop twin, and its promises."""

import copy
import math

import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Batch, MeanTeacher
from workshop_lib.methods.mean_teacher import mean_teacher_loss
from workshop_lib.models import build_model


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def slow_softmax(row: list[float]) -> list[float]:
    weights = [math.exp(v) for v in row]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(("B", "N", "K"), [(1, 1, 2), (3, 7, 4), (2, 5, 6)])
def test_loop_twin(B: int, N: int, K: int) -> None:
    x, teacher, student = draw(B, K), draw(N, K, seed=1), draw(N, K, seed=2)
    loss_u = 0.0
    for i in range(N):
        q, p = slow_softmax(teacher[i].tolist()), slow_softmax(student[i].tolist())
        loss_u += sum((p[k] - q[k]) ** 2 for k in range(K)) / (N * K)
    y = torch.arange(B) % K
    terms = mean_teacher_loss(x, y, teacher, student, lambda_u=7.0)
    assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
    expected = terms.parts["loss_x"].item() + 7 * loss_u
    assert terms.total.item() == pytest.approx(expected)


def setting() -> tuple[torch.nn.Module, Batch, MeanTeacher]:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=3)
    u = (torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8))
    batch = Batch((torch.randn(3, 3, 8, 8),), torch.arange(3), u)
    method = MeanTeacher(steps=10, ema_decay=0.9)
    method.attach(model, 20, 10)
    return model, batch, method


def test_the_teacher_is_the_average_of_the_students() -> None:
    model, _, method = setting()
    expected = [p.detach().clone() for p in model.parameters()]
    for step in range(3):
        with torch.no_grad():
            for k, p in enumerate(model.parameters()):
                p.add_(0.1 * (step + 1))
                expected[k] = 0.9 * expected[k] + 0.1 * p
        method.after_step(model)
    assert method.teacher is not None
    for ours, theirs in zip(method.teacher.parameters(), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    for ours, theirs in zip(method.teacher.buffers(), model.buffers(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_teacher_learns_nothing_by_itself() -> None:
    model, batch, method = setting()
    assert method.teacher is not None
    before = copy.deepcopy(list(method.teacher.parameters()))
    method(model, batch).total.backward()
    for old, new in zip(before, method.teacher.parameters(), strict=True):
        assert torch.equal(old, new) and new.grad is None and not new.requires_grad
    assert all(p.grad is not None for p in model.parameters())


def test_the_teacher_sees_the_weak_view_and_the_student_the_other() -> None:
    model, batch, method = setting()
    model.eval(), method.eval()
    weak, strong = batch.x_unl
    terms = method(model, batch)
    expected = mean_teacher_loss(
        model(batch.x_lab[0]).logits,
        batch.y_lab,
        model(weak).logits,  # the teacher is still a copy
        model(strong).logits,
        50 * math.exp(-5),
    )
    torch.testing.assert_close(terms.total, expected.total)
    assert MeanTeacher(steps=1, student_view="weak").views == ("weak", "weak")


def test_the_teacher_is_in_the_checkpoint() -> None:
    model, batch, method = setting()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    method.after_step(model)
    resumed = MeanTeacher(steps=10, ema_decay=0.9)
    resumed.attach(model, 20, 10)
    resumed.load_state_dict(copy.deepcopy(method.state_dict()))
    twin = copy.deepcopy(model)
    assert torch.equal(method(model, batch).total, resumed(twin, batch).total)
    assert resumed.ramp.step == 1


def test_without_a_teacher_it_says_what_to_do() -> None:
    model, batch, _ = setting()
    with pytest.raises(WorkshopError, match="call attach"):
        MeanTeacher(steps=10)(model, batch)
