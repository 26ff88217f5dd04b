"""Shapes that several scenes share: outlines, grids, the country around."""

__all__ = ["distance", "farm_track", "grid", "rural"]

import numpy as np

from workshop_lib.data.mini_eo.canvas import Canvas, countryside
from workshop_lib.data.mini_eo.draws import Array


def distance(canvas: Canvas, name: str, spread: float) -> Array:
    """Measure the distance to a random centre, made uneven: outlines of lakes, pits."""
    u, v = canvas.frame(name)
    u = u - canvas.draw.uniform(name + "/u", -spread, spread)
    v = (v - canvas.draw.uniform(name + "/v", -spread, spread)) * canvas.draw.uniform(
        name + "/flat", 0.8, 1.4
    )
    uneven = 5.0 * canvas.noise(name + "/outline", 3) + 1.5 * canvas.noise(
        name + "/fray", 7
    )
    return np.sqrt(u * u + v * v) + uneven


def grid(canvas: Canvas, name: str, pitch: Array, bend: float) -> tuple[Array, ...]:
    """Lay a turned grid: cell numbers i, j, and the position within it, in pixels."""
    u, v = canvas.frame(name, bend)
    i, j = np.floor(u / pitch), np.floor(v / pitch)
    return i, j, u - (i + 0.5) * pitch, v - (j + 0.5) * pitch


def rural(canvas: Canvas) -> None:
    """Paint the background of scenes that are about something else."""
    draw = canvas.draw
    countryside(
        canvas,
        draw.uniform("rural/crops", -0.2, 0.9),
        draw.uniform("rural/woods", -2.0, 0.8),
    )


def farm_track(canvas: Canvas, probability: float) -> None:
    """Paint a track through some patches: a thin line is no proof of a highway."""
    draw = canvas.draw
    u, v = canvas.frame("track", bend=2.0)
    line = np.abs(u - draw.uniform("track/offset", -24, 24)) < 1.0
    canvas.paint(
        line & draw.chance("track", probability), "bare", "soil", "gravel", 0.4
    )
