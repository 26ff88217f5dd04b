"""Symmetries, shifts, distortions, holes and boxes: invariants and loop twins."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workshop_lib.augment.geometry import affine, dihedral, move, resized_crop
from workshop_lib.augment.occlusion import BOX_AREA, cutout, sample_boxes
from workshop_lib.augment.rgb import Contrastive
from workshop_lib.errors import WorkshopError

SHAPES = [(1, 3, 32, 32), (5, 4, 45, 61), (3, 12, 33, 33), (2, 1, 1, 7), (1, 2, 2, 1)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=generator(seed))


def dihedral_twin(image: Tensor, which: int) -> Tensor:
    """One image (C, H, W), by torch's own flips."""
    if which & 4 and image.shape[1] == image.shape[2]:
        image = image.transpose(1, 2)
        # Mirroring comes first in ours; swapped afterwards, rows become columns.
        which = (which & 4) | (which & 1) << 1 | (which & 2) >> 1
    if which & 1:
        image = image.flip(1)
    if which & 2:
        image = image.flip(2)
    return image


@shapes
def test_dihedral_equals_twin(shape):
    for which in range(8):
        images = rand(*shape)
        result = dihedral(images, torch.full((shape[0],), which))
        for image, moved in zip(images, result, strict=True):
            assert torch.equal(moved, dihedral_twin(image, which))


@settings(max_examples=40, deadline=None)
@given(height=st.integers(2, 20), width=st.integers(2, 20), seed=st.integers(0, 1000))
def test_a_shift_equals_padding_and_cropping(height, width, seed):
    draw = generator(seed)
    images = torch.rand(4, 3, height, width, generator=draw)
    down = torch.randint(1 - height, height, (4,), generator=draw)
    right = torch.randint(1 - width, width, (4,), generator=draw)
    result = move(
        images, torch.zeros(4, dtype=torch.long), torch.stack([down, right], 1)
    )
    pad = (width - 1, width - 1, height - 1, height - 1)
    for i in range(4):
        padded = F.pad(images[i : i + 1], pad, mode="reflect")[0]
        top, left = height - 1 - int(down[i]), width - 1 - int(right[i])
        expected = padded[:, top : top + height, left : left + width]
        assert torch.equal(result[i], expected)


@shapes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_zero_is_identity(shape, dtype):
    images = rand(*shape).to(dtype)
    B = shape[0]
    zero, zeros = torch.zeros(B), torch.zeros(B, 2)
    still = torch.zeros(B, dtype=torch.long)
    results = [
        dihedral(images, still),
        move(images, still, torch.zeros(B, 2, dtype=torch.long)),
        affine(images, degrees=zero, shear=zeros, shift=zeros, zoom=zero),
        affine(images),
        resized_crop(images, zeros, zeros + 1, still),
        cutout(images, zeros + 0.5, zero),
    ]
    for result in results:
        assert result.dtype == dtype
        assert torch.equal(result, images)


def test_rotation_by_right_angles_is_exact():
    images = rand(3, 2, 33, 33)
    result = affine(images, degrees=torch.tensor([90.0, 180.0, -90.0]))
    for image, turned, turns in zip(images, result, (1, 2, 3), strict=True):
        torch.testing.assert_close(
            turned, image.rot90(turns, (1, 2)), rtol=0, atol=1e-4
        )


def test_rotation_keeps_angles_in_wide_images():
    """A disc stays a disc: unequal sides must not turn a rotation into a shear."""
    y, x = torch.meshgrid(torch.arange(41.0), torch.arange(61.0), indexing="ij")
    radius = ((x - 30) ** 2 + (y - 20) ** 2).sqrt()
    disc = (radius < 15).float()[None, None]
    turned = affine(disc, degrees=torch.tensor([37.0]))
    near = radius < 20  # further out lies the mirror image of the disc
    assert (turned - disc)[0, 0][near].abs().mean() < 0.03  # the jagged edge only
    assert (turned[0, 0][radius < 13] > 0.99).all()
    assert (turned[0, 0][near & (radius > 17)] < 0.01).all()
    bar = (((x - 30).abs() < 3) & ((y - 20).abs() < 15)).float()[None, None]
    upright = affine(bar, degrees=torch.tensor([90.0]))[0, 0]
    lying = ((y - 20).abs() < 3) & ((x - 30).abs() < 15)
    torch.testing.assert_close(upright[near], lying.float()[near], rtol=0, atol=1e-3)


def test_shift_zoom_and_shear_have_the_stated_direction():
    images = torch.zeros(1, 1, 20, 40)
    images[..., 10, 20] = 1.0
    one = torch.tensor([[0.25, 0.1]])  # 10 pixels right, 2 down
    assert affine(images, shift=one)[0, 0, 12, 30] > 0.99
    square = torch.zeros(1, 1, 40, 40)
    square[..., 15:25, 15:25] = 1.0
    double = affine(square, zoom=torch.tensor([0.6931472]))
    assert double.sum() == pytest.approx(400, rel=0.05)
    slanted = affine(square, shear=torch.tensor([[0.5, 0.0]]))[0, 0]
    assert slanted.sum() == pytest.approx(100, rel=0.05)  # a shear keeps areas
    columns = torch.arange(40.0)
    top = (slanted[15] * columns).sum() / slanted[15].sum()
    bottom = (slanted[24] * columns).sum() / slanted[24].sum()
    assert top - bottom == pytest.approx(4.5, abs=0.2)


def test_resized_crop_equals_interpolation():
    images = rand(2, 3, 32, 48)
    corner = torch.tensor([[0.25, 0.5], [0.25, 0.5]])
    still = torch.zeros(2, dtype=torch.long)
    result = resized_crop(images, corner, torch.full((2, 2), 0.5), still)
    whole = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)[
        :, :, 16:48, 48:96
    ]
    torch.testing.assert_close(result[..., :-1], whole[..., :-1], rtol=0, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 1000))
def test_cutout_equals_twin(height, width, seed):
    images, centre = rand(3, 2, height, width, seed=seed), rand(3, 2, seed=seed + 1)
    size = rand(3, seed=seed + 2)
    result = cutout(images, centre, size)
    for b in range(3):
        for c in range(2):
            value = float(images[b, c].mean())
            for i in range(height):
                for j in range(width):
                    off_y = abs((i + 0.5) / height - float(centre[b, 0]))
                    off_x = abs((j + 0.5) / width - float(centre[b, 1]))
                    reach = float(size[b]) / 2
                    if min(abs(off_y - reach), abs(off_x - reach)) < 1e-5:
                        continue  # the edge of the hole may round either way
                    hidden = off_y < reach and off_x < reach
                    expected = value if hidden else float(images[b, c, i, j])
                    assert float(result[b, c, i, j]) == pytest.approx(expected)


@shapes
def test_a_crop_is_turned_in_the_same_interpolation(shape):
    B, _, H, W = shape
    images = rand(*shape)
    corner, size, *_ = Contrastive().sample_params(shape, generator(1))
    for which in range(8 if H == W else 4):
        turns = torch.full((B,), which)
        at_once = resized_crop(images, corner, size, turns)
        in_turn = dihedral(resized_crop(images, corner, size, 0 * turns), turns)
        torch.testing.assert_close(at_once, in_turn, rtol=0, atol=1e-5)


def test_drawn_crops_lie_inside():
    ramp = torch.linspace(0, 1, 64).expand(300, 1, 64, 64)
    corner, size, which, *_ = Contrastive().sample_params(ramp.shape, generator(0))
    result = resized_crop(ramp, corner, size, 0 * which)
    spread = result.amax((1, 2, 3)) - result.amin((1, 2, 3))
    assert (spread.diff().abs() > 0).any()  # different widths
    assert spread.min() > 0.3 and spread.max() <= 1
    rows = result[:, 0, 0].diff(dim=1)
    assert (rows >= -1e-6).all()  # never mirrored: nothing was read from outside


def test_bad_arguments_are_told():
    images = rand(3, 3, 8, 8)
    with pytest.raises(WorkshopError, match=r"image\[None\]"):
        move(images[0], torch.zeros(3), torch.zeros(3, 2))
    with pytest.raises(WorkshopError, match="to_float"):
        cutout(images.byte(), torch.zeros(3, 2), torch.zeros(3))


def test_boxes_are_whole_rectangles_of_the_area_asked_for():
    boxes = sample_boxes((200, 32, 48), 1.0, generator(0))
    for box in boxes:
        rows, columns = box.any(1), box.any(0)
        assert torch.equal(box, rows[:, None] & columns[None, :])
        area = box.float().mean()  # a side ends between two pixels
        assert BOX_AREA[0] - 0.06 < area < BOX_AREA[1] + 0.06
    assert (sample_boxes((200, 8, 8), 0.0, torch.Generator()).sum()) == 0
    half = sample_boxes((400, 8, 8), 0.5, generator(1))
    assert 0.4 < half.flatten(1).any(1).float().mean() < 0.6
