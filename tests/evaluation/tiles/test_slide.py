"""The sliding window: each answer is the classifier's own, of the right window."""

import numpy as np
import pytest
import torch

from workshop_lib.augment.normalize import Normalize
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.tiles.slide import slide_scenes
from workshop_lib.models import build_model
from workshop_lib.models.predict import predict
from workshop_lib.pixels import IGNORE


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model("small_cnn", in_channels=4, num_classes=5)


NORM = Normalize(torch.full((4,), 0.4), torch.full((4,), 0.2))


SIZES = [(40, 61, 8), (33, 32, 5), (32, 70, 9)]


@pytest.mark.parametrize("height, width, stride", SIZES)
def test_every_answer_is_that_of_its_window(model, height, width, stride):
    pixels = np.random.default_rng(0).random((4, height, width), dtype=np.float32)
    found = slide_scenes(model, NORM, pixels, window=32, stride=stride)
    tops, lefts = (range(0, n - 31, stride) for n in (height, width))
    assert found.shape == (len(tops), len(lefts))
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            window = torch.from_numpy(pixels[:, top : top + 32, left : left + 32])
            assert found[i, j] == int(predict(model, NORM, window[None]).argmax())


def test_pictures_of_8_bits(model):
    torch.manual_seed(1)
    rgb = build_model("small_cnn", in_channels=3, num_classes=5)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    norm = Normalize(torch.full((3,), 0.5), torch.full((3,), 0.3))
    found = slide_scenes(rgb, norm, pixels, window=32, stride=16)
    corner = predict(rgb, norm, torch.from_numpy(pixels[None, :, :32, :32]))
    assert found.shape == (2, 2) and found[0, 0] == int(corner.argmax())


def test_windows_without_data_in_the_middle_get_no_class(model):
    pixels = np.random.default_rng(0).random((4, 64, 64), dtype=np.float32)
    pixels[2, 10:20, 10:20] = np.nan
    found = slide_scenes(model, NORM, pixels, window=32, stride=1)
    expected = np.zeros((33, 33), bool)
    expected[:4, :4] = True  # middles at 16 to 19; a window's middle is its pixel 16
    assert np.array_equal(found == IGNORE, expected)


@pytest.mark.parametrize("window, stride", [(65, 8), (0, 8), (32, 0)])
def test_impossible_windows_are_refused(model, window, stride):
    pixels = np.zeros((4, 64, 64), np.float32)
    with pytest.raises(WorkshopError, match="that fit in"):
        slide_scenes(model, NORM, pixels, window=window, stride=stride)
