"""The data sets that one command fetches: addresses, checksums, licences, layouts.

Facts only. What is done with them is in `workshop_lib.data.fetch.sources` (get) and
`workshop_lib.data.fetch.contents` (check). Addresses with a long number in them are
pinned to one state of the mirror: what lies there can vanish, but not change.
"""

__all__ = ["SOURCES", "find_source"]

from workshop_lib.data.fetch.catalogue.kinds import Source
from workshop_lib.data.fetch.catalogue.patches import PATCHES
from workshop_lib.data.fetch.catalogue.scenes import SCENES
from workshop_lib.data.fetch.catalogue.tiles import TILES
from workshop_lib.errors import unknown_name

SOURCES: dict[str, Source] = {one.name: one for one in (*SCENES, *PATCHES, *TILES)}


def find_source(name: str) -> Source:
    """Look a data set up by its name.

    Raises:
        WorkshopError: no such name; lists the known and the nearest.
    """
    if name not in SOURCES:
        raise unknown_name("data set", name, SOURCES)
    return SOURCES[name]
