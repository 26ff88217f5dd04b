"""The views of a training: names, geometry of maps, CutMix, ranks, stored features."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributed

from workshop_lib.augment import base
from workshop_lib.augment.normalize import BandNormalize, Normalize
from workshop_lib.augment.views import FeatureViewMaker, ViewMaker
from workshop_lib.errors import WorkshopError
from workshop_lib.sample import METADATA, Sample

N, SIDE = 40, 16
GROUND = "ground"  # a sensor that only geometry changes: which pixel it is


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def index_of(seed: int, count: int = 12) -> Tensor:
    return torch.randint(0, N, (count,), generator=seeded(seed))


def stored(optical: str = "s2", missing: bool = False, side: int = SIDE) -> Sample:
    draw = seeded(7)
    images = torch.rand(N, 3 if optical == "rgb" else 4, side, side, generator=draw)
    if optical == "rgb":
        images = (images * 255).to(torch.uint8)
    radar = torch.rand(N, 2, side, side, generator=draw) * 10 - 20
    if missing:
        radar[::3] = math.nan
    pixels = torch.arange(side * side).view(1, 1, side, side).float()
    return {
        optical: images,
        "s1": radar,
        GROUND: pixels.expand(N, 1, side, side).clone(),
        METADATA: torch.rand(N, 3, generator=draw),
    }


def targets_of(side: int = SIDE) -> dict[str, Tensor]:
    pixels = torch.arange(side * side).view(1, side, side)
    return {
        "scene": torch.arange(N) % 5,
        "cover": (pixels % 251).expand(N, side, side).to(torch.uint8),
        "depth": pixels.expand(N, side, side).float(),
        "tags": torch.arange(2 * N).view(N, 2).float(),
    }


def unchanged(channels: int) -> BandNormalize:
    return BandNormalize(torch.zeros(channels), torch.ones(channels))


def maker_of(labeled=("weak",), unlabeled=(), sensors=None, **options):
    sensors = stored() if sensors is None else sensors
    channels = {name: values.shape[1] for name, values in sensors.items()}
    normalize = Normalize({name: unchanged(count) for name, count in channels.items()})
    targets = targets_of() if options.get("dense") else {"scene": targets_of()["scene"]}
    return ViewMaker(
        sensors,
        targets,
        normalize,
        labeled_views=labeled,
        unlabeled_views=unlabeled,
        **options,
    )


def same(one: Sample, two: Sample) -> bool:
    if list(one) != list(two):
        return False
    return all(torch.equal(one[k].nan_to_num(9e9), two[k].nan_to_num(9e9)) for k in one)


# ------------------------------------------------------------------------------ names


def test_views_show_the_sensors_that_their_names_say():
    names = (
        "weak",
        "weak|drop:s2,ground,metadata",
        "strong|drop:metadata",
        "none|drop:s2",
    )
    maker = maker_of(names)
    views, _ = maker.labeled(index_of(0), seeded())
    shown = [list(view) for view in views]
    everything = ["s2", "s1", GROUND, METADATA]
    assert shown == [everything, ["s1"], everything[:3], everything[1:]]
    assert torch.equal(views[3]["s1"], stored()["s1"][index_of(0)])


@pytest.mark.parametrize("dense", [False, True])
def test_metadata_is_never_augmented(dense):
    views = ("weak", "strong", "contrastive", "none")
    maker = maker_of(("weak",), views, dense=dense, cutmix=1.0, modality_dropout=0.5)
    found = maker.unlabeled(index_of(1), seeded())
    for view in found.views:
        assert torch.equal(view[METADATA], stored()[METADATA][index_of(1)])


def test_impossible_views_are_refused():
    for names, message in (
        (("stron",), "Did you mean 'strong'"),
        (("weak|drop:s3",), "unknown sensor 's3'"),
        (("weak|s1",), "unknown augmentation"),
        (("weak|drop:s2,s1,ground",), "keep at least one"),
    ):
        with pytest.raises(WorkshopError, match=message):
            maker_of(names)
    with pytest.raises(WorkshopError, match="labels of pixels are not"):
        maker_of(("contrastive",), dense=True)
    assert maker_of(("weak|drop:metadata",), sensors={"s2": stored()["s2"]})


# ------------------------------------------------------------------------------- maps


@pytest.mark.parametrize("optical", ["s2", "rgb"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_strong_view_shows_the_pixels_of_the_weak_one(optical, seed):
    """Followed, the weak view's ground is the strong view's, wherever it is visible."""
    maker = maker_of(
        ("weak",), ("weak", "strong"), stored(optical), dense=True, cutmix=0.7
    )
    index = index_of(seed)
    (weak, strong), follow, truth = maker.unlabeled(index, seeded(seed))
    visible = follow(torch.ones(len(index), SIDE, SIDE))
    assert set(visible.unique().tolist()) == {0.0, 1.0}
    ground = follow(weak[GROUND][:, 0])
    seen = visible.bool()
    assert torch.equal(strong[GROUND][:, 0][seen], ground[seen])
    assert ground[~seen].eq(0).all()
    # The truth is where the pseudo-label of the same pixel is
    assert torch.equal(truth()["depth"], ground)
    assert torch.equal(truth()["cover"].float(), (ground % 251))
    assert torch.equal(truth()["scene"], targets_of()["scene"][index])
    assert not torch.allclose(strong[optical], weak[optical])


def test_each_hidden_pixel_is_hidden_by_cutout():
    """Without CutMix: a hidden square holds the mean of its image, and nothing else."""
    maker = maker_of(("weak",), ("weak", "strong"), dense=True)
    (weak, strong), follow, _ = maker.unlabeled(index_of(3), seeded(3))
    hidden = follow(torch.ones(12, SIDE, SIDE)) == 0
    assert 0.05 < float(hidden.float().mean()) < 0.35
    mean = weak[GROUND].mean((2, 3), keepdim=True).expand(-1, -1, SIDE, SIDE)[:, 0]
    torch.testing.assert_close(strong[GROUND][:, 0][hidden], mean[hidden])
    assert torch.equal(strong[GROUND][:, 0][~hidden], weak[GROUND][:, 0][~hidden])


def test_cutmix_pairs_every_image_with_another_one():
    """Loop twin: a box holds what the image a power of two before it shows there."""
    for count, distance in ((2, 1), (3, 2), (8, 4), (12, 8)):
        maker = maker_of(("weak",), ("weak", "strong"), dense=True, cutmix=1.0)
        index = torch.arange(count)
        (weak, _), follow, _ = maker.unlabeled(index, seeded(count))
        assert follow.boxes is not None and follow.boxes.flatten(1).any(1).all()
        rows = torch.arange(count).view(-1, 1, 1).expand(count, SIDE, SIDE) + 1
        mixed = follow(rows)
        for i in range(count):
            for row in range(SIDE):
                for column in range(SIDE):
                    box = follow.boxes[i, row, column]
                    expected = (i - distance) % count + 1 if box else i + 1
                    assert int(mixed[i, row, column]) in (0, expected)


def test_following_takes_maps_of_any_kind_and_leaves_the_rest():
    maker = maker_of(("weak",), ("weak", "strong"), dense=True, cutmix=0.5)
    _, follow, _ = maker.unlabeled(index_of(0), seeded())
    one = torch.rand(12, SIDE, SIDE, generator=seeded(1))
    many = torch.stack([one, 2 * one], 1)
    assert torch.equal(follow(many), torch.stack([follow(one), 2 * follow(one)], 1))
    for untouched in (torch.rand(12), torch.rand(12, 5)):
        assert follow(untouched) is untouched
    scenes = maker_of(("weak",), ("weak", "strong"), cutmix=1.0)
    _, follow, _ = scenes.unlabeled(index_of(0), seeded())
    assert follow(one) is one


@pytest.mark.parametrize("views", [("weak",), ("strong",), ("weak", "strong")])
def test_maps_move_with_labeled_images(views):
    maker = maker_of(views, dense=True, cutmix=1.0)
    index = index_of(4)
    samples, targets = maker.labeled(index, seeded(4))
    assert torch.equal(targets["scene"], targets_of()["scene"][index])
    assert torch.equal(targets["tags"], targets_of()["tags"][index])
    known = ~targets["depth"].isnan()
    assert torch.equal(targets["cover"] == 255, ~known)
    assert known.all() == (views == ("weak",))
    for sample in samples:  # of labeled images CutMix is never done
        assert torch.equal(sample[GROUND][:, 0][known], targets["depth"][known])
    classes = (targets["depth"] % 251).nan_to_num(255).to(torch.uint8)
    assert torch.equal(targets["cover"], classes)


def test_beside_an_unchanged_view_nothing_moves():
    maker = maker_of(("none",), ("none", "strong"), dense=True)
    index = index_of(5)
    (plain, strong), follow, _ = maker.unlabeled(index, seeded())
    visible = follow(torch.ones(12, 1, SIDE, SIDE)).bool()
    assert torch.equal(plain[GROUND], stored()[GROUND][index])
    assert torch.equal(strong[GROUND][visible], plain[GROUND][visible])


def test_a_contrastive_view_of_maps_has_a_crop_of_its_own():
    maker = maker_of(("weak",), ("weak", "strong", "contrastive"), dense=True)
    (weak, strong, contrastive), follow, _ = maker.unlabeled(index_of(6), seeded())
    alone = maker_of(("weak",), ("weak", "strong"), dense=True)
    assert torch.equal(follow.hidden, alone.unlabeled(index_of(6), seeded())[1].hidden)
    assert not torch.equal(weak[GROUND], contrastive[GROUND])
    assert set(weak[GROUND].unique().tolist()) <= set(range(SIDE * SIDE))


# ------------------------------------------------------------------------------ ranks


def rank_of(monkeypatch, rank: int, ranks: int) -> None:
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: ranks)
    monkeypatch.setattr(distributed, "get_rank", lambda: rank)


OPTIONS = {
    "scenes": {"modality_dropout": 0.4},
    "maps": {"dense": True, "cutmix": 0.7, "modality_dropout": 0.4},
}


@pytest.mark.parametrize("ranks", [2, 4, 3])
@pytest.mark.parametrize("kind", OPTIONS)
def test_several_ranks_make_what_one_makes(kind, ranks, monkeypatch):
    options = dict(OPTIONS[kind])
    if ranks == 3:
        options["cutmix"] = 0.0  # pairs stay on a rank if their number is 2, 4, 8, ...
    views = ("weak", "strong", "contrastive", "strong|drop:s1")
    maker = maker_of(("weak", "strong"), views, stored(missing=True), **options)
    index = index_of(0)
    maps = torch.rand(12, 3, SIDE, SIDE, generator=seeded(1))

    def made(rows: slice):
        generator = seeded(5)
        labeled, targets = maker.labeled(index, generator)
        unlabeled, follow, truth = maker.unlabeled(index, generator)
        samples = [*labeled, *unlabeled, targets, truth(), {"": follow(maps[rows])}]
        return samples, generator.get_state()

    whole, state = made(slice(None))
    for rank in range(ranks):
        rows = slice(rank, None, ranks)
        with monkeypatch.context() as patch:
            rank_of(patch, rank, ranks)
            mine, after = made(rows)
        assert torch.equal(after, state)
        for part, all_of_them in zip(mine, whole, strict=True):
            assert same(part, {k: v[rows] for k, v in all_of_them.items()})


# ------------------------------------------------------------------- form and speed


@pytest.mark.parametrize("dense", [False, True])
def test_a_few_images_at_a_time_give_what_all_at_once_give(dense, monkeypatch):
    options = {"dense": dense, "cutmix": 0.5, "modality_dropout": 0.3}
    names = ("weak", "strong") if dense else ("weak", "strong", "contrastive")
    maker = maker_of(names, names, stored("rgb", missing=True), **options)

    def made(chunk: int) -> list[Sample]:
        monkeypatch.setattr(base, "_CHUNK", chunk)
        generator = seeded(1)
        labeled, targets = maker.labeled(index_of(0), generator)
        return [*labeled, *maker.unlabeled(index_of(1), generator).views, targets]

    for one, two in zip(made(2**30), made(5 * 7 * SIDE**2), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-4, equal_nan=True)


def test_views_are_channels_last_and_stored_images_stay_as_they_are():
    sensors = stored("rgb", missing=True)
    before = {name: values.clone() for name, values in sensors.items()}
    options = {"dense": True, "cutmix": 1.0, "modality_dropout": 0.5}
    names = ("weak", "strong", "none")
    maker = maker_of(names, names, sensors, **options)
    state = torch.get_rng_state()
    views = [*maker.labeled(index_of(0), seeded())[0]]
    views += maker.unlabeled(index_of(1), seeded()).views
    assert same(sensors, before) and sensors["rgb"].dtype == torch.uint8
    assert torch.equal(torch.get_rng_state(), state)
    for view in views:
        for name in ("rgb", "s1", GROUND):
            assert view[name].dtype == torch.float32
            assert view[name].is_contiguous(memory_format=torch.channels_last)


def test_validation_sees_plain_normalized_images():
    sensors = stored("rgb", missing=True)
    normalize = Normalize.fit(sensors, torch.arange(20))
    maker = ViewMaker(sensors, {}, normalize, labeled_views=["weak"])
    (sample,) = maker.plain(index_of(0))
    expected = normalize(
        {name: values[index_of(0)] for name, values in sensors.items()}
    )
    assert same(sample, expected)


@pytest.mark.parametrize("dense", [False, True])
def test_dropout_is_for_strong_and_contrastive_views(dense):
    names = ("weak", "none", "strong", "contrastive")
    maker = maker_of(("weak",), names, dense=dense, modality_dropout=0.5)
    index = torch.arange(N)
    for name, view in zip(names, maker.unlabeled(index, seeded()).views, strict=True):
        nan = torch.stack([view[k].isnan().flatten(1).all(1) for k in maker.images], 1)
        some = torch.stack([view[k].isnan().flatten(1).any(1) for k in maker.images], 1)
        assert torch.equal(nan, some) and not nan.all(1).any()
        assert bool(nan.any()) == (name in ("strong", "contrastive"))


def test_dropout_leaves_the_only_sensor_that_a_view_shows():
    maker = maker_of(("strong|drop:s2,ground", "strong|drop:s1"), modality_dropout=0.9)
    (radar, others), _ = maker.labeled(torch.arange(N), seeded())
    assert radar["s1"].isfinite().all()
    images = ("s2", GROUND)
    gone = torch.stack([others[k].isnan().flatten(1).all(1) for k in images], 1)
    assert (gone.sum(1) <= 1).all() and gone.any()


# ------------------------------------------------------------------- stored features


def feature_maker(labeled=("weak",), unlabeled=("weak", "strong")) -> FeatureViewMaker:
    draw = seeded(3)
    versions = {"none": 1, "weak": 3, "strong": 2}
    features = {
        k: torch.rand(v, N, 5, 1, 1, generator=draw) for k, v in versions.items()
    }
    normalize = Normalize.fit({"features": features["none"][0]})
    targets = {"scene": torch.arange(N) % 5}
    return FeatureViewMaker(
        features, targets, normalize, labeled_views=labeled, unlabeled_views=unlabeled
    )


def test_feature_views_have_the_interface_of_image_views():
    maker = feature_maker()
    views, follow, truth = maker.unlabeled(index_of(1), seeded())
    assert [list(view) for view in views] == [["features"], ["features"]]
    assert torch.equal(truth()["scene"], index_of(1) % 5)
    assert follow(index_of(1)).tolist() == index_of(1).tolist()
    plain = maker.plain(index_of(2))
    assert len(plain) == 4  # the plain image and three weak views


def test_several_ranks_draw_the_same_features(monkeypatch):
    maker, index = feature_maker(), index_of(0)
    whole = maker.unlabeled(index, seeded(4))
    for rank in range(2):
        with monkeypatch.context() as patch:
            rank_of(patch, rank, 2)
            mine = maker.unlabeled(index, seeded(4))
            assert torch.equal(mine.truth()["scene"], whole.truth()["scene"][rank::2])
        for part, every in zip(mine.views, whole.views, strict=True):
            assert torch.equal(part["features"], every["features"][rank::2])
