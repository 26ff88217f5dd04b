"""The figures of slides/03_augmentation.md: those of notebook 03, and two more."""

__all__ = ["FIGURES", "MEASURED"]

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from slides.draw.kit import measured
from slides.draw.letters import for_the_room
from slides.draw.measured_03 import MEASURED, draws
from slides.draw.runs import deck_scenes
from workshop_lib import plots
from workshop_lib.augment import Weak, photometric, policies_for, spectral
from workshop_lib.augment.cutout import cutout
from workshop_lib.augment.geometry import affine, symmetry
from workshop_lib.augment.normalize import Normalize
from workshop_lib.plots.style import AccessibleFigure

RGB = ("red", "green", "blue")
PIPELINES = {
    "none": "none", "weak": "weak", "strong": "strong-1", "contrastive": "strong-2",
}  # fmt: skip


@cache
def six() -> tuple[Tensor, list[str]]:
    """Return one labelled image of each of six classes, and the names of these."""
    scenes, split = deck_scenes()
    first = {int(scenes.labels[i]): int(i) for i in split.labeled}
    classes = sorted(first)[:6]
    names = [scenes.class_names[k] for k in classes]
    return scenes.images[[first[k] for k in classes]], names


def rows(
    shown: dict[str, Tensor],
    title: str,
    captions: Sequence[str] = (),
    bands: Sequence[str] = (),
) -> AccessibleFigure:
    """Show views of MiniEO in letters that a room can read, without the title.

    The heading of the slide says it already.
    """
    bands = bands or deck_scenes()[0].bands
    figure = plots.view_rows(shown, bands, title=title, captions=captions)
    return for_the_room(figure)


def six_images() -> AccessibleFigure:
    """Draw the six images as they are."""
    images, names = six()
    return rows({"labelled": images}, "Six labelled images", names)


def two_ways() -> AccessibleFigure:
    """Draw one image six times, and six views of it."""
    again = six()[0][3:4].repeat(6, 1, 1, 1)  # the lake
    warped = policies_for(is_rgb=False)["strong"](again, draws())
    return rows({"A": again, "B": warped}, "Two ways to make six of one")


def eight_symmetries() -> AccessibleFigure:
    """Draw the eight symmetries."""
    eight = symmetry(six()[0][5:6].repeat(8, 1, 1, 1), torch.arange(8))  # the road
    ways = ["as it is", "up-down", "left-right", "both"]
    shown = {"standing": eight[:4], "lying": eight[4:]}
    return rows(shown, "The eight symmetries of the square", ways)


def full_circle() -> AccessibleFigure:
    """Draw what is left of an image that was turned all the way round."""
    image = six()[0][5:6]  # the road
    quarters = [image]
    for _ in range(4):
        quarters.append(quarters[-1].rot90(dims=(2, 3)))
    slow = [image]
    for _ in range(12):
        slow.append(affine(slow[-1], degrees=torch.tensor([30.0])))
    assert torch.equal(quarters[4], image)  # what the slide says
    shown = {
        "by 90 degrees": torch.cat([image, quarters[1], quarters[4]]),
        "by 30 degrees": torch.cat([image, slow[1], slow[12]]),
    }
    ways = ["as it is", "turned once", "full circle"]
    return rows(shown, "Turning, and coming back", ways)


def weak_views() -> AccessibleFigure:
    """Draw three weak views of each image."""
    images, _ = six()
    generator = draws()
    shown = {f"draw {k}": Weak()(images, generator) for k in (1, 2, 3)}
    return rows({"as it is": images, **shown}, "The weak view, three times")


def same_hole() -> AccessibleFigure:
    """Draw a hole of 16 pixels in images of three sizes."""
    shown = {}
    for side in (32, 64, 224):
        image = torch.nn.functional.interpolate(six()[0][2:5], (side, side))
        middle, size = torch.full((3, 2), 0.5), torch.full((3,), 16 / side)
        shown[f"{side} pixels: {(16 / side) ** 2:.1%} hidden"] = cutout(
            image, middle, size
        )
    return rows(shown, "A hole of 16 pixels")


def holes() -> AccessibleFigure:
    """Draw holes of three sizes, each at a place of its own."""
    images, _ = six()
    places = torch.rand(6, 2, generator=draws())
    shown = {
        f"size {size}": cutout(images, places, torch.full((6,), size))
        for size in (0.25, 0.5, 0.75)
    }
    return rows(shown, "Cutout: a square, in fractions of the side")


def pipelines() -> AccessibleFigure:
    """Draw the same images under the four pipelines for reflectances."""
    images, _ = six()
    policies, generator = policies_for(is_rgb=False), draws()
    shown = {
        title: policies[name](images, generator) for name, title in PIPELINES.items()
    }
    return rows(shown, "The same six images, four pipelines")


def photo_pipelines() -> AccessibleFigure:
    """Draw them under the pipelines for photographs: the screen plays the photo."""
    images, _ = six()
    screen = torch.from_numpy(plots.to_display(images, deck_scenes()[0].bands))
    photos = screen.permute(0, 3, 1, 2).float() / 255  # (6, 3, H, W)
    policies, generator = policies_for(is_rgb=True), draws()
    shown = {
        title: policies[name](photos, generator) for name, title in PIPELINES.items()
    }
    return rows(shown, "The pipelines for photographs", bands=RGB)


def strengths() -> AccessibleFigure:
    """Draw one image under each change by itself, from nothing to too much."""
    steps = torch.linspace(0, 1, 5)
    image = six()[0][3:4].repeat(5, 1, 1, 1)  # the lake
    shown = {
        "rotate": affine(image, degrees=45 * steps),
        "cutout": cutout(image, torch.full((5, 2), 0.5), 0.75 * steps),
        "haze": spectral.haze(image, 0.8 * steps),
    }
    ways = [f"{step:g}" for step in steps.tolist()]
    return rows(shown, "One image, one change per row, at five strengths", ways)


def ndvi(images: Tensor) -> float:
    """Return the mean of (near infrared - red) / (near infrared + red)."""
    bands = deck_scenes()[0].bands
    r, n = images[:, bands.index("B04")], images[:, bands.index("B08")]
    return float(((n - r) / (n + r).clamp(min=1e-6)).mean())


def sky() -> AccessibleFigure:
    """Draw what sun, air and season do, and what no sky does; NDVI below."""
    scenes, _ = deck_scenes()
    land = scenes.images[:200]
    half = torch.full((200,), 0.5)
    changed = {
        "as it is": land,
        "more sun": spectral.gain(land, half),
        "thin haze": spectral.haze(land, half),
        "season": spectral.tint(land, half),
        "posterise": photometric.posterize(land, 12 * half),
        "solarise": photometric.solarize(land, 1.8 * half),
    }
    shown = {
        scenes.class_names[scenes.labels[k]]: torch.stack(
            [view[k] for view in changed.values()]
        )
        for k in (0, 3, 5)
    }
    ways = [f"{name}\nNDVI {ndvi(view):.2f}" for name, view in changed.items()]
    return rows(shown, "What the sky does, and what not", ways)


def radar() -> AccessibleFigure:
    """Draw a hill under a radar."""
    return for_the_room(plots.sar_geometry(), width=1000)


def forgotten() -> AccessibleFigure:
    """Draw the scale of a normalised view and of one that was forgotten."""
    scenes, split = deck_scenes()
    policy, generator = policies_for(is_rgb=False)["strong"], draws()
    normalize = Normalize.fit(scenes.images, split.unlabeled)
    batch = scenes.images[split.unlabeled[:256]]
    one = normalize(policy(batch, generator)).std((1, 2, 3))  # (256,)
    two = policy(batch, generator).std((1, 2, 3))
    between = (one.mean() * two.mean()).sqrt()
    told = torch.cat([one > between, two < between]).float().mean()
    figure = plots.bars(
        {"normalised view": float(one.mean()), "forgotten view": float(two.mean())},
        title=f"One number tells the views apart: {told:.0%} right",
        unit="spread of an image's values",
    )
    return for_the_room(figure, width=900, title=True)


def one_by_one() -> AccessibleFigure:
    """Draw images per second, one by one and in batches."""
    found = measured("03_speed.json")["images_per_second"]
    figure = plots.bars(
        {name: rate / 1000 for name, rate in found.items()},
        title="One by one, or the whole batch",
        unit="thousand images per second of one core",
    )
    return for_the_room(figure, width=860)


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "03_six.png": six_images,
    "03_two_ways.png": two_ways,
    "03_eight.png": eight_symmetries,
    "03_full_circle.png": full_circle,
    "03_weak.png": weak_views,
    "03_same_hole.png": same_hole,
    "03_cutout.png": holes,
    "03_pipelines.png": pipelines,
    "03_photo_pipelines.png": photo_pipelines,
    "03_strengths.png": strengths,
    "03_sky.png": sky,
    "03_radar.svg": radar,
    "03_forgotten.svg": forgotten,
    "03_speed.svg": one_by_one,
}
