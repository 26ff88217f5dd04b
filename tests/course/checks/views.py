"""Answers of the exercises about random views: right in several ways, wrong in many."""

import math

import torch

from workshop_lib.augment.geometry import Weak
from workshop_lib.augment.occlusion import cutout as library_cutout


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


def per_image(dims, p=0.5):
    """Flip along some dims, by one draw per image."""

    def view(images, generator):
        chosen = coin(len(images), generator, p).view(-1, 1, 1, 1)
        return torch.where(chosen, images.flip(dims), images)

    return view


def one_draw(images, generator):
    images = images.flip(3) if coin(1, generator) else images
    return images.flip(2) if coin(1, generator) else images


def seeds_itself(images, generator):
    return whole_batch(images, torch.Generator().manual_seed(0))


def noisy(images, generator):
    return whole_batch(images, generator) + torch.rand(1, generator=generator)


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


RIGHT = {
    "weak_view": [whole_batch, looped, Weak(shift=0)],
    "cutout": [holes, masked, by_library, lambda *a: holes(*a, inside=False)],
}
WRONG = {
    "weak_view": [
        (complement, "one draw decides for both directions"),
        (integers_as_index, "the draws are the integers 0 and 1"),
        (one_draw, "one draw decides for the whole batch"),
        (noisy, "a mirror only moves pixels"),
        (per_image((3,)), "top-bottom (dimension -2), with probability 1/2"),
        (per_image((2, 3)), "one draw decides for both directions"),
        (lambda x, g: x.flip(3), "nothing is drawn"),
        (seeds_itself, "seeds its generator itself"),
        (lambda x, g: x, "the result of flip or where is lost"),
        (lambda x, g: whole_batch(x, None), "the generator is not used"),
        (lambda x, g: whole_batch(x, g)[0], "a view has the shape of the batch"),
        (lambda images: images, "the check calls weak_view(images, generator)"),
    ],
    "cutout": [
        (negative_slice, "some images get no hole"),
        (sometimes, "some images get no hole"),
        (lambda *a: holes(*a, pixels=16), "times the side of the image"),
        (lambda *a: holes(*a, one=True), "row and column are not drawn apart"),
        (lambda *a: holes(*a, rows=True), "times the side of the image"),
        (lambda *a: holes(*a, columns=True), "times the side of the image"),
        (lambda *a: holes(*a, wide=0.5), "times the side of the image"),
        (lambda x, s, g: holes(x, math.sqrt(s), g), "is no fraction of the area"),
        (lambda *a: holes(*a, bands=slice(0, 1)), "a single square in all bands"),
        (
            lambda *a: holes(*a, fill=lambda x, i: x.mean((0, 2, 3)).view(3, 1, 1)),
            "the mean of its own image",
        ),
        (lambda *a: holes(*a, fill=lambda x, i: x[i].mean()), "band by band"),
        (lambda *a: holes(*a, fill=lambda x, i: 0.0), "neither with 0"),
        (lambda *a: holes(*a, diagonal=True), "row and column are not drawn apart"),
        (scattered, "a single square in all bands is wanted"),
        (lambda x, s, g: holes(x, s, None), "the generator is not used"),
        (lambda x, s, g: x, "nothing is drawn"),
    ],
}
