"""Scenes that nature and farming make: fields, forest, pasture, lake, river."""

__all__ = ["annual_crop", "forest", "lake", "pasture", "river"]

import numpy as np

from workshop_lib.data.mini_eo.canvas import Canvas, countryside, paint_trees
from workshop_lib.data.mini_eo.draws import wave
from workshop_lib.data.mini_eo.shapes import distance, farm_track, grid, rural


def annual_crop(canvas: Canvas) -> None:
    countryside(
        canvas,
        canvas.draw.uniform("rural/crops", 0.82, 1.0),
        canvas.draw.uniform("rural/woods", -3.4, -1.6),
    )


def forest(canvas: Canvas) -> None:
    countryside(
        canvas,
        canvas.draw.uniform("rural/crops", -0.5, 0.5),
        canvas.draw.uniform("rural/woods", 1.2, 3.5),
    )
    farm_track(canvas, 0.25)


def pasture(canvas: Canvas) -> None:
    """Grass, now and then with hedges along the parcels and single trees."""
    draw = canvas.draw
    countryside(
        canvas,
        draw.uniform("rural/crops", -1.0, 0.12),
        draw.uniform("rural/woods", -3.2, -1.5),
    )
    i, j, u, v = grid(canvas, "hedge", draw.uniform("hedge/pitch", 24, 44), 2.0)
    edge = np.abs(u) > 0.5 * draw.uniform("hedge/pitch", 24, 44) - 1.2
    paint_trees(
        canvas, edge & draw.chance("hedge", 0.4) & (draw.cell("hedge/gap", i, j) < 0.6)
    )
    farm_track(canvas, 0.15)


def lake(canvas: Canvas) -> None:
    rural(canvas)
    r = distance(canvas, "lake", 20)
    radius = canvas.draw.uniform("lake/radius", 14, 31)
    canvas.paint(
        r < radius + canvas.draw.uniform("lake/shore", 0, 3.5),
        "bare",
        "soil",
        "grass",
        0.5,
    )
    deep = (radius - r) / 9
    ripple = 1 + 0.05 * canvas.noise("lake/ripple", 11)
    canvas.paint(r < radius, "water", "shallow", "water", deep, ripple)


def river(canvas: Canvas) -> None:
    draw = canvas.draw
    rural(canvas)
    u, v = canvas.frame("river")
    bends = draw.uniform("river/swing", 2, 9) * wave(
        v / draw.uniform("river/bend", 50, 120) + draw.uniform("river/phase")
    )
    across = np.abs(
        u
        - draw.uniform("river/offset", -13, 13)
        + bends
        + 2.2 * canvas.noise("river/wander", 3)
    )
    half = draw.uniform("river/half-width", 2.3, 6.3) * (
        1 + 0.15 * canvas.noise("river/width", 4)
    )
    bank = half + draw.uniform("river/bank", 0.5, 4.5)
    paint_trees(canvas, (across < bank) & draw.chance("river/wooded", 0.5))
    canvas.paint(
        (across < bank - 1.5) & draw.chance("river/bars", 0.5),
        "bare",
        "gravel",
        "grass",
        0.3,
    )
    canvas.paint(across < half, "water", "shallow", "water", (half - across) / 3)
