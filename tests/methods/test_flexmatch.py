"""FlexMatch against golden numbers, a loop twin, and its promises."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Batch, FlexMatch
from workshop_lib.methods.flexmatch import CurriculumThreshold, flexmatch_loss
from workshop_lib.models import build_model


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", ["flexmatch_a", "flexmatch_b"])
def test_golden(name: str, replay: Any) -> None:
    data = replay.load(name)
    images, K = int(data["ulb_dest_len"]), int(data["K"])
    curriculum = CurriculumThreshold(
        K, images, images, float(data["p_cutoff"]), bool(data["thresh_warmup"])
    )

    def loss(x: Tensor, y: Tensor, u_w: Tensor, u_s: Tensor, step: int) -> Any:
        index = torch.from_numpy(data["idx_u"][step])
        weight = float(data["lambda_u"])
        return flexmatch_loss(x, y, u_w, u_s, index, curriculum, weight)

    states = {
        "classwise_acc": lambda: curriculum.learnt,
        "selected_label": lambda: curriculum.label[:-1],
    }
    replay.check(data, loss, states)


def slow_softmax(row: list[float]) -> list[float]:
    weights = [math.exp(v) for v in row]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(("N", "K", "images"), [(1, 2, 1), (5, 3, 9), (8, 4, 8)])
@pytest.mark.parametrize("warm_up", [True, False])
def test_loop_twin(N: int, K: int, images: int, warm_up: bool) -> None:
    # Two images more in the data set, which are never drawn: they must not count.
    curriculum = CurriculumThreshold(K, images + 2, images, 0.8, warm_up).double()
    label, beta = [-1] * images, [0.0] * K
    for step in range(4):
        u_w, u_s = draw(N, K, seed=step), draw(N, K, seed=step + 10)
        generator = torch.Generator().manual_seed(step)
        index = torch.randperm(images, generator=generator)[:N]
        x, y = draw(2, K, seed=step + 20), torch.tensor([0, 1])
        expected, mask = 0.0, []
        for i in range(N):
            q = slow_softmax(u_w[i].tolist())
            k = q.index(max(q))
            mask.append(float(max(q) >= 0.8 * beta[k] / (2 - beta[k])))
            expected -= mask[i] * math.log(slow_softmax(u_s[i].tolist())[k]) / N
            if max(q) >= 0.8:
                label[index[i]] = k
        counts = [label.count(k) for k in range(K)]
        if max(*counts, label.count(-1)) < images:
            most = max(*counts, label.count(-1)) if warm_up else max(counts)
            beta = [count / most for count in counts]
        terms = flexmatch_loss(x, y, u_w, u_s, index, curriculum)
        assert terms.mask is not None and terms.mask.tolist() == mask
        assert terms.parts["loss_u"].item() == pytest.approx(expected)
        assert curriculum.label[:images].tolist() == label
        assert curriculum.learnt.tolist() == pytest.approx(beta)


def test_an_image_drawn_twice_keeps_its_sure_label() -> None:
    curriculum = CurriculumThreshold(2, 4, 4, 0.9)
    probs = torch.tensor([[0.95, 0.05], [0.4, 0.6]])
    for order in ([0, 1], [1, 0]):
        curriculum(probs[order], torch.tensor([2, 2]))
        assert curriculum.label[:-1].tolist() == [-1, -1, 0, -1]


def test_the_easiest_class_has_the_full_threshold_and_the_others_less() -> None:
    curriculum = CurriculumThreshold(3, 6, 6, 0.9, warm_up=False)
    sure = torch.tensor([[0.95, 0.03, 0.02]] * 4 + [[0.02, 0.95, 0.03]] * 2)
    curriculum(sure, torch.arange(6))
    assert curriculum.learnt.tolist() == [1.0, 0.5, 0.0]
    probe = torch.tensor([[0.89, 0.06, 0.05], [0.35, 0.40, 0.25], [0.3, 0.3, 0.4]])
    # thresholds 0.9, 0.9 * 0.5 / 1.5 = 0.3, 0
    assert curriculum.eval()(probe, torch.arange(3)).tolist() == [0, 1, 1]


def test_it_remembers_in_training_mode_only() -> None:
    curriculum = CurriculumThreshold(2, 3, 3, 0.9).eval()
    curriculum(torch.tensor([[0.99, 0.01]]), torch.tensor([0]))
    assert curriculum.label.tolist() == [-1] * 4


def test_without_memory_or_index_it_says_what_to_do() -> None:
    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=3, num_classes=2)
    x = torch.randn(2, 3, 8, 8)
    method = FlexMatch(num_classes=2)
    batch = Batch((x,), torch.tensor([0, 1]), (x, x), torch.tensor([0, 1]))
    with pytest.raises(WorkshopError, match="call attach"):
        method(model, batch)
    method.attach(model, 5, 4)
    assert method.curriculum is not None and method.curriculum.never_drawn == 1
    with pytest.raises(WorkshopError, match="unlabeled_index with each batch"):
        method(model, Batch(batch.x_lab, batch.y_lab, batch.x_unl))
    assert method(model, batch).total.isfinite()
