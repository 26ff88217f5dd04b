"""The picture of all sensors: complete, described, and refused where parts lack."""

from dataclasses import replace

import pytest

from workshop_lib.data.mini_eo import CLASSES, COVERS, mini_eo
from workshop_lib.data.modalities import pack
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import describe, modality_samples, to_display


@pytest.fixture(scope="module")
def scenes():
    return mini_eo(count=30)


def test_a_row_per_class_and_a_column_per_sensor(scenes):
    figure = modality_samples(scenes, COVERS, which=1)
    assert len(figure.axes) == 5 * len(CLASSES)
    assert all(axes.images for axes in figure.axes)
    assert all(name in describe(figure) for name in CLASSES)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(COVERS)


def test_missing_parts_are_named(scenes):
    with pytest.raises(WorkshopError, match="no masks"):
        modality_samples(replace(scenes, masks=None), COVERS)
    with pytest.raises(WorkshopError, match="no modalities"):
        modality_samples(replace(scenes, modalities={}), COVERS)
    with pytest.raises(WorkshopError, match="fewer images"):
        modality_samples(scenes, COVERS, which=3)


def test_a_packed_image_looks_like_its_optical_part(scenes):
    packed = pack(scenes, ("s1", "season", "s2"))
    whole = to_display(scenes.images, scenes.bands)
    assert (to_display(packed.images, packed.bands) == whole).all()
    lacking = packed.images.clone()
    lacking[0] = float("nan")
    shown = to_display(lacking, packed.bands)
    assert (shown[0] == 0).all() and (shown[1:] == whole[1:]).all()
