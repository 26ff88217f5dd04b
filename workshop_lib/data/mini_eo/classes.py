"""Ten kinds of scene, each painted over the countryside.

Structures are drawn somewhat larger than life, at least two pixels wide at 32 px, so
that a small network can see them. The classes differ in structure; colour,
season and light vary within every class.
"""

__all__ = ["CLASSES", "paint_scene"]

from collections.abc import Callable

import numpy as np

from workshop_lib.data.mini_eo import landscape as land
from workshop_lib.data.mini_eo.landscape import MATERIALS, Array, Canvas, CounterRNG


def wave(t: Array) -> Array:
    """Swing between -1 and 1 with period 1: a sine made of parabolas, exact."""
    s = (t - np.floor(t)) * 2 - 1
    return 4 * s * (1 - np.abs(s))


def paint_trees(canvas: Canvas, where: land.Mask, name: str = "wood") -> None:
    """Paint woodland: needle and broad leaves in stands, lit and shaded crowns."""
    leaf = canvas.rng.uniform(name + "/leaf", -0.3, 1.3)
    stands = canvas.noise(name + "/stands", 3) * 0.35 + leaf
    tufts = 0.8 * canvas.noise(name + "/tufts", 31)
    crowns = canvas.noise(name + "/crowns", 21) + tufts
    shade = 0.80 + 0.17 * crowns * canvas.rng.uniform(name + "/rough", 0.7, 1.3)
    shade = np.clip(shade, 0.35, 1.35)
    canvas.paint(where, "trees", "needle_tree", "leaf_tree", stands, shade)


def paint_grass(canvas: Canvas, where: land.Mask, name: str = "grass") -> None:
    """Paint grassland: patches of greener and drier grass, nearly smooth."""
    tint = 0.25 + 0.22 * canvas.noise(name + "/tint", 4)
    tint = tint + 0.08 * canvas.noise(name + "/fine", 12)
    shade = 1 + 0.05 * canvas.noise(name + "/shade", 7)
    canvas.paint(where, "grassland", "grass", "dry_grass", tint, shade)


def paint_crops(canvas: Canvas, where: land.Mask, u: Array, i: Array, j: Array) -> None:
    """Paint arable parcels: each sown on its own day, with the tractor's lines.

    Args:
        u: coordinate across the rows, in pixels.
        i, j: number of the parcel that holds each point.
    """
    rng, day = canvas.rng, canvas.acquisition.day_of_year
    peak = 105 + 120 * rng.cell("parcel/sown", i, j) + (canvas.acquisition.lat - 45)
    days = (day - peak) / 42
    grown = np.exp(-days * days) * (0.65 + 0.35 * rng.cell("parcel/vigour", i, j))
    ripe = (day > peak + 22) & (rng.cell("parcel/stubble", i, j) < 0.6)
    second = np.where(ripe, MATERIALS.index("ripe_crop"), MATERIALS.index("green_crop"))
    share = np.where(ripe, 0.35 + 0.4 * rng.cell("parcel/straw", i, j), grown)
    rows = wave(u / rng.uniform("crop/row-width", 4.2, 7.5))
    share = share + 0.10 * rows + 0.05 * canvas.noise("crop/patchy", 9)
    tilled = 0.80 + 0.35 * rng.cell("parcel/tilled", i, j)
    shade = tilled * (1 + rng.uniform("crop/row-depth", 0.10, 0.22) * rows)
    canvas.paint(where, "cropland", "soil", second.astype(np.uint8), share, shade)


def countryside(
    canvas: Canvas, crops: tuple[float, float], woods: tuple[float, float]
) -> None:
    """Paint parcels of crops and grass with woods between them.

    Args:
        crops: least and largest fraction of the parcels that are ploughed, 0 to 1.
        woods: least and largest amount of woodland; 0 is half of the area, -2.5 none,
            2.5 all.
    """
    rng = canvas.rng
    crops_here = rng.uniform("rural/crops", *crops)
    woods_here = rng.uniform("rural/woods", *woods)
    u, v = canvas.frame("parcel", bend=1.5)
    i = np.floor(u / rng.uniform("parcel/width", 13, 26))
    shift = rng.cell("parcel/shift", i, 0 * i)
    j = np.floor(v / rng.uniform("parcel/length", 22, 60) + shift)
    everywhere = np.ones_like(canvas.cover, dtype=bool)
    paint_grass(canvas, everywhere)
    ploughed = rng.cell("parcel/kind", i, j) < crops_here
    paint_crops(canvas, ploughed, u, i, j)
    edge = canvas.noise("wood/edge", 3) + 0.25 * canvas.noise("wood/fray", 9)
    paint_trees(canvas, edge < woods_here)


def distance(canvas: Canvas, name: str, spread: float) -> Array:
    """Measure the distance to a random centre, made uneven: outlines of lakes, pits."""
    u, v = canvas.frame(name)
    u = u - canvas.rng.uniform(name + "/u", -spread, spread)
    v = v - canvas.rng.uniform(name + "/v", -spread, spread)
    v = v * canvas.rng.uniform(name + "/flat", 0.8, 1.4)
    fray = 1.5 * canvas.noise(name + "/fray", 7)
    uneven = 5.0 * canvas.noise(name + "/outline", 3) + fray
    return np.sqrt(u * u + v * v) + uneven


def grid(canvas: Canvas, name: str, pitch: Array, bend: float) -> tuple[Array, ...]:
    """Lay a turned grid: cell numbers i, j, and the position within it, in pixels."""
    u, v = canvas.frame(name, bend)
    i, j = np.floor(u / pitch), np.floor(v / pitch)
    return i, j, u - (i + 0.5) * pitch, v - (j + 0.5) * pitch


def rural(canvas: Canvas) -> None:
    """Paint the background of scenes that are about something else."""
    countryside(canvas, crops=(-0.2, 0.9), woods=(-2.0, 0.8))


def farm_track(canvas: Canvas, probability: float) -> None:
    """Paint a track through some patches: a thin line is no proof of a highway."""
    rng = canvas.rng
    u, v = canvas.frame("track", bend=2.0)
    line = np.abs(u - rng.uniform("track/offset", -24, 24)) < 1.0
    canvas.paint(line & rng.chance("track", probability), "bare", "soil", "gravel", 0.4)


def annual_crop(canvas: Canvas, rng: CounterRNG) -> None:
    countryside(canvas, crops=(0.82, 1.0), woods=(-3.4, -1.6))


def forest(canvas: Canvas, rng: CounterRNG) -> None:
    countryside(canvas, crops=(-0.5, 0.5), woods=(1.2, 3.5))
    farm_track(canvas, 0.25)


def pasture(canvas: Canvas, rng: CounterRNG) -> None:
    """Grass, now and then with hedges along the parcels and single trees."""
    countryside(canvas, crops=(-1.0, 0.12), woods=(-3.2, -1.5))
    i, j, u, v = grid(canvas, "hedge", rng.uniform("hedge/pitch", 24, 44), 2.0)
    edge = np.abs(u) > 0.5 * rng.uniform("hedge/pitch", 24, 44) - 1.2
    grown = rng.chance("hedge", 0.4) & (rng.cell("hedge/gap", i, j) < 0.6)
    paint_trees(canvas, edge & grown)
    farm_track(canvas, 0.15)


def lake(canvas: Canvas, rng: CounterRNG) -> None:
    rural(canvas)
    r = distance(canvas, "lake", 20)
    radius = rng.uniform("lake/radius", 14, 31)
    shore = radius + rng.uniform("lake/shore", 0, 3.5)
    canvas.paint(r < shore, "bare", "soil", "grass", 0.5)
    deep = (radius - r) / 9
    ripple = 1 + 0.05 * canvas.noise("lake/ripple", 11)
    canvas.paint(r < radius, "water", "shallow", "water", deep, ripple)


def river(canvas: Canvas, rng: CounterRNG) -> None:
    rural(canvas)
    u, v = canvas.frame("river")
    turns = v / rng.uniform("river/bend", 50, 120) + rng.uniform("river/phase")
    bends = rng.uniform("river/swing", 2, 9) * wave(turns)
    middle = u - rng.uniform("river/offset", -13, 13) + bends
    across = np.abs(middle + 2.2 * canvas.noise("river/wander", 3))
    uneven = 1 + 0.15 * canvas.noise("river/width", 4)
    half = rng.uniform("river/half-width", 2.3, 6.3) * uneven
    bank = half + rng.uniform("river/bank", 0.5, 4.5)
    paint_trees(canvas, (across < bank) & rng.chance("river/wooded", 0.5))
    bars = (across < bank - 1.5) & rng.chance("river/bars", 0.5)
    canvas.paint(bars, "bare", "gravel", "grass", 0.3)
    canvas.paint(across < half, "water", "shallow", "water", (half - across) / 3)


def highway(canvas: Canvas, rng: CounterRNG) -> None:
    """Two carriageways with a strip between; in a third of the scenes a second road."""
    rural(canvas)
    for k, often in (("a", 1.0), ("b", 0.35)):
        there = rng.chance(f"highway/{k}", often)
        u, v = canvas.frame(f"highway/{k}")
        curve = rng.uniform(f"highway/{k}/curve", -1, 1) * v * v / 170
        across = np.abs(u - rng.uniform(f"highway/{k}/offset", -15, 15) + curve)
        half = rng.uniform(f"highway/{k}/half-width", 2.2, 4.4)
        verge = half + rng.uniform(f"highway/{k}/verge", 0.5, 3)
        paint_grass(canvas, there & (across < verge))
        canvas.paint(there & (across < half), "sealed", "road")
        strip = rng.chance(f"highway/{k}/strip", 0.65) & (across < 0.22 * half)
        canvas.paint(there & strip, "grassland", "grass", "road", 0.4, 0.85)


def residential(canvas: Canvas, rng: CounterRNG) -> None:
    """Blocks of streets; within them a house and a garden on every lot."""
    rural(canvas)
    town = distance(canvas, "town", 11) < rng.uniform("town/radius", 21, 47)
    pitch = rng.uniform("house/pitch", 5.2, 8.2)
    i, j, u, v = grid(canvas, "house", pitch, 1.6)
    paint_grass(canvas, town, "garden")
    green = canvas.noise("garden/trees", 13) > rng.uniform("garden/open", 0.1, 1.3)
    paint_trees(canvas, town & green, "garden/wood")
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


def industrial(canvas: Canvas, rng: CounterRNG) -> None:
    """Large halls of unequal size on sealed ground."""
    rural(canvas)
    estate = distance(canvas, "estate", 9) < rng.uniform("estate/radius", 21, 44)
    sealed = canvas.noise("estate/green", 7) <= rng.uniform("estate/sealed", 0.4, 1.6)
    worn = 0.3 + 0.2 * canvas.noise("estate/worn", 5)
    canvas.paint(estate & sealed, "sealed", "yard", "road", worn)
    pitch = rng.uniform("hall/pitch", 17, 27)
    i, j, u, v = grid(canvas, "hall", pitch, 0.0)
    side = pitch * (0.24 + 0.19 * rng.cell("hall/side", i, j))
    depth = pitch * (0.20 + 0.23 * rng.cell("hall/depth", i, j))
    u = u - (rng.cell("hall/u", i, j) - 0.5) * 3
    hall = estate & (rng.cell("hall/there", i, j) > 0.10)
    hall &= (np.abs(u) < side) & (np.abs(v) < depth)
    ridge = 1 + np.where(u > 0, 0.08, -0.08)
    metal = rng.cell("hall/light", i, j) * rng.uniform("hall/metal", 0.3, 1.2)
    canvas.paint(hall, "building", "roof_b", "sheet_metal", metal, ridge)


def orchard(canvas: Canvas, rng: CounterRNG) -> None:
    """Trees in a regular grid on soil or grass, inside a straight-edged plot."""
    rural(canvas)
    pu, pv = canvas.frame("orchard/plot")
    half = rng.uniform("orchard/extent", 17, 44)
    plot = np.abs(pu - rng.uniform("orchard/u", -9, 9)) < half
    plot &= np.abs(pv - rng.uniform("orchard/v", -9, 9)) < half
    pitch = rng.uniform("orchard/pitch", 5.4, 8.6)
    i, j, u, v = grid(canvas, "orchard", pitch, 1.0)
    under = rng.uniform("orchard/mown") + 0.2 * canvas.noise("orchard/under", 6)
    canvas.paint(plot, "bare", "soil", "grass", under, 0.95)
    age = 0.85 + 0.3 * rng.cell("orchard/age", i, j)
    radius = pitch * rng.uniform("orchard/crown", 0.25, 0.38) * age
    crown = plot & (u * u + v * v < radius * radius)
    crown &= rng.cell("orchard/gap", i, j) > 0.05
    kind = rng.uniform("orchard/kind", 0.2, 1)
    lit = 0.85 + 0.2 * rng.cell("orchard/lit", i, j)
    canvas.paint(crown, "trees", "needle_tree", "leaf_tree", kind, lit)


def quarry(canvas: Canvas, rng: CounterRNG) -> None:
    """A pit with few wide benches, walls lit or shaded, rubble, sometimes a pond."""
    rural(canvas)
    r = distance(canvas, "pit", 11)
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


_PAINTERS: dict[str, Callable[[Canvas, CounterRNG], None]] = {
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
) -> Canvas:
    """Paint `rng.n` patches of class number `scene`, `size` points wide."""
    canvas = Canvas.blank(rng, acquisition, size)
    _PAINTERS[CLASSES[scene]](canvas, rng)
    return canvas
