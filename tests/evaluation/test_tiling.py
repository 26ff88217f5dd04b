"""Blended patches have no seams: they give what one pass over the image gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from workshop_lib.augment.normalize import BandNormalize, to_float
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.tiles import windows
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.tiling import (
    blend_window,
    blended_row_blocks,
    pixel_predictor,
    sliding_window_classify,
)
from workshop_lib.pixels import IGNORE

CPU = torch.device("cpu")
PLAIN = BandNormalize(torch.zeros(3), torch.ones(3))


class Convolutions(nn.Module):
    """Three 3x3 convolutions: a pixel's answer depends on those at most 3 away."""

    reach = 3

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
            nn.Conv2d(8, 4, 3, padding=1),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


class Constant(nn.Module):
    """The same logits everywhere."""

    def forward(self, x):
        logits = torch.tensor([0.3, -1.7, 2.2, 0.1]).view(1, 4, 1, 1)
        return logits.expand(len(x), 4, *x.shape[2:]).contiguous()


def picture(height, width, seed=0):
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (3, height, width), dtype=np.uint8)


def blended(model, pixels, from_row=0, **options):
    predict = pixel_predictor(model, PLAIN, CPU)
    found = list(
        blended_row_blocks(predict, ArrayImage(pixels), from_row=from_row, **options)
    )
    rows = [block.row for block in found]
    assert rows == sorted(set(rows))
    return np.concatenate([block.probs for block in found], axis=1)


def one_pass(model, pixels):
    predict = pixel_predictor(model, PLAIN, CPU)
    return predict(pixels[None], np.zeros((1, *pixels.shape[1:]), bool))[0]


@settings(max_examples=25)
@given(st.integers(5, 60), st.integers(5, 60), st.integers(12, 24))
def test_with_the_networks_reach_as_margin_it_is_one_pass(height, width, size):
    model, pixels = Convolutions(), picture(height, width)
    found = blended(model, pixels, size=size, overlap_factor=0.5, margin=model.reach)
    assert np.allclose(found, one_pass(model, pixels), atol=1e-6)


@settings(max_examples=30)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 24), st.floats(0.2, 1),
    st.integers(0, 99),
)  # fmt: skip
def test_a_constant_network_gives_constants_exactly(h, w, size, factor, seed):
    found = blended(Constant(), picture(h, w, seed), size=size, overlap_factor=factor)
    assert found.shape == (4, h, w)
    alone = one_pass(Constant(), picture(1, 1))
    for k in range(4):
        assert np.unique(found[k]).tolist() == [float(alone[k, 0, 0])]


def test_it_is_the_weighted_mean_that_loops_give():
    model, pixels = Convolutions(), picture(31, 27)
    total, weights = np.zeros((4, 31, 27)), np.zeros((31, 27))
    for row, col, h, w in windows(31, 27, 12, 0.6):
        probs = one_pass(model, pixels[:, row : row + h, col : col + w])
        for i in range(h):
            for j in range(w):
                up = h if row == 0 else i + 1
                down = h if row + h == 31 else h - i
                left = w if col == 0 else j + 1
                right = w if col + w == 27 else w - j
                weight = min(up, down, h) * min(left, right, w)
                total[:, row + i, col + j] += weight * probs[:, i, j]
                weights[row + i, col + j] += weight
    found = blended(model, pixels, size=12, overlap_factor=0.6)
    assert np.allclose(found, total / weights, atol=1e-6)


@given(st.integers(0, 49))
@settings(max_examples=10)
def test_from_any_row_on_it_is_the_same_to_the_last_bit(row):
    model, pixels = Convolutions(), picture(50, 40)
    options = {"size": 16, "overlap_factor": 0.6}
    whole = blended(model, pixels, **options)
    rest = blended(model, pixels, from_row=row, **options)
    assert rest.shape[1] >= 50 - row
    assert np.array_equal(rest, whole[:, -rest.shape[1] :])


def test_gaps_are_told_and_seen_as_the_mean():
    pixels = picture(20, 20).astype(np.float32)
    hole = pixels.copy()
    hole[1, 4:7, 5:9] = np.nan
    filled = pixels.copy()
    mean = torch.tensor([10.0, 20.0, 30.0])
    filled[:, 4:7, 5:9] = mean.numpy()[:, None, None]
    predict = pixel_predictor(Convolutions(), BandNormalize(mean, torch.ones(3)), CPU)
    holes, whole = (
        list(blended_row_blocks(predict, ArrayImage(one), size=20))
        for one in (hole, filled)
    )
    assert np.allclose(holes[0].probs, whole[0].probs, atol=1e-6)
    assert np.argwhere(holes[0].missing).tolist() == [
        [i, j] for i in range(4, 7) for j in range(5, 9)
    ]
    assert not whole[0].missing.any()


def test_margins_that_leave_pixels_out_are_refused():
    with pytest.raises(WorkshopError, match="at most 0.60"):
        blended(Constant(), picture(40, 40), size=20, overlap_factor=0.8, margin=4)
    assert (blended(Constant(), picture(40, 40), size=20, overlap_factor=0.6, margin=4)
            > 0).all()  # fmt: skip
    with pytest.raises(WorkshopError, match="margin of -1"):
        blended(Constant(), picture(40, 40), size=20, margin=-1)


@given(st.integers(1, 64), st.booleans(), st.booleans())
def test_blend_weights_are_whole_numbers_that_fall_towards_the_edges(n, start, end):
    weights = blend_window(n, 0, start, end)
    assert (weights == weights.round()).all() and weights.min() >= 1
    assert weights.max() <= n
    if not start and not end:
        assert (weights == weights[::-1]).all()
    if start and end:
        assert (weights == n).all()


NORM = BandNormalize(torch.full((4,), 0.4), torch.full((4,), 0.2))


@pytest.fixture(scope="module")
def model():
    """A network that names scenes: (B, 4, h, w) -> (B, 5)."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 8, 3, padding=1)
    pooled = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(convolution, *pooled, nn.Linear(8, 5)).eval()


@pytest.mark.parametrize(
    "height, width, stride", [(40, 61, 8), (33, 32, 5), (32, 70, 9)]
)
def test_every_answer_is_that_of_its_window(model, height, width, stride):
    pixels = np.random.default_rng(0).random((4, height, width), dtype=np.float32)
    found = sliding_window_classify(model, NORM, pixels, window=32, stride=stride)
    tops, lefts = (range(0, n - 31, stride) for n in (height, width))
    assert found.shape == (len(tops), len(lefts))
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            window = torch.from_numpy(pixels[:, top : top + 32, left : left + 32])
            with torch.no_grad():
                assert found[i, j] == model(NORM(to_float(window[None]))).argmax()


def test_windows_without_data_in_the_middle_get_no_class(model):
    pixels = np.random.default_rng(0).random((4, 64, 64), dtype=np.float32)
    pixels[2, 10:20, 10:20] = np.nan
    found = sliding_window_classify(model, NORM, pixels, window=32, stride=1)
    expected = np.zeros((33, 33), bool)
    expected[:4, :4] = True  # middles at 16 to 19; a window's middle is its pixel 16
    assert np.array_equal(found == IGNORE, expected)


@pytest.mark.parametrize("window, stride", [(65, 8), (0, 8), (32, 0)])
def test_impossible_windows_are_refused(model, window, stride):
    pixels = np.zeros((4, 64, 64), np.float32)
    with pytest.raises(WorkshopError, match="that fit in"):
        sliding_window_classify(model, NORM, pixels, window=window, stride=stride)
