"""Unit 03: random views, right in several ways and wrong in many."""

import math

import pytest
import torch

from workshop_lib.augment.occlusion import cutout as library_cutout
from workshop_lib.augment.view_geometry import Weak
from workshop_lib.course import checks


def coin(n, generator, p=0.5):
    return torch.rand(n, generator=generator) < p


def whole_batch(images, generator):
    B = len(images)
    sideways, upright = coin(B, generator), coin(B, generator)
    images = torch.where(sideways.view(B, 1, 1, 1), images.flip(3), images)
    return torch.where(upright.view(B, 1, 1, 1), images.flip(2), images)


def looped(images, generator):
    views = images.clone()
    for i in range(len(images)):
        if coin(1, generator):
            views[i] = views[i].flip(2)
        if coin(1, generator):
            views[i] = views[i].flip(1)
    return views


def as_double(images, generator):
    return whole_batch(images.double(), generator)


@pytest.mark.parametrize("right", [whole_batch, looped, as_double, Weak(shift=0)])
def test_weak_right(right, capsys):
    checks.weak_view(right)
    assert capsys.readouterr().out.startswith("✓ weak_view:")


def per_image(dims, p=0.5):
    """Flip along some dims, by one draw per image."""

    def view(images, generator):
        chosen = coin(len(images), generator, p).view(-1, 1, 1, 1)
        return torch.where(chosen, images.flip(dims), images)

    return view


def one_draw(images, generator):
    images = images.flip(3) if coin(1, generator) else images
    return images.flip(2) if coin(1, generator) else images


def bands_apart(images, generator):
    chosen = coin(images.shape[:2], generator)[:, :, None, None]
    images = torch.where(chosen, images.flip(3), images)
    return whole_batch(images, generator)


def seeds_itself(images, generator):
    return whole_batch(images, torch.Generator().manual_seed(0))


def in_place(images, generator):
    images[:] = whole_batch(images, generator)
    return images


def of_the_batch(images, generator):
    return images.flip(0) if coin(1, generator) else whole_batch(images, generator)


def noisy(images, generator):
    return whole_batch(images, generator) + torch.rand(1, generator=generator)


def rolled(images, generator):
    return torch.roll(images, int(torch.randint(1, 5, (1,), generator=generator)), 3)


def complement(images, generator):
    """Every image is flipped exactly once."""
    sideways = coin(len(images), generator).view(-1, 1, 1, 1)
    return torch.where(sideways, images.flip(3), images.flip(2))


def integers_as_index(images, generator):
    views = images.clone()
    for dim in (3, 2):
        flip = torch.randint(0, 2, (len(images),), generator=generator)
        views[flip] = views[flip].flip(dim)
    return views


def integers_pick(images, generator):
    flip = torch.randint(0, 2, (len(images),), generator=generator)
    return images[flip].flip(3)


def looped_along_bands(images, generator):
    """In a loop over images (C, H, W), dim 0 are the bands and dim 1 the rows."""
    views = images.clone()
    for i in range(len(images)):
        for dim in (0, 1):
            if coin(1, generator):
                views[i] = views[i].flip(dim)
    return views


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (complement, "one draw decides for both directions"),
        (integers_as_index, "the draws are the integers 0 and 1"),
        (integers_pick, "the draws are the integers 0 and 1"),
        (looped_along_bands, "flip the last dimension, -1, for left"),
        (one_draw, "one draw decides for the whole batch"),
        (per_image((1,)), "the order of the bands is reversed"),
        (lambda x, g: per_image((1,))(whole_batch(x, g), g), "order of the bands"),
        (of_the_batch, "changed places in the batch"),
        (bands_apart, "in all bands of an image alike"),
        (noisy, "a mirror only moves pixels"),
        (rolled, "use flip"),
        (per_image((3,)), "ever mirrored top and bottom (dimension -2)"),
        (per_image((2,)), "ever mirrored left and right (dimension -1)"),
        (per_image((2, 3)), "one draw decides for both directions"),
        (
            lambda x, g: per_image((2,))(x.flip(3), g),
            "compare the draws with 0.5",
        ),
        (lambda x, g: x.flip(3), "either nothing is drawn"),
        (seeds_itself, "seeds its generator itself"),
        (lambda x, g: x, "nothing is changed at all"),
        (lambda x, g: whole_batch(x, None), "the generator is not used"),
        (lambda x, g: whole_batch(x, g)[0], "a view has the shape of the batch"),
        (
            lambda x, g: per_image((2,), 0.9)(per_image((3,), 0.9)(x, g), g),
            "compare the draws with 0.5",
        ),
        (in_place, "changed its argument"),
        (lambda images: images, "the check calls weak_view(images, generator)"),
    ],
)
def test_weak_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.weak_view, wrong)


def holes(
    images, size, generator, *, fill=None, pixels=None, inside=True, one=False,
    rows=False, columns=False, bands=slice(None), diagonal=False, wide=1.0,
):  # fmt: skip
    """Cut a hole image by image; right, but for one change."""
    B, _, H, W = images.shape
    side = pixels or round(size * H)
    across = W if rows else max(1, round(wide * side))
    side = H if columns else side
    views = images.clone()
    place = torch.rand(B, 2, generator=generator)
    for i in range(B):
        u, v = place[0 if one else i].tolist()
        v = u if diagonal else v
        top = int(u * (H - side + 1)) if inside else int(u * H) - side // 2
        left = int(v * (W - across + 1)) if inside else int(v * W) - across // 2
        t, b = max(0, top), min(H, top + side)
        left, right = max(0, left), min(W, left + across)
        mean = images[i].mean((1, 2), keepdim=True)
        value = mean if fill is None else fill(images, i)
        shape = views[i, :, t:b, left:right].shape
        views[i, bands, t:b, left:right] = torch.as_tensor(value).expand(shape)[bands]
    return views


def masked(images, size, generator):
    """The same without a loop; holes reach over the border."""
    B, _, H, W = images.shape
    side = round(size * H)
    top = torch.randint(-side // 2, H - side // 2, (B, 1), generator=generator)
    left = torch.randint(-side // 2, W - side // 2, (B, 1), generator=generator)
    row, column = torch.arange(H), torch.arange(W)
    rows = (row >= top) & (row < top + side)  # (B, H)
    columns = (column >= left) & (column < left + side)  # (B, W)
    hole = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(hole, images.mean((2, 3), keepdim=True), images)


def by_library(images, size, generator):
    centre = torch.rand(len(images), 2, generator=generator)
    return library_cutout(images, centre, torch.full((len(images),), size))


@pytest.mark.parametrize(
    "right", [holes, masked, by_library, lambda *a: holes(*a, inside=False)]
)
def test_cutout_right(right):
    checks.cutout(right)


def negative_slice(images, size, generator):
    """The classic slip: a start below 0 counts from the end, and the slice is empty."""
    B, _, H, W = images.shape
    half = round(size * H) // 2
    y = torch.randint(0, H, (B,), generator=generator)
    x = torch.randint(0, W, (B,), generator=generator)
    views = images.clone()
    for i in range(B):
        hole = (slice(y[i] - half, y[i] + half), slice(x[i] - half, x[i] + half))
        views[i, :, hole[0], hole[1]] = images[i].mean((1, 2))[:, None, None]
    return views


def sometimes(images, size, generator):
    """Either all images get a hole or none does; none with the first generator."""
    return images if generator.initial_seed() == 0 else holes(images, size, generator)


def scattered(images, size, generator):
    drawn = torch.rand(images[:, :1].shape, generator=generator) < 0.1
    return torch.where(drawn, images.mean((2, 3), keepdim=True), images)


def in_place_cutout(images, size, generator):
    images[:, :, :4, :4] = 0
    return images


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (negative_slice, "some images get no hole"),
        (sometimes, "some images get no hole"),
        (lambda *a: holes(*a, pixels=16), "16 pixels wide, whatever the image"),
        (lambda *a: holes(*a, one=True), "all holes of the batch are at one position"),
        (lambda *a: holes(*a, rows=True), "whole rows or columns are gone"),
        (lambda *a: holes(*a, bands=slice(0, 1)), "a single square in all bands"),
        (
            lambda *a: holes(*a, fill=lambda x, i: x.mean((0, 2, 3)).view(3, 1, 1)),
            "the mean of the batch fills every hole",
        ),
        (lambda *a: holes(*a, fill=lambda x, i: x[i].mean()), "the hole is grey"),
        (lambda *a: holes(*a, fill=lambda x, i: 0.0), "the hole is black"),
        (lambda *a: holes(*a, fill=lambda x, i: 1.0), "the mean of its image"),
        (
            lambda *a: holes(*a, fill=lambda x, i: x[i, :, :1, :1]),
            "fill each hole with the mean of its image",
        ),
        (
            lambda x, s, g: holes(x, math.sqrt(s), g),
            "used as a fraction of the area",
        ),
        (lambda x, s, g: holes(x, 2 * s, g, inside=False), "twice as wide"),
        (lambda *a: holes(*a, columns=True), "whole rows or columns"),
        (lambda x, s, g: holes(x, s / 2, g), "times the side of the image"),
        (lambda *a: holes(*a, wide=0.5), "times the side of the image"),
        (lambda *a: holes(*a, diagonal=True), "row and column depend on one draw"),
        (scattered, "a single square in all bands is wanted"),
        (in_place_cutout, "changed its argument"),
        (
            lambda x, s, g: holes(x, s, torch.Generator().manual_seed(1)),
            "seeds its generator itself",
        ),
        (lambda x, s, g: holes(x, s, None), "the generator is not used"),
        (lambda x, s, g: x, "nothing is changed at all"),
    ],
)
def test_cutout_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.cutout, wrong)
