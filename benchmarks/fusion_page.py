"""docs/fusion.md, written from what was measured."""

__all__ = ["page", "verdict"]

from collections.abc import Mapping

import pandas as pd

from workshop_lib.modality_table import deviations
from workshop_lib.session import versions

# What is added, the set with it, the set without it
_ADDED = (
    ("S1", "S2 + S1", "S2"),
    ("season", "S2 + season", "S2"),
    ("climate", "S2 + climate", "S2"),
    ("climate", "S2 + S1 + climate", "S2 + S1"),
    ("all else", "everything", "S2 + S1"),
)
_CLEAR = 0.01  # a point: less, or not in every seed, is no clear gain

_PAGE = """# Which modalities are worth combining

`python -m benchmarks.fusion --write-docs` measures this and writes this page. MiniEO,
generator seed 2026, bands B02, B03, B04, B08; {steps} steps of AdamW (0.002), batch 16,
strong views (one geometry for all modalities, physics for each), weights averaged and
best by validation, scores on 1,000 test images. A seed draws split, weights and order.
Mean ± deviation over the seeds in the last column. What the generator says is there to
be found: [mini_eo.md](mini_eo.md#what-each-part-is-worth).

{parts}
Machine: {machine}.
"""

_SETS = """## Sets of modalities

Scenes: small CNN, early fusion, 25 labels per class, supervised. Maps: U-Net of width
16, early fusion, 20 labelled tiles (2 of each class of scene). Facts (climate, season,
...) are maps of one value.

{table}

![F1 of scenes and IoU of maps for each set of modalities](fusion.png)

What each addition changes in the F1 of scenes, seed by seed. "Adds" and "harms" stand
only where every seed differs by a point or more in that direction. What a set is worth
in principle does not depend on the network; what harms here is this network, reading
facts as maps, after so few labels and steps. See below for other places to fuse.

{verdicts}
"""

_FUSIONS = """## Where they meet

S2, S1 and climate, supervised, 25 labels per class; `dropout` also leaves out each
modality with chance 0.2 in training.

{table}
"""

_SHIFT = """## In a region never seen

Longitude tells man-made from natural scenes in four regions, and the other way round in
the fifth. All labels of four regions to learn from; *home* is their test part, *away*
is the whole fifth region.

{table}
"""

_MAP_FUSIONS = """## Where they meet, for maps

S2 and S1, U-Net of width 16, 20 labelled tiles, supervised. Late and shared add scores.

{table}
"""

_FIXMATCH = """## Unlabelled images with fused inputs

4 labels per class; FixMatch with twice as many unlabelled images per step, threshold
0.8, distribution alignment.

{table}
"""


def page(tables: Mapping[str, pd.DataFrame], steps: int) -> str:
    """Return docs/fusion.md; a study without rows is left out.

    Args:
        tables: rows of `measure` by the study's name; "sets" must be there.
        steps: of every training.
    """
    sets, maps = tables["sets"], tables.get("maps")
    parts = [_SETS.format(table=_both(sets, maps), verdicts=_verdicts(sets))]
    for study, text in (
        ("fusions", _FUSIONS),
        ("map_fusions", _MAP_FUSIONS),
        ("shift", _SHIFT),
        ("fixmatch", _FIXMATCH),
    ):
        if study in tables:
            column = "iou" if study == "map_fusions" else "f1"
            parts.append(text.format(table=_table(tables[study], column)))
    machine = ", ".join(f"{name} {value}" for name, value in versions().items())
    return _PAGE.format(steps=steps, parts="\n".join(parts), machine=machine)


def verdict(gains: pd.Series) -> str:
    """Say in a word what gains over several seeds amount to.

    >>> verdict(pd.Series([0.03, 0.02])), verdict(pd.Series([0.03, -0.02]))
    ('adds', 'not clear')
    """
    if len(gains) < 2:
        return "one seed only"
    if (gains >= _CLEAR).all():
        return "adds"
    if (gains <= -_CLEAR).all():
        return "harms"
    return "adds nothing" if (gains.abs() < _CLEAR).all() else "not clear"


def _verdicts(rows: pd.DataFrame) -> str:
    wide = rows.pivot(index="seed", columns="name", values="f1")
    lines = [
        "| added | to | gain in F1, points | seed by seed | verdict |",
        "|---" * 5 + "|",
    ]
    for added, name, without in _ADDED:
        if not {name, without} <= set(wide):
            continue
        gains = (wide[name] - wide[without]).dropna()
        each = ", ".join(f"{100 * gain:+.1f}" for gain in gains)
        lines.append(
            f"| {added} | {without} | {100 * gains.mean():+.1f} | {each} |"
            f" {verdict(gains)} |"
        )
    return "\n".join(lines)


def _both(sets: pd.DataFrame, maps: pd.DataFrame | None) -> str:
    scenes = deviations(sets).set_index("name")
    tiles = deviations(maps).set_index("name") if maps is not None else scenes[:0]
    lines = [
        "| set | scenes: F1, % | accuracy, % | maps: mIoU, % | accuracy, % | seeds |",
        "|---" * 6 + "|",
    ]
    for name in scenes.index:
        one = f"| {name} | {_cell(scenes, name, 'f1')} | {_cell(scenes, name)}"
        two = f"| {_cell(tiles, name, 'iou')} | {_cell(tiles, name)}"
        seeds = [str(t.loc[name, "seeds"]) for t in (scenes, tiles) if name in t.index]
        lines.append(f"{one} {two} | {', '.join(seeds)} |")
    return "\n".join(lines)


def _table(rows: pd.DataFrame, column: str) -> str:
    found = deviations(rows).set_index("name")
    called = {"f1": "F1", "iou": "mIoU"}[column]
    lines = [f"| what | accuracy, % | {called}, % | parameters | seeds |"]
    lines.append("|---" * 5 + "|")
    lines += [
        f"| {name} | {_cell(found, name)} | {_cell(found, name, column)} |"
        f" {found.loc[name, 'parameters']:,} | {found.loc[name, 'seeds']} |"
        for name in found.index
    ]
    return "\n".join(lines)


def _cell(found: pd.DataFrame, name: str, column: str = "accuracy") -> str:
    if name not in found.index:
        return ""
    mean, spread = found.loc[name, column], found.loc[name, f"{column}_std"]
    return f"{mean:.1f}" if pd.isna(spread) else f"{mean:.1f} ± {spread:.1f}"
