"""Patches by number: paint, record, pack."""

__all__ = ["DEFAULT_SEED", "FACTS", "VERSION", "generate"]

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from workshop_lib.data.mini_eo.canvas import COVERS, Canvas
from workshop_lib.data.mini_eo.draws import Draws
from workshop_lib.data.mini_eo.landscape import CLASSES, paint_scene
from workshop_lib.data.mini_eo.places import Place, draw_place
from workshop_lib.data.mini_eo.sensors import elevation, optical, radar

DEFAULT_SEED = 2026
VERSION = 1  # raise when pixels change: caches of older versions are then left alone
FACTS = tuple(f.name for f in fields(Place) if f.name not in ("dryness", "wetness"))
_POINTS = 64  # points across a painted landscape; 32 px average 2 x 2 of them
_CHUNK = 64  # patches painted at once: small enough for the cache of a laptop

Arrays = dict[str, npt.NDArray[Any]]


def generate(
    count: int, seed: int = DEFAULT_SEED, size: int = 32, threads: int = 2
) -> Arrays:
    """Make `count` patches, with every class equally often.

    Patch k belongs to class k modulo 10 and looks the same whatever `count` is.

    Args:
        count: number of patches.
        seed: of the generator; 2026 is the set that figures are reported on.
        size: 32 or 64 pixels a side; the landscapes are the same.
        threads: numpy works on so many chunks at once.

    Returns:
        Arrays by name, patch k in row k: `s2` (N, 12, size, size) int16 reflectance
        times 10,000; `s1` (N, 2, size, size) int16 decibels times 100; `dem`
        (N, 1, size, size) int16 metres; `mask` (N, size, size) uint8 covers; `label`
        (N,) int64; and one (N,) float32 per name in `FACTS`.
    """
    jobs = list(_chunks(count))
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda job: _make(job[0], job[1], seed, size), jobs))
    order = np.argsort(np.concatenate([ids for _, ids in jobs]), kind="stable")
    return {k: np.concatenate([part[k] for part in parts])[order] for k in parts[0]}


def _chunks(count: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Cut the patch numbers into groups of one class each."""
    for scene in range(len(CLASSES)):
        ids = np.arange(scene, count, len(CLASSES))
        for k in range(0, len(ids), _CHUNK):
            yield scene, ids[k : k + _CHUNK]


def _make(scene: int, ids: npt.NDArray[np.int64], seed: int, size: int) -> Arrays:
    """Paint and record the patches `ids`, all of one class."""
    draw = Draws(seed, ids)
    place = draw_place(draw, scene)
    canvas = paint_scene(draw, place, scene, _POINTS)
    cover = _majority(canvas, size)
    s2 = np.rint(optical(canvas, size) * 10_000)
    s1 = np.rint(radar(canvas, size) * 100)
    facts = {
        name: getattr(place, name).reshape(-1).astype(np.float32) for name in FACTS
    }
    return {
        "s2": s2.astype(np.int16),
        "s1": s1.astype(np.int16),
        "dem": np.rint(elevation(canvas, cover, size)).astype(np.int16),
        "mask": cover,
        "label": np.full(len(ids), scene, dtype=np.int64),
        **facts,
    }


def _majority(canvas: Canvas, size: int) -> npt.NDArray[np.uint8]:
    """Give each pixel the cover that most of its points have; of a tie, the later one.

    Later covers in the list (roads, buildings) are the smaller things, which a tie
    would otherwise erase.
    """
    f = canvas.size // size
    if f == 1:
        return canvas.cover
    n = len(canvas.cover)
    best = np.zeros((n, size, size), np.uint8)
    most = np.zeros((n, size, size), np.uint8)
    for k in range(len(COVERS)):
        same = (
            (canvas.cover == k)
            .reshape(n, size, f, size, f)
            .sum(axis=(2, 4), dtype=np.uint8)
        )
        wins = same >= np.maximum(most, 1)
        best[wins], most[wins] = k, same[wins]
    return best
