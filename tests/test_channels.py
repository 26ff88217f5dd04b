"""Which channels belong together is read from their names."""

import pytest

from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError


def test_modalities_in_the_order_of_the_channels():
    bands = ("s2:B02", "s2:B08", "s1:VV", "climate=Dfc", "climate=BSk", "season=summer")
    found = groups(bands)
    assert [(g.name, g.kind, g.start, g.stop) for g in found] == [
        ("s2", "image", 0, 2),
        ("s1", "image", 2, 3),
        ("climate", "fact", 3, 5),
        ("season", "fact", 5, 6),
    ]
    assert found[0].bands == ("B02", "B08")
    assert [bands[g.channels][0] for g in found][-1] == "season=summer"
    assert sum(g.width for g in found) == len(bands)


def test_an_image_that_is_not_packed_has_none():
    assert groups(("red", "green", "blue")) == ()
    assert groups(()) == ()


@pytest.mark.parametrize(
    ("bands", "word"),
    [
        (("s2:B02", "B03"), "'B03'"),
        (("s2:B02", "s1:VV", "s2:B03"), "stands apart"),
    ],
)
def test_names_that_do_not_fit_are_refused(bands, word):
    with pytest.raises(WorkshopError, match=word):
        groups(bands)
