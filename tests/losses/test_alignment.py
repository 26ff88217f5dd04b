"""Distribution alignment against loops, and what it promises."""

import pytest
import torch

from tests.losses.draws import probabilities
from workshop_lib.errors import WorkshopError
from workshop_lib.losses import DistributionAlignment, MovingAverageAlignment


@pytest.mark.parametrize(("N", "K"), [(1, 2), (6, 3), (13, 10)])
def test_three_steps_equal_their_loop(N: int, K: int) -> None:
    align = DistributionAlignment((K,), momentum=0.9).double()
    average = [1 / K] * K
    for step in range(3):
        probs = probabilities(N, K, seed=step)
        aligned = align(probs)
        for c in range(K):
            mean = sum(probs[i, c].item() for i in range(N)) / N
            average[c] = 0.9 * average[c] + 0.1 * mean
        for i in range(N):
            row = [probs[i, c].item() / (average[c] + 1e-6) for c in range(K)]
            expected = [v / sum(row) for v in row]
            # 1/K enters as float32
            assert aligned[i].tolist() == pytest.approx(expected, rel=1e-6)
    assert align.average.tolist() == pytest.approx(average, rel=1e-6)


def test_a_uniform_average_changes_nothing() -> None:
    probs = probabilities(5, 4, seed=0)
    torch.testing.assert_close(DistributionAlignment((4,)).eval()(probs), probs)


def test_a_class_that_swallows_all_is_pushed_back() -> None:
    align = DistributionAlignment((2,), momentum=0.5)
    greedy = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    for _ in range(30):
        align(greedy)
    aligned = align(greedy)
    # the average is (0.8, 0.2): who leans less than that to the first class changes
    assert greedy.argmax(1).tolist() == [0, 0, 0]
    assert aligned[0, 0] > 0.5
    assert aligned[1, 0].item() == pytest.approx(0.5, abs=1e-4)
    assert aligned[2, 1] > 0.5
    torch.testing.assert_close(aligned.sum(1), torch.ones(3))


def test_the_average_moves_in_training_only() -> None:
    align = DistributionAlignment((3,))
    start = align.average.clone()
    align.eval()(probabilities(4, 3, seed=0))
    assert torch.equal(align.average, start)
    align.train()(probabilities(4, 3, seed=0))
    assert not torch.equal(align.average, start)


def test_never_predicted_class_gives_no_nan() -> None:
    align = DistributionAlignment((3,), momentum=0.0)
    aligned = align(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert aligned.isfinite().all()
    assert aligned[:, 0].tolist() == [1, 1]


def test_the_average_is_saved_and_moved() -> None:
    align = DistributionAlignment((3,))
    align(probabilities(4, 3, seed=0).float())
    other = DistributionAlignment((3,))
    other.load_state_dict(align.state_dict())
    assert torch.equal(other.average, align.average)
    assert align.to("meta").average.device.type == "meta"
    assert not list(align.parameters())


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_out_of_range(momentum: float) -> None:
    with pytest.raises(WorkshopError, match="0.99 is usual"):
        DistributionAlignment((3,), momentum)


def test_wrong_number_of_classes() -> None:
    with pytest.raises(WorkshopError, match="built for 3 classes"):
        DistributionAlignment((3,))(probabilities(4, 5, seed=0))
    with pytest.raises(WorkshopError, match=r"class_shape=\(0,\)"):
        DistributionAlignment((0,))


def test_a_first_batch_start_aligns_the_first_batch_fully() -> None:
    probs = probabilities(6, 3, seed=0)
    align = DistributionAlignment((3,), 0.9, start="first batch").double()
    align(probs)
    assert torch.equal(align.average, probs.mean(0))
    align(probabilities(6, 3, seed=1))
    expected = 0.9 * probs.mean(0) + 0.1 * probabilities(6, 3, seed=1).mean(0)
    torch.testing.assert_close(align.average, expected)


def test_dividing_leaves_the_average() -> None:
    align = DistributionAlignment((3,)).double()
    align(probabilities(6, 3, seed=0))
    before = align.average.clone()
    aligned = align.divide(probabilities(2, 3, seed=1))
    assert torch.equal(align.average, before)
    torch.testing.assert_close(aligned.sum(1), torch.ones(2).double())


def test_unknown_target_or_start() -> None:
    with pytest.raises(WorkshopError, match="Did you mean 'labeled'"):
        DistributionAlignment((3,), target="labelled")
    with pytest.raises(WorkshopError, match="'first batch'"):
        DistributionAlignment((3,), start="first")


@pytest.mark.parametrize(("N", "K", "batches"), [(1, 2, 1), (5, 3, 2), (4, 7, 32)])
def test_four_steps_equal_their_loop(N: int, K: int, batches: int) -> None:
    align, means = MovingAverageAlignment(K, batches).double(), []
    for step in range(4):
        probs = probabilities(N, K, seed=step)
        aligned = align(probs)
        means.append([sum(probs[:, c].tolist()) / N for c in range(K)])
        last = means[-batches:]
        average = [sum(mean[c] for mean in last) / len(last) for c in range(K)]
        for i in range(N):
            row = [probs[i, c].item() / average[c] for c in range(K)]
            expected = [value / sum(row) for value in row]
            assert aligned[i].tolist() == pytest.approx(expected, rel=1e-12)


def test_the_window_moves_in_training_only() -> None:
    align = MovingAverageAlignment(3).eval()
    probs = probabilities(4, 3, seed=0).float()
    # nothing in the window: nothing is known about the classes, nothing changes
    torch.testing.assert_close(align(probs), probs)
    assert align.window.filled == 0
    align.train()(probs)
    assert align.window.filled == 1


def test_a_class_that_is_never_predicted_gives_no_nan() -> None:
    align = MovingAverageAlignment(3)
    aligned = align(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert aligned.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_order_of_images_does_not_matter() -> None:
    probs, order = probabilities(5, 3, seed=0), torch.tensor([3, 0, 4, 1, 2])
    one = MovingAverageAlignment(3).double()(probs)
    other = MovingAverageAlignment(3).double()(probs[order])
    torch.testing.assert_close(one[order], other)


def test_bad_arguments_are_told() -> None:
    with pytest.raises(WorkshopError, match="built for 3 classes"):
        MovingAverageAlignment(3)(probabilities(2, 4, seed=0))
    with pytest.raises(WorkshopError, match="at least 1"):
        MovingAverageAlignment(3, batches=0)
