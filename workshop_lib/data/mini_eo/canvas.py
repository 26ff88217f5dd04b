"""The sheet that a landscape is painted on, and the countryside under every scene."""

__all__ = [
    "COVERS",
    "Canvas",
    "countryside",
    "growing_season",
    "leaves_out",
    "paint_grass",
    "paint_trees",
]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workshop_lib.data.mini_eo.draws import Array, Draws, wave
from workshop_lib.data.mini_eo.places import Place
from workshop_lib.data.mini_eo.spectra import MATERIALS

COVERS = ("cropland", "grassland", "trees", "water", "sealed", "building", "bare")
Mask = npt.NDArray[np.bool_]
_MATERIAL = {name: k for k, name in enumerate(MATERIALS)}
_COVER = {name: k for k, name in enumerate(COVERS)}


@dataclass
class Canvas:
    """What lies at each point: a cover, and the two materials it is mixed of.

    Reflectance will be shade * ((1 - share) * first + share * second). All (n, H, H).
    """

    draw: Draws
    place: Place
    size: int
    cover: npt.NDArray[np.uint8]
    first: npt.NDArray[np.uint8]
    second: npt.NDArray[np.uint8]
    share: Array
    shade: Array

    @classmethod
    def blank(cls, draw: Draws, place: Place, size: int) -> "Canvas":
        """Start with nothing but soil."""
        shape = (draw.n, size, size)
        soil = np.full(shape, _MATERIAL["soil"], dtype=np.uint8)
        bare = np.full(shape, _COVER["bare"], dtype=np.uint8)
        zeros, ones = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        return cls(draw, place, size, bare, soil, soil.copy(), zeros, ones)

    def paint(
        self,
        where: Mask,
        cover: str,
        first: str,
        second: str | npt.NDArray[np.uint8] = "",
        share: npt.ArrayLike = 0.0,
        shade: npt.ArrayLike = 1.0,
    ) -> None:
        """Cover the points of `where` with one land cover.

        Args:
            where: (n, H, H), or any shape that broadcasts to it.
            second, share: a second material and how much of it, 0 to 1.
            shade: brightness; below 1 for shadow between crowns and houses.
        """
        other = _MATERIAL[second or first] if isinstance(second, str) else second
        np.copyto(self.cover, np.uint8(_COVER[cover]), where=where)
        np.copyto(self.first, np.uint8(_MATERIAL[first]), where=where)
        np.copyto(self.second, np.asarray(other, dtype=np.uint8), where=where)
        np.copyto(self.share, np.clip(share, 0, 1).astype(np.float32), where=where)
        np.copyto(self.shade, np.asarray(shade, dtype=np.float32), where=where)

    def noise(self, name: str, cells: int) -> Array:
        """Draw a smooth surface of this canvas's size."""
        return self.draw.noise(name, cells, self.size)

    def frame(self, name: str, bend: float = 0.0) -> tuple[Array, Array]:
        """Draw a turned coordinate frame; `bend` warps it by so many pixels."""
        u, v = self.draw.frame(name, self.size)
        if bend:
            u = u + bend * self.noise(name + "/bend-u", 2)
            v = v + bend * self.noise(name + "/bend-v", 2)
        return u, v


def growing_season(place: Place) -> Array:
    """Say how green grass is that day, 0 to 1: late in the north, dry in hot summer."""
    peak = 150 + (place.lat - 45) * 1.5 - 45 * place.dryness
    width = 95 - 25 * place.dryness
    days = np.abs(place.day_of_year - peak)
    distance = np.minimum(days, 365 - days) / width
    return np.exp(-distance * distance).astype(np.float32)


def leaves_out(place: Place) -> Array:
    """Say how far broad-leaved trees are in leaf on that day, 0 to 1."""
    out = 105 + (place.lat - 45) * 1.2
    fall = 300 - (place.lat - 45) * 1.2
    rise = 1 / (1 + np.exp(-(place.day_of_year - out) / 8))
    drop = 1 / (1 + np.exp((place.day_of_year - fall) / 8))
    return (rise * drop).astype(np.float32)


def paint_trees(canvas: Canvas, where: Mask, name: str = "wood") -> None:
    """Paint woodland: needle and broad leaves in stands, lit and shaded crowns."""
    stands = canvas.noise(name + "/stands", 3) * 0.35 + canvas.draw.uniform(
        name + "/leaf", -0.3, 1.3
    )
    crowns = canvas.noise(name + "/crowns", 21) + 0.8 * canvas.noise(
        name + "/tufts", 31
    )
    shade = 0.80 + 0.17 * crowns * canvas.draw.uniform(name + "/rough", 0.7, 1.3)
    canvas.paint(
        where, "trees", "needle_tree", "leaf_tree", stands, np.clip(shade, 0.35, 1.35)
    )


def paint_grass(canvas: Canvas, where: Mask, name: str = "grass") -> None:
    """Paint grassland: patches of greener and drier grass, nearly smooth."""
    tint = (
        0.25
        + 0.22 * canvas.noise(name + "/tint", 4)
        + 0.08 * canvas.noise(name + "/fine", 12)
    )
    shade = 1 + 0.05 * canvas.noise(name + "/shade", 7)
    canvas.paint(where, "grassland", "grass", "dry_grass", tint, shade)


def paint_crops(canvas: Canvas, where: Mask, u: Array, i: Array, j: Array) -> None:
    """Paint arable parcels: each sown on its own day, with the tractor's lines.

    Args:
        u: coordinate across the rows, in pixels.
        i, j: number of the parcel that each point lies in.
    """
    draw, day = canvas.draw, canvas.place.day_of_year
    peak = 105 + 120 * draw.cell("parcel/sown", i, j) + (canvas.place.lat - 45)
    days = (day - peak) / 42
    grown = np.exp(-days * days) * (0.65 + 0.35 * draw.cell("parcel/vigour", i, j))
    ripe = (day > peak + 22) & (draw.cell("parcel/stubble", i, j) < 0.6)
    second = np.where(ripe, _MATERIAL["ripe_crop"], _MATERIAL["green_crop"])
    share = np.where(ripe, 0.35 + 0.4 * draw.cell("parcel/straw", i, j), grown)
    rows = wave(u / draw.uniform("crop/row-width", 4.2, 7.5))
    share = share + 0.10 * rows + 0.05 * canvas.noise("crop/patchy", 9)
    tilled = 0.80 + 0.35 * draw.cell("parcel/tilled", i, j)
    shade = tilled * (1 + draw.uniform("crop/row-depth", 0.10, 0.22) * rows)
    canvas.paint(where, "cropland", "soil", second.astype(np.uint8), share, shade)


def countryside(canvas: Canvas, crops: Array, woods: Array) -> None:
    """Paint parcels of crops and grass with woods between them.

    Args:
        crops: share of the parcels that are ploughed, 0 to 1, (n, 1, 1).
        woods: how much woodland; 0 half of the area, -2.5 none, 2.5 all, (n, 1, 1).
    """
    draw = canvas.draw
    u, v = canvas.frame("parcel", bend=1.5)
    i = np.floor(u / draw.uniform("parcel/width", 13, 26))
    shifted = v / draw.uniform("parcel/length", 22, 60) + draw.cell(
        "parcel/shift", i, 0 * i
    )
    j = np.floor(shifted)
    everywhere = np.ones_like(canvas.cover, dtype=bool)
    paint_grass(canvas, everywhere)
    ploughed = draw.cell("parcel/kind", i, j) < crops
    paint_crops(canvas, ploughed, u, i, j)
    forest = canvas.noise("wood/edge", 3) + 0.25 * canvas.noise("wood/fray", 9) < woods
    paint_trees(canvas, forest)
