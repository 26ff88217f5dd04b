"""Datasets: what fits together is kept, what does not is refused with a reason."""

import pytest
import torch

from workshop_lib.data.dataset import Dataset
from workshop_lib.errors import WorkshopError


def reflectances(n: int = 4) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    return Dataset(
        images=torch.rand(n, 4, 6, 5, generator=generator),
        labels=torch.arange(n) % 2,
        class_names=("Forest", "River"),
        names=tuple(f"{i}.tif" for i in range(n)),
        bands=("B02", "B03", "B04", "B08"),
        masks=torch.zeros(n, 6, 5, dtype=torch.uint8),
        modalities={"s1": torch.randn(n, 2, 6, 5, generator=generator)},
        metadata={"lat": torch.arange(n).float(), "wind": torch.zeros(n, 2)},
    )


def rgb(**changes):
    given = {
        "images": torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        "labels": torch.tensor([0, 1]),
        "class_names": ("a", "b"),
        "names": ("x", "y"),
    }
    return Dataset(**{**given, **changes})


def test_facts():
    scenes = reflectances()
    assert (len(scenes), scenes.num_classes, scenes.is_rgb) == (4, 2, False)
    assert rgb().is_rgb
    assert repr(scenes) == "Dataset(4 images of 6x5 px, 4 bands, 2 classes)"


def test_subset_takes_everything_along_in_order():
    scenes = reflectances()
    part = scenes.subset([3, 1])
    assert part.names == ("3.tif", "1.tif")
    assert part.labels.tolist() == [1, 1]
    assert torch.equal(part.images, scenes.images[[3, 1]])
    assert torch.equal(part.modalities["s1"], scenes.modalities["s1"][[3, 1]])
    assert part.metadata["lat"].tolist() == [3, 1]
    assert part.masks.shape == (2, 6, 5)
    assert part.class_names == scenes.class_names


@pytest.mark.parametrize(
    ("indices", "word"),
    [([4], "0 to 3"), ([-1], "0 to 3"), ([1, 1], "more than once"), ([True], "a mask")],
)
def test_subset_refuses(indices, word):
    with pytest.raises(WorkshopError, match=word):
        reflectances().subset(indices)


def masks(*values: int, names: int) -> dict:
    """Return masks of these values in stripes, and so many names for them."""
    stripes = torch.tensor(values, dtype=torch.uint8).repeat(2, 4, 4 // len(values))
    return {"masks": stripes, "mask_names": [f"c{k}" for k in range(names)]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": torch.zeros(2, 3, 4, 4, dtype=torch.float64)}, "float64"),
        ({"images": torch.zeros(2, 4, 4, dtype=torch.uint8)}, r"\(N, C, H, W\)"),
        ({"images": torch.zeros(2, 4, 4, 4, dtype=torch.uint8)}, "one name per"),
        ({"images": torch.zeros(2, 3, 4, 4, dtype=torch.int16)}, "uint8 for pictures"),
        ({"images": torch.full((2, 3, 4, 4), -9999.0)}, "-9999 to -9999; reflectance"),
        ({"images": torch.zeros(2, 3, 0, 4, dtype=torch.uint8)}, "1x1"),
        ({"bands": ("red", "red", "blue")}, "all different"),
        ({"labels": torch.tensor([0, 1, 1])}, r"\(3,\)"),
        ({"labels": torch.tensor([0.0, 1.0])}, "float32"),
        ({"labels": torch.tensor([0, 2])}, "outside 0 to 1.*is 2, of image 1"),
        ({"labels": torch.tensor([-2, 0])}, "is -2, of image 0"),
        ({"class_names": ("a", "a")}, "all different"),
        ({"class_names": ()}, "at least one"),
        ({"names": ("x",)}, "1 names for 2 images"),
        ({"names": ("x", "x")}, r"more than once \('x'\)"),
        ({"names": ("x", "a\nb")}, "line breaks"),
        ({"names": ("x", "\udc80")}, "UTF-8"),
        ({"labels": torch.tensor([[0], [1]])}, r"\(2,\) int64"),
        ({"labels": torch.tensor([[1, 0, 0], [0, 1, 0]])}, r"\(2, 2\) int64"),
        ({"labels": torch.tensor([[1, 0]])}, r"\(2, 2\) int64"),
        ({"labels": torch.eye(2)}, "float32"),
        ({"labels": torch.tensor([[1, 0], [2, 0]])}, "no and yes; the first is 2"),
        ({"labels": torch.tensor([[1, -1], [1, 0]])}, "is -1, of image 0"),
        ({"masks": torch.zeros(2, 4, 5, dtype=torch.uint8)}, "masks"),
        (masks(0, 255, names=2), "255 means unknown. Write .* as 0 and 1"),
        (masks(0, 7, names=3), r"class \[7\] in the masks"),
        (masks(0, 1, names=256), "256 classes"),
        ({"modalities": {"s1": torch.zeros(3, 2, 4, 4)}}, "'s1'"),
        ({"metadata": {"lat": torch.zeros(3)}}, "'lat'"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(WorkshopError, match=words):
        rgb(**changes)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_bad_pixels_name_images_and_bands(value):
    scenes = reflectances()
    images = scenes.images.clone()
    images[2, 3, 0, 0] = value
    with pytest.raises(WorkshopError, match=r"1 of 4 images \(2.tif\), bands B08\."):
        Dataset(images, scenes.labels, scenes.class_names, scenes.names, scenes.bands)


def test_nan_in_a_modality_is_refused_but_not_in_metadata():
    with pytest.raises(WorkshopError, match=r"modality 'dem'.*\(y\), bands dem 0"):
        dem = torch.zeros(2, 1, 4, 4)
        dem[1] = float("nan")
        rgb(modalities={"dem": dem})
    scenes = rgb(metadata={"lat": torch.tensor([1.0, float("nan")])})
    assert scenes.metadata["lat"].isnan().tolist() == [False, True]


def test_labels_that_nobody_knows():
    scenes = rgb(labels=torch.tensor([-1, 1]))
    assert scenes.class_counts().tolist() == [0, 1]
    assert scenes.subset([0]).labels.tolist() == [-1]
    assert not scenes.multi_label


def test_several_labels_per_image():
    scenes = rgb(labels=torch.tensor([[1, 1], [0, 1]]))
    assert scenes.multi_label and scenes.num_classes == 2
    assert scenes.class_counts().tolist() == [1, 2]
    assert scenes.subset([1]).labels.tolist() == [[0, 1]]
