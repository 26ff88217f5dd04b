"""Answers of the exercises about random views: right in several ways, wrong in many."""

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


def seeds_itself(images, generator):
    return whole_batch(images, torch.Generator().manual_seed(0))


def noisy(images, generator):
    return whole_batch(images, generator) + torch.rand(1, generator=generator)


def holes(images, place, size):
    """Cut a hole image by image."""
    H, W = images.shape[2:]
    views = images.clone()
    for image, (row, column) in zip(views, place.tolist(), strict=True):
        top, left = (round((u - size / 2) * n) for u, n in ((row, H), (column, W)))
        square = slice(max(0, top), top + round(size * H))
        across = slice(max(0, left), left + round(size * W))
        image[:, square, across] = image.mean((1, 2))[:, None, None]
    return views


def by_library(images, place, size):
    return library_cutout(images, place, torch.full((len(images),), size))


RIGHT = {
    "weak_view": [whole_batch, looped, Weak(shift=0)],
    "cutout": [holes, by_library],
}
WRONG = {
    "weak_view": [
        (noisy, "a mirror only moves pixels"),
        (per_image((3,)), "one of the two directions is never mirrored"),
        (per_image((2, 3)), "one draw decides for both directions"),
        (lambda x, g: x.flip(3), "nothing is drawn"),
        (seeds_itself, "seeds its generator itself"),
        (lambda x, g: x, "the result of flip or where is lost"),
        (lambda x, g: whole_batch(x, None), "the generator is not used"),
        (lambda x, g: whole_batch(x, g)[0], "a view has the shape of the batch"),
        (lambda images: images, "the check calls weak_view(images, generator)"),
    ],
    "cutout": [
        (lambda x, place, size: holes(x, place, size**0.5), "do one image by hand"),
        (lambda x, place, size: holes(x, place, 16 / 32), "do one image by hand"),
        (lambda x, place, size: x, "do one image by hand"),
        (lambda x, place, size: x.mul_(0), "changed its argument"),
    ],
}
