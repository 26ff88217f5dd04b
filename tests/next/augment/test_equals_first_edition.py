"""The views of the first edition and of the second are the same, bit for bit.

While both exist; goes with the first.
"""

import pytest
import torch
from torch import Tensor

from workshop_lib.augment import normalize as old_normalize
from workshop_lib.augment.policies import policies_for
from workshop_lib.data.modalities import pack
from workshop_lib.data.scenes import Scenes
from workshop_lib.next.augment.names import augmentations_for
from workshop_lib.next.augment.normalize import Normalize
from workshop_lib.next.augment.views import ViewMaker
from workshop_lib.training.views import ImageViews

NAMES = ("weak", "strong", "contrastive", "none")
CASES = [(rgb, name) for rgb in (True, False) for name in sorted(policies_for(rgb))]
N = 40


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scenes_of(is_rgb: bool, side: int, extra: bool = False) -> Scenes:
    draw = seeded(side)
    if is_rgb:
        images = torch.randint(0, 256, (N, 3, side, side), generator=draw)
        images, bands = images.to(torch.uint8), ("red", "green", "blue")
    else:
        images = torch.rand(N, 4, side, side, generator=draw) * 1.2
        bands = ("B02", "B03", "B04", "B08")
    modalities, metadata = {}, {}
    if extra:
        radar = torch.rand(N, 2, side, side, generator=draw) * 10 - 20
        height = torch.rand(N, 1, side, side, generator=draw) * 500
        modalities = {"s1": radar, "dem": height}
        metadata = {"has_s1": (torch.arange(N) % 5 != 0).float()}
    return Scenes(
        images=images,
        labels=torch.arange(N) % 3,
        class_names=("a", "b", "c"),
        names=tuple(map(str, range(N))),
        bands=bands,
        modalities=modalities,
        metadata=metadata,
    )


@pytest.mark.parametrize(("is_rgb", "name"), CASES)
@pytest.mark.parametrize("shape", [(1, 7, 7), (6, 32, 32), (9, 45, 61)], ids=str)
def test_an_augmentation_draws_and_computes_what_its_policy_did(is_rgb, name, shape):
    B, H, W = shape
    images = torch.rand(B, 3 if is_rgb else 12, H, W, generator=seeded(H))
    for seed in range(4):
        one, two = seeded(seed), seeded(seed)
        old = policies_for(is_rgb)[name](images, one)
        new = augmentations_for(is_rgb)[name](images, two)
        assert torch.equal(old, new)
        assert torch.equal(one.get_state(), two.get_state())


def old_views(scenes: Scenes, index: Tensor, names, generator, dropout=0.0):
    views = ImageViews(scenes, names, torch.device("cpu"), dropout)
    gaps = bool(scenes.images.is_floating_point())
    normalize = old_normalize.Normalize.fit(scenes.images, gaps=gaps)
    return [views.draw(index, name, generator, normalize) for name in names]


@pytest.mark.parametrize("is_rgb", [True, False])
@pytest.mark.parametrize("side", [32, 64, 150])
def test_a_view_maker_makes_the_views_of_the_first_edition(is_rgb, side):
    """150 pixels: larger than what is done at a time."""
    scenes = scenes_of(is_rgb, side)
    index = torch.randint(0, N, (30,), generator=seeded(1))
    old = old_views(scenes, index, NAMES, seeded(2))
    sensors = {"rgb" if is_rgb else "s2": scenes.images}
    maker = ViewMaker(
        sensors,
        {"scene": scenes.labels},
        Normalize.fit(sensors),
        labeled_views=NAMES[:2],
        unlabeled_views=NAMES[2:],
    )
    generator = seeded(2)
    labeled, targets = maker.labeled(index, generator)
    unlabeled = maker.unlabeled(index, generator)
    for before, after in zip(old, (*labeled, *unlabeled.views), strict=True):
        (values,) = after.values()
        assert torch.equal(before, values)
        assert values.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(targets["scene"], scenes.labels[index])


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("name", ["weak", "strong", "contrastive"])
def test_sensors_change_as_the_channels_of_a_packed_image_did(name, dropout):
    names = ["s2", "s1", "dem"]
    packed = pack(scenes_of(False, 48, extra=True), names)
    present = ~packed.images.isnan().flatten(2).all(2)
    index = torch.randint(0, N, (24,), generator=seeded(1))
    (old,) = old_views(packed, index, [name], seeded(2), dropout)
    s2, s1, dem = packed.images.split([4, 2, 1], 1)
    sensors = {"s2": s2, "s1": s1, "dem": dem}
    maker = ViewMaker(
        sensors,
        {},
        Normalize.fit(sensors),
        labeled_views=[name],
        modality_dropout=dropout,
    )
    generator = seeded(2)
    ((sample,), _) = maker.labeled(index, generator)
    new = torch.cat([sample[k] for k in names], 1)
    # An image that was missing radar already keeps more than it did
    same = present[index].all(1) if dropout else slice(None)
    torch.testing.assert_close(new[same], old[same], rtol=0, atol=0, equal_nan=True)
