"""Ten kinds of scene, each painted over the countryside.

Structures are drawn somewhat larger than life, at least two pixels wide at 32 px, so
that a small network can see them. What tells the classes apart is structure; colour,
season and light vary within every class.
"""

__all__ = ["CLASSES", "paint_scene"]

from collections.abc import Callable

from workshop_lib.data.mini_eo import built, natural
from workshop_lib.data.mini_eo.canvas import Canvas
from workshop_lib.data.mini_eo.draws import Draws
from workshop_lib.data.mini_eo.places import Place

_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "AnnualCrop": natural.annual_crop,
    "Forest": natural.forest,
    "Pasture": natural.pasture,
    "Lake": natural.lake,
    "River": natural.river,
    "Highway": built.highway,
    "Residential": built.residential,
    "Industrial": built.industrial,
    "Orchard": built.orchard,
    "Quarry": built.quarry,
}
CLASSES = tuple(_PAINTERS)


def paint_scene(draw: Draws, place: Place, scene: int, size: int) -> Canvas:
    """Paint `draw.n` patches of class number `scene`, `size` points wide."""
    canvas = Canvas.blank(draw, place, size)
    _PAINTERS[CLASSES[scene]](canvas)
    return canvas
