"""Ten kinds of scene, each painted over the countryside.

Structures are drawn somewhat larger than life, at least two pixels wide at 32 px, so
that a small network can see them. The classes differ in structure; colour,
season and light vary within every class.
"""

__all__ = ["CLASSES", "paint_scene"]

from collections.abc import Callable

import numpy as np

from workshop_lib.data.mini_eo import landscape as land
from workshop_lib.data.mini_eo.rng import CounterRNG, wave


def annual_crop(canvas: land.Canvas, rng: CounterRNG) -> None:
    land.countryside(canvas, crops=(0.82, 1.0), woods=(-3.4, -1.6))


def forest(canvas: land.Canvas, rng: CounterRNG) -> None:
    land.countryside(canvas, crops=(-0.5, 0.5), woods=(1.2, 3.5))
    land.farm_track(canvas, 0.25)


def pasture(canvas: land.Canvas, rng: CounterRNG) -> None:
    """Grass, now and then with hedges along the parcels and single trees."""
    land.countryside(canvas, crops=(-1.0, 0.12), woods=(-3.2, -1.5))
    i, j, u, v = land.grid(canvas, "hedge", rng.uniform("hedge/pitch", 24, 44), 2.0)
    edge = np.abs(u) > 0.5 * rng.uniform("hedge/pitch", 24, 44) - 1.2
    grown = rng.chance("hedge", 0.4) & (rng.cell("hedge/gap", i, j) < 0.6)
    land.paint_trees(canvas, edge & grown)
    land.farm_track(canvas, 0.15)


def lake(canvas: land.Canvas, rng: CounterRNG) -> None:
    land.rural(canvas)
    r = land.distance(canvas, "lake", 20)
    radius = rng.uniform("lake/radius", 14, 31)
    shore = radius + rng.uniform("lake/shore", 0, 3.5)
    canvas.paint(r < shore, "bare", "soil", "grass", 0.5)
    deep = (radius - r) / 9
    ripple = 1 + 0.05 * canvas.noise("lake/ripple", 11)
    canvas.paint(r < radius, "water", "shallow", "water", deep, ripple)


def river(canvas: land.Canvas, rng: CounterRNG) -> None:
    land.rural(canvas)
    u, v = canvas.frame("river")
    turns = v / rng.uniform("river/bend", 50, 120) + rng.uniform("river/phase")
    bends = rng.uniform("river/swing", 2, 9) * wave(turns)
    middle = u - rng.uniform("river/offset", -13, 13) + bends
    across = np.abs(middle + 2.2 * canvas.noise("river/wander", 3))
    uneven = 1 + 0.15 * canvas.noise("river/width", 4)
    half = rng.uniform("river/half-width", 2.3, 6.3) * uneven
    bank = half + rng.uniform("river/bank", 0.5, 4.5)
    land.paint_trees(canvas, (across < bank) & rng.chance("river/wooded", 0.5))
    bars = (across < bank - 1.5) & rng.chance("river/bars", 0.5)
    canvas.paint(bars, "bare", "gravel", "grass", 0.3)
    canvas.paint(across < half, "water", "shallow", "water", (half - across) / 3)


def highway(canvas: land.Canvas, rng: CounterRNG) -> None:
    """Two carriageways with a strip between; in a third of the scenes a second road."""
    land.rural(canvas)
    for k, often in (("a", 1.0), ("b", 0.35)):
        there = rng.chance(f"highway/{k}", often)
        u, v = canvas.frame(f"highway/{k}")
        curve = rng.uniform(f"highway/{k}/curve", -1, 1) * v * v / 170
        across = np.abs(u - rng.uniform(f"highway/{k}/offset", -15, 15) + curve)
        half = rng.uniform(f"highway/{k}/half-width", 2.2, 4.4)
        verge = half + rng.uniform(f"highway/{k}/verge", 0.5, 3)
        land.paint_grass(canvas, there & (across < verge))
        canvas.paint(there & (across < half), "sealed", "road")
        strip = rng.chance(f"highway/{k}/strip", 0.65) & (across < 0.22 * half)
        canvas.paint(there & strip, "grassland", "grass", "road", 0.4, 0.85)


def residential(canvas: land.Canvas, rng: CounterRNG) -> None:
    """Blocks of streets; within them a house and a garden on every lot."""
    land.rural(canvas)
    town = land.distance(canvas, "town", 11) < rng.uniform("town/radius", 21, 47)
    pitch = rng.uniform("house/pitch", 5.2, 8.2)
    i, j, u, v = land.grid(canvas, "house", pitch, 1.6)
    land.paint_grass(canvas, town, "garden")
    green = canvas.noise("garden/trees", 13) > rng.uniform("garden/open", 0.1, 1.3)
    land.paint_trees(canvas, town & green, "garden/wood")
    side = pitch * rng.uniform("house/size", 0.27, 0.36)
    depth = side * (0.75 + 0.25 * rng.cell("house/depth", i, j))
    built = town & (rng.cell("house/there", i, j) > 0.14)
    built &= (np.abs(u) < side) & (np.abs(v) < depth)
    tint = rng.cell("house/roof", i, j) * rng.uniform("house/mixed", 0.15, 1)
    lit = 0.82 + 0.36 * rng.cell("house/lit", i, j)
    canvas.paint(built, "building", "roof_a", "roof_b", tint, lit)
    half = rng.uniform("street/half-width", 0.8, 1.4)
    rows = np.floor(rng.uniform("street/rows", 2, 4))
    street = np.floor(i / 3) != np.floor((i + np.sign(u)) / 3)
    street &= np.abs(u) > 0.5 * pitch - half
    cross = np.floor(j / rows) != np.floor((j + np.sign(v)) / rows)
    cross &= np.abs(v) > 0.5 * pitch - half
    canvas.paint(town & (street | cross), "sealed", "road")


def industrial(canvas: land.Canvas, rng: CounterRNG) -> None:
    """Large halls of unequal size on sealed ground."""
    land.rural(canvas)
    estate = land.distance(canvas, "estate", 9) < rng.uniform("estate/radius", 21, 44)
    sealed = canvas.noise("estate/green", 7) <= rng.uniform("estate/sealed", 0.4, 1.6)
    worn = 0.3 + 0.2 * canvas.noise("estate/worn", 5)
    canvas.paint(estate & sealed, "sealed", "yard", "road", worn)
    pitch = rng.uniform("hall/pitch", 17, 27)
    i, j, u, v = land.grid(canvas, "hall", pitch, 0.0)
    side = pitch * (0.24 + 0.19 * rng.cell("hall/side", i, j))
    depth = pitch * (0.20 + 0.23 * rng.cell("hall/depth", i, j))
    u = u - (rng.cell("hall/u", i, j) - 0.5) * 3
    hall = estate & (rng.cell("hall/there", i, j) > 0.10)
    hall &= (np.abs(u) < side) & (np.abs(v) < depth)
    ridge = 1 + np.where(u > 0, 0.08, -0.08)
    metal = rng.cell("hall/light", i, j) * rng.uniform("hall/metal", 0.3, 1.2)
    canvas.paint(hall, "building", "roof_b", "sheet_metal", metal, ridge)


def orchard(canvas: land.Canvas, rng: CounterRNG) -> None:
    """Trees in a regular grid on soil or grass, inside a straight-edged plot."""
    land.rural(canvas)
    pu, pv = canvas.frame("orchard/plot")
    half = rng.uniform("orchard/extent", 17, 44)
    plot = np.abs(pu - rng.uniform("orchard/u", -9, 9)) < half
    plot &= np.abs(pv - rng.uniform("orchard/v", -9, 9)) < half
    pitch = rng.uniform("orchard/pitch", 5.4, 8.6)
    i, j, u, v = land.grid(canvas, "orchard", pitch, 1.0)
    under = rng.uniform("orchard/mown") + 0.2 * canvas.noise("orchard/under", 6)
    canvas.paint(plot, "bare", "soil", "grass", under, 0.95)
    age = 0.85 + 0.3 * rng.cell("orchard/age", i, j)
    radius = pitch * rng.uniform("orchard/crown", 0.25, 0.38) * age
    crown = plot & (u * u + v * v < radius * radius)
    crown &= rng.cell("orchard/gap", i, j) > 0.05
    kind = rng.uniform("orchard/kind", 0.2, 1)
    lit = 0.85 + 0.2 * rng.cell("orchard/lit", i, j)
    canvas.paint(crown, "trees", "needle_tree", "leaf_tree", kind, lit)


def quarry(canvas: land.Canvas, rng: CounterRNG) -> None:
    """A pit with few wide benches, walls lit or shaded, rubble, sometimes a pond."""
    land.rural(canvas)
    r = land.distance(canvas, "pit", 11)
    radius = rng.uniform("pit/radius", 17, 34)
    ragged = 0.15 * canvas.noise("pit/ragged", 12)
    depth = (radius - r) / rng.uniform("pit/bench", 6.5, 11) + ragged
    bench = np.floor(depth)
    wall = depth - bench < 0.25
    u, _ = canvas.frame("pit/sun")
    facing = np.where(u > 0, 1.25, 0.55)
    rubble = 1 + 0.16 * canvas.noise("pit/rubble", 15)
    rubble = rubble + 0.10 * canvas.noise("pit/heaps", 5)
    level = 0.85 + 0.35 * rng.cell("pit/level", bench, 0 * bench)
    shade = np.where(wall, facing, level) * rubble
    mixed = 0.5 + 0.4 * canvas.noise("pit/seam", 5)
    canvas.paint(depth > 0, "bare", "rock", "gravel", mixed, np.clip(shade, 0.35, 1.5))
    pond = (r < rng.uniform("pit/pond", 4, 9)) & rng.chance("pit/wet", 0.3)
    canvas.paint(pond, "water", "shallow", "water", 0.3)


_PAINTERS: dict[str, Callable[[land.Canvas, CounterRNG], None]] = {
    "AnnualCrop": annual_crop,
    "Forest": forest,
    "Pasture": pasture,
    "Lake": lake,
    "River": river,
    "Highway": highway,
    "Residential": residential,
    "Industrial": industrial,
    "Orchard": orchard,
    "Quarry": quarry,
}
CLASSES = tuple(_PAINTERS)


def paint_scene(
    rng: CounterRNG, acquisition: land.Acquisition, scene: int, size: int
) -> land.Canvas:
    """Paint `rng.n` patches of class number `scene`, `size` points wide."""
    canvas = land.Canvas.blank(rng, acquisition, size)
    _PAINTERS[CLASSES[scene]](canvas, rng)
    return canvas
