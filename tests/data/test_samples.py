"""What a training reads: every sensor under its name, gaps marked, nothing changed."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.metadata import metadata_vector
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.samples import (
    IndexStream,
    known_sensors,
    sample_of,
    sensors_of,
    targets_of,
)
from workshop_lib.errors import WorkshopError


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return mini_eo(20, seed=7)


def tiny(**changes) -> Dataset:
    given = {
        "images": torch.rand(3, 2, 4, 4),
        "labels": torch.tensor([0, 1, -1]),
        "class_names": ("a", "b"),
        "names": ("x", "y", "z"),
        "bands": ("B04", "B08"),
        "modalities": {"s1": torch.full((3, 2, 8, 8), -10.0)},
        "metadata": {"height": torch.tensor([0.0, 0.5, math.nan])},
    }
    return Dataset(**{**given, **changes})


def tiny_rgb(**changes) -> Dataset:
    images = torch.full((3, 3, 4, 4), 255, dtype=torch.uint8)
    return tiny(images=images, bands=("red", "green", "blue"), **changes)


def test_every_sensor_is_under_its_name(scenes):
    sensors = sensors_of(scenes)
    assert list(sensors) == ["s2", "s1", "dem"]
    assert torch.equal(sensors["s2"], scenes.images)
    for name in ("s1", "dem"):
        assert torch.equal(sensors[name], scenes.modalities[name])
    assert known_sensors(scenes) == ["s2", "s1", "dem", "cover"]


def test_stored_images_are_not_copied(scenes):
    sensors = sensors_of(scenes, ["s2", "s1"])
    assert sensors["s2"] is scenes.images
    assert sensors["s1"] is scenes.modalities["s1"]
    rgb = tiny_rgb()
    assert sensors_of(rgb)["rgb"] is rgb.images  # bytes until they are needed


def test_the_cover_map_as_an_input_has_a_channel_per_class(scenes):
    cover = sensors_of(scenes, ["cover"])["cover"]
    assert torch.equal(cover.argmax(1).to(torch.uint8), scenes.masks)
    assert torch.equal(cover.sum(1), torch.ones_like(cover[:, 0]))
    masks = torch.zeros(3, 4, 4, dtype=torch.uint8)
    masks[1, 0, 0] = 255
    cover = sensors_of(tiny(masks=masks), ["cover"])["cover"]
    assert cover[1, :, 0, 0].isnan().all() and int(cover.isnan().sum()) == len(cover[0])


def test_covers_are_those_of_more_than_a_trace_of_the_known_pixels(scenes):
    found = targets_of(scenes, ("covers",))["covers"]
    for mask, row in zip(scenes.masks, found, strict=True):  # a loop as the twin
        shares = [float((mask == k).float().mean()) for k in range(7)]
        assert row.tolist() == [float(share > 0.05) for share in shares]
    masks = torch.full((3, 4, 4), 255, dtype=torch.uint8)
    masks[0, 0], masks[1, 0, 0] = torch.tensor([0, 0, 0, 1]), 1
    some = tiny(masks=masks, mask_names=("a", "b"))
    found = targets_of(some, ("covers",))["covers"]
    assert found[:2].tolist() == [[1, 1], [0, 1]] and found[2].isnan().all()
    with pytest.raises(WorkshopError, match="target of this data set 'covers'"):
        targets_of(tiny(), ("covers",))


def test_missing_images_are_nan_and_left_out_of_the_statistics():
    s1 = torch.full((3, 2, 4, 4), -10.0)
    s1[2] = 1e6  # means nothing: the image is missing radar
    has = {"has_s1": torch.tensor([1.0, 1.0, 0.0])}
    gappy = tiny(modalities={"s1": s1}, metadata=has)
    sensors = sensors_of(gappy)
    assert sensors["s1"][2].isnan().all() and sensors["s1"][:2].isfinite().all()
    assert sensors["s2"].isfinite().all() and s1[2].eq(1e6).all()  # ours is a copy
    normalize = Normalize.fit(sensors)
    assert normalize.bands["s1"].mean.tolist() == [-10, -10]
    assert normalize(sensors)["s1"][2].isnan().all()
    rgb = tiny_rgb(metadata={"has_rgb": torch.tensor([1, 0, 1])})
    images = sensors_of(rgb, ["rgb"])["rgb"]
    assert images[1].isnan().all() and images[[0, 2]].eq(1).all()


def test_coarser_and_finer_sensors_are_resized():
    for side in (2, 4, 8):
        radar = torch.full((3, 2, side, side), -10.0)
        sensors = sensors_of(tiny(modalities={"s1": radar}))
        assert torch.equal(sensors["s1"], torch.full((3, 2, 4, 4), -10.0))


@pytest.mark.parametrize(
    ("names", "word"),
    [((), "at least one"), (("s2", "s2"), "each once"), (("s3",), "known are s1, s2")],
)
def test_impossible_sensors_are_refused(names, word):
    with pytest.raises(WorkshopError, match=word):
        sensors_of(tiny(), names)


def test_a_sample_has_metadata_if_asked_for(scenes):
    assert "metadata" not in sample_of(scenes)
    sample = sample_of(scenes, ["s1"], ["date", "rain"])
    assert list(sample) == ["s1", "metadata"]
    assert torch.equal(sample["metadata"], metadata_vector(scenes, ["date", "rain"]))


def test_targets_of_scenes_pixels_and_numbers():
    masks = torch.zeros(3, 4, 4, dtype=torch.uint8)
    dataset = tiny(masks=masks)
    targets = targets_of(dataset, ["scene", "cover", "height"])
    assert targets["scene"] is dataset.labels and targets["cover"] is masks
    assert targets["height"].dtype == torch.float32
    assert targets["height"][:2].tolist() == [0, 0.5] and targets["height"][2].isnan()
    assert list(targets_of(dataset)) == ["scene"]
    several = tiny(labels=torch.tensor([[0, 1], [1, 1], [0, 0]]))
    found = targets_of(several)["scene"]
    assert found.dtype == torch.float32 and found.tolist() == [[0, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize("name", ["cover", "depth", "pair"])
def test_impossible_targets_are_refused(name):
    dataset = tiny(metadata={"height": torch.zeros(3), "pair": torch.zeros(3, 2)})
    with pytest.raises(WorkshopError, match="known are height, scene"):
        targets_of(dataset, [name])


# --- index streams: endless, fair, a pure function of the step

sizes = st.integers(1, 40)
batches = st.integers(1, 50)
seeds = st.integers(0, 2**31)


def positions(n: int) -> torch.Tensor:
    return torch.arange(n) * 3 + 7  # not 0..n-1, so that positions cannot be mistaken


@given(sizes, batches, seeds)
def test_every_index_comes_once_per_pass(n, batch, seed):
    stream = IndexStream(positions(n), batch, seed)
    steps = -(-3 * n // batch)  # covers three passes
    flat = torch.cat([stream.at(s) for s in range(steps)])
    assert len(flat) == steps * batch
    for e in range(3):
        assert sorted(flat[e * n : (e + 1) * n].tolist()) == positions(n).tolist()


@given(sizes, batches, seeds, st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_step_is_the_same_whatever_came_before(n, batch, seed, steps):
    used = IndexStream(positions(n), batch, seed)
    for step in steps:
        fresh = IndexStream(positions(n), batch, seed)
        assert torch.equal(used.at(step), fresh.at(step))


def test_passes_and_seeds_differ():
    stream = IndexStream(positions(50), 50, seed=0)
    assert not torch.equal(stream.at(0), stream.at(1))
    assert not torch.equal(stream.at(0), IndexStream(positions(50), 50, seed=1).at(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_same_indices():
    here = IndexStream(positions(30), 8, seed=4)
    there = IndexStream(positions(30).cuda(), 8, seed=4)
    assert there.at(9).device.type == "cuda"
    assert torch.equal(here.at(9), there.at(9).cpu())


@pytest.mark.parametrize(("count", "batch"), [(0, 2), (3, 0)])
def test_wrong_use_is_refused(count, batch):
    with pytest.raises(WorkshopError, match=f"batches of {batch} from {count} images"):
        IndexStream(positions(count), batch, seed=0)
