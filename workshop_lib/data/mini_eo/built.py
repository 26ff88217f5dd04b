"""Scenes that people build or plant: highway, homes, industry, orchard, quarry."""

__all__ = ["highway", "industrial", "orchard", "quarry", "residential"]

import numpy as np

from workshop_lib.data.mini_eo.canvas import Canvas, paint_grass, paint_trees
from workshop_lib.data.mini_eo.shapes import distance, grid, rural


def highway(canvas: Canvas) -> None:
    """Two carriageways with a strip between; in a third of the scenes a second road."""
    draw = canvas.draw
    rural(canvas)
    for k, often in (("a", 1.0), ("b", 0.35)):
        there = draw.chance(f"highway/{k}", often)
        u, v = canvas.frame(f"highway/{k}")
        curve = draw.uniform(f"highway/{k}/curve", -1, 1) * v * v / 170
        across = np.abs(u - draw.uniform(f"highway/{k}/offset", -15, 15) + curve)
        half = draw.uniform(f"highway/{k}/half-width", 2.2, 4.4)
        paint_grass(
            canvas, there & (across < half + draw.uniform(f"highway/{k}/verge", 0.5, 3))
        )
        canvas.paint(there & (across < half), "sealed", "road")
        strip = draw.chance(f"highway/{k}/strip", 0.65) & (across < 0.22 * half)
        canvas.paint(there & strip, "grassland", "grass", "road", 0.4, 0.85)


def residential(canvas: Canvas) -> None:
    """Blocks of streets; within them a house and a garden on every lot."""
    draw = canvas.draw
    rural(canvas)
    town = distance(canvas, "town", 11) < draw.uniform("town/radius", 21, 47)
    pitch = draw.uniform("house/pitch", 5.2, 8.2)
    i, j, u, v = grid(canvas, "house", pitch, 1.6)
    paint_grass(canvas, town, "garden")
    green = canvas.noise("garden/trees", 13) > draw.uniform("garden/open", 0.1, 1.3)
    paint_trees(canvas, town & green, "garden/wood")
    side = pitch * draw.uniform("house/size", 0.27, 0.36)
    depth = side * (0.75 + 0.25 * draw.cell("house/depth", i, j))
    built = (
        town
        & (draw.cell("house/there", i, j) > 0.14)
        & (np.abs(u) < side)
        & (np.abs(v) < depth)
    )
    tint = draw.cell("house/roof", i, j) * draw.uniform("house/mixed", 0.15, 1)
    lit = 0.82 + 0.36 * draw.cell("house/lit", i, j)
    canvas.paint(built, "building", "roof_a", "roof_b", tint, lit)
    half = draw.uniform("street/half-width", 0.8, 1.4)
    rows = np.floor(draw.uniform("street/rows", 2, 4))
    street = (np.abs(u) > 0.5 * pitch - half) & (
        np.floor(i / 3) != np.floor((i + np.sign(u)) / 3)
    )
    cross = (np.abs(v) > 0.5 * pitch - half) & (
        np.floor(j / rows) != np.floor((j + np.sign(v)) / rows)
    )
    canvas.paint(town & (street | cross), "sealed", "road")


def industrial(canvas: Canvas) -> None:
    """Large halls of unequal size on sealed ground."""
    draw = canvas.draw
    rural(canvas)
    estate = distance(canvas, "estate", 9) < draw.uniform("estate/radius", 21, 44)
    yard_grass = canvas.noise("estate/green", 7) > draw.uniform(
        "estate/sealed", 0.4, 1.6
    )
    canvas.paint(
        estate & ~yard_grass,
        "sealed",
        "yard",
        "road",
        0.3 + 0.2 * canvas.noise("estate/worn", 5),
    )
    pitch = draw.uniform("hall/pitch", 17, 27)
    i, j, u, v = grid(canvas, "hall", pitch, 0.0)
    side = pitch * (0.24 + 0.19 * draw.cell("hall/side", i, j))
    depth = pitch * (0.20 + 0.23 * draw.cell("hall/depth", i, j))
    u = u - (draw.cell("hall/u", i, j) - 0.5) * 3
    hall = (
        estate
        & (draw.cell("hall/there", i, j) > 0.10)
        & (np.abs(u) < side)
        & (np.abs(v) < depth)
    )
    ridge = 1 + np.where(u > 0, 0.08, -0.08)
    light = draw.cell("hall/light", i, j)
    canvas.paint(
        hall,
        "building",
        "roof_b",
        "sheet_metal",
        light * draw.uniform("hall/metal", 0.3, 1.2),
        ridge,
    )


def orchard(canvas: Canvas) -> None:
    """Trees in a regular grid on soil or grass, inside a straight-edged plot."""
    draw = canvas.draw
    rural(canvas)
    pu, pv = canvas.frame("orchard/plot")
    half = draw.uniform("orchard/extent", 17, 44)
    plot = (np.abs(pu - draw.uniform("orchard/u", -9, 9)) < half) & (
        np.abs(pv - draw.uniform("orchard/v", -9, 9)) < half
    )
    pitch = draw.uniform("orchard/pitch", 5.4, 8.6)
    i, j, u, v = grid(canvas, "orchard", pitch, 1.0)
    under = draw.uniform("orchard/mown") + 0.2 * canvas.noise("orchard/under", 6)
    canvas.paint(plot, "bare", "soil", "grass", under, 0.95)
    radius = (
        pitch
        * draw.uniform("orchard/crown", 0.25, 0.38)
        * (0.85 + 0.3 * draw.cell("orchard/age", i, j))
    )
    crown = (
        plot
        & (u * u + v * v < radius * radius)
        & (draw.cell("orchard/gap", i, j) > 0.05)
    )
    kind = draw.uniform("orchard/kind", 0.2, 1)
    canvas.paint(
        crown,
        "trees",
        "needle_tree",
        "leaf_tree",
        kind,
        0.85 + 0.2 * draw.cell("orchard/lit", i, j),
    )


def quarry(canvas: Canvas) -> None:
    """A pit with few wide benches, walls lit or shaded, rubble, sometimes a pond."""
    draw = canvas.draw
    rural(canvas)
    r = distance(canvas, "pit", 11)
    radius = draw.uniform("pit/radius", 17, 34)
    depth = (radius - r) / draw.uniform("pit/bench", 6.5, 11) + 0.15 * canvas.noise(
        "pit/ragged", 12
    )
    bench = np.floor(depth)
    wall = depth - bench < 0.25
    u, _ = canvas.frame("pit/sun")
    facing = np.where(u > 0, 1.25, 0.55)
    rubble = (
        1 + 0.16 * canvas.noise("pit/rubble", 15) + 0.10 * canvas.noise("pit/heaps", 5)
    )
    level = 0.85 + 0.35 * draw.cell("pit/level", bench, 0 * bench)
    shade = np.where(wall, facing, level) * rubble
    mixed = 0.5 + 0.4 * canvas.noise("pit/seam", 5)
    canvas.paint(depth > 0, "bare", "rock", "gravel", mixed, np.clip(shade, 0.35, 1.5))
    pond = (r < draw.uniform("pit/pond", 4, 9)) & draw.chance("pit/wet", 0.3)
    canvas.paint(pond, "water", "shallow", "water", 0.3)
