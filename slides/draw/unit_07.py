"""Figures of deck 07, fusion."""

__all__ = ["FIGURES", "MEASURED"]

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from slides.draw.diagrams_07 import early, meet
from slides.draw.kit import measured
from slides.draw.measured_07 import MEASURED
from slides.draw.runs import deck_scenes
from slides.draw.shape import key_below, reshape
from workshop_lib import plots
from workshop_lib.augment.modal import modal_policies
from workshop_lib.augment.normalize import Normalize
from workshop_lib.channels import groups
from workshop_lib.data.mini_eo import CLASSES, COVERS
from workshop_lib.data.modalities import pack
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import AccessibleFigure

MINI_EO = Path(__file__).parents[2] / "docs" / "mini_eo.md"
# Which image of each class: a forest under clouds, a lake on a calm day
SHOWN = {"Forest": 7, "Lake": 11, "Industrial": 7}
# Classes towards the west of a region, but for the fifth (mini_eo/acquisition.py)
BUILT = ("AnnualCrop", "Highway", "Residential", "Industrial", "Orchard", "Quarry")
AWAY = 4  # the fifth region
# What is added, the set with it, the set without it
ADDED = (
    ("S1, to S2", "S2 + S1", "S2"),
    ("season, to S2", "S2 + season", "S2"),
    ("climate, to S2", "S2 + climate", "S2"),
    ("climate, to S2 + S1", "S2 + S1 + climate", "S2 + S1"),
    ("all else, to S2 + S1", "everything", "S2 + S1"),
)


def sensors() -> AccessibleFigure:
    """Show three scenes as each sensor sees them."""
    scenes, _ = deck_scenes()
    chosen = [
        int((scenes.labels == CLASSES.index(name)).nonzero()[k])
        for name, k in SHOWN.items()
    ]
    some = scenes.subset(chosen)
    names = tuple(SHOWN)
    some = replace(some, labels=torch.arange(len(names)), class_names=names)
    figure = plots.modality_samples(some, COVERS, which=0)
    return reshape(figure, 9.6, 6.0, shown=760, points=17)


def forest_told() -> dict[str, float]:
    """Read what a forest of trees reaches from each set, from docs/mini_eo.md.

    Raises:
        WorkshopError: the page has no such table.
    """
    text = MINI_EO.read_text(encoding="utf-8")
    found = re.findall(r"^\| ([^|]+?) \| (\d+\.\d) \|$", text, re.MULTILINE)
    if len(found) < 8:
        raise WorkshopError(
            f"{MINI_EO.name} has {len(found)} rows such as '| S2, S1 | 82.2 |' under"
            " 'What each part is worth': expected at least 8."
        )
    return {name: float(value) for name, value in found}


def forest() -> AccessibleFigure:
    """Draw what is there to be gained, as a forest of trees finds it."""
    told = forest_told()
    everything = "S2, S1, climate, elevation, season, rain, wind"
    names = {
        "season": "season", "climate": "climate", "elevation": "elevation", "S1": "S1",
        "S2 (12 bands)": "S2", "S2, S1": "S2 + S1",
        "S2, S1, climate": "S2 + S1 + climate", everything: "everything",
    }  # fmt: skip
    figure = plots.bars(
        {short: told[name] for name, short in names.items()},
        title="A forest of trees on each set",
        unit="scenes named right (%); guessing gives 10",
    )
    return reshape(figure, 7.4, 5.0, shown=720)


def maps_of_facts() -> AccessibleFigure:
    """Show the channels of one packed patch, normalised."""
    scenes, split = deck_scenes()
    packed = pack(scenes, ("s2", "s1", "season", "climate"))
    normalize = Normalize.fit(packed.images, split.labeled, gaps=True)
    patch = int(split.labeled[6])
    values = normalize(packed.images[patch][None])[0].numpy()  # (12, H, W)
    shown = dict(zip(packed.bands, values, strict=True))
    figure = plots.panels(shown, title="One patch", columns=6, span=(-2.5, 2.5))
    for axes in figure.axes:
        axes.set_xlabel("")  # all of one size; the numbers do not matter here
    return reshape(figure, 11.4, 4.9, shown=1080)


def _spread(normalized: bool) -> dict[str, np.ndarray]:
    scenes, split = deck_scenes()
    packed = pack(scenes, ("s2", "s1", "dem"))
    images = packed.images
    if normalized:
        images = Normalize.fit(images, split.labeled)(images)
    names = {"s2:B08": "infrared", "s1:VV": "radar VV", "dem:height": "height"}
    some = images[split.unlabeled[:200], :, ::4, ::4]
    return {
        short: some[:, packed.bands.index(band)].flatten().numpy()
        for band, short in names.items()
    }


def raw() -> AccessibleFigure:
    """Draw the numbers of three modalities in their own units."""
    figure = plots.histograms(
        _spread(False), title="In their own units", y_label="pixels",
        x_label="reflectance, decibel, metres", bins=60,
    )  # fmt: skip
    return key_below(reshape(figure, 6.0, 4.9, shown=540), 3, means=False)


def normalized() -> AccessibleFigure:
    """Draw the same numbers after normalisation of each channel."""
    figure = plots.histograms(
        _spread(True), title="Each normalised", y_label="pixels",
        x_label="deviations from the training mean", bins=60,
    )  # fmt: skip
    return key_below(reshape(figure, 6.0, 4.9, shown=540), 3, means=False)


def _study(name: str) -> pd.DataFrame:
    found = measured("07_studies.json").get(name)
    return pd.DataFrame(found if found else {"name": [], "seed": [], "f1": []})


def table() -> AccessibleFigure:
    """Draw F1 of scenes, and IoU of maps where measured, for each set."""
    scenes, maps = _study("sets"), _study("maps")
    maps = maps if {"S2", "S2 + S1"} <= set(maps["name"]) else maps[:0]
    figure = plots.modality_gains(scenes, maps)
    for panel in figure.axes:
        panel.set_xlabel("%; a point per seed")
        panel.set_title(panel.get_title(loc="left"), loc="left")
    return reshape(figure, 11.0, 5.2, shown=1080)


def gains() -> AccessibleFigure:
    """Draw what each addition changes, seed by seed."""
    wide = _study("sets").pivot(index="seed", columns="name", values="f1")
    rows = {}
    for words, with_it, without in ADDED:
        gain = 100 * (wide[with_it] - wide[without]).dropna()
        rows[words] = (gain.mean(), gain.min(), gain.max())
    figure = plots.ranges(
        rows,
        title="What an addition changes",
        x_label=f"points of F1: mean, least, most; seeds: {len(wide)}",
        baseline=("no change", 0.0),
    )
    return reshape(figure, 7.4, 4.6, shown=720)


def _longitude(away: bool) -> dict[str, np.ndarray]:
    scenes, _ = deck_scenes()
    lon, region = scenes.metadata["lon"], scenes.metadata["region"]
    place = torch.zeros_like(lon)
    for number in region.unique():
        here = region == number
        west, east = lon[here].min(), lon[here].max()
        place[here] = (lon[here] - west) / (east - west)
    built = torch.isin(scenes.labels, torch.tensor([CLASSES.index(n) for n in BUILT]))
    where = (region == AWAY) if away else (region != AWAY)
    both = {"made by people": where & built, "natural": where & ~built}
    return {name: place[some].numpy() for name, some in both.items()}


def longitude_home() -> AccessibleFigure:
    """Draw who lies where in the regions that are learnt from."""
    figure = plots.histograms(
        _longitude(False), title="Four regions", bins=20, y_label="scenes",
        x_label="from the west (0) to the east (1) of a region",
    )  # fmt: skip
    return key_below(reshape(figure, 6.0, 4.9, shown=540), 2, means=False)


def longitude_away() -> AccessibleFigure:
    """Draw who lies where in the fifth region."""
    figure = plots.histograms(
        _longitude(True), title="The fifth", bins=20, y_label="scenes",
        x_label="from the west (0) to the east (1) of a region",
    )  # fmt: skip
    return key_below(reshape(figure, 6.0, 4.9, shown=540), 2, means=False)


def fails() -> AccessibleFigure:
    """Draw what is left when a modality is missing, with and without dropout."""
    rows = pd.DataFrame(measured("07_sensor_fails.json")["rows"])
    names = {"all there": "all there", "no s1": "no S1", "no s2": "no S2"}
    means = rows.groupby(rows["dropout"] > 0)[list(names)].mean()
    figure = plots.per_class(
        {"trained with all": means.loc[False], "with dropout": means.loc[True]},
        list(names.values()),
        title="A sensor fails",
        x_label="test scenes right (%)",
    )
    return reshape(figure, 7.4, 4.4, shown=720)


def views() -> AccessibleFigure:
    """Show weak and strong views of a patch of two sensors."""
    scenes, split = deck_scenes()
    packed = pack(scenes, ("s2", "s1"))
    patch = packed.images[split.unlabeled[16]][None]
    policies = modal_policies(groups(packed.bands))
    generator = torch.Generator().manual_seed(4)
    shown = {"as it is": patch}
    for name, policy in (("weak", "weak"), ("strong", "strong"), ("strong ", "strong")):
        shown[name] = policies[policy](patch, generator)
    pictures = {}
    for sensor in ("S2", "S1"):
        for name, view in shown.items():
            optical = sensor == "S2"
            pictures[f"{sensor}, {name}"] = (
                plots.to_display(view[:, :4], packed.bands[:4])[0]
                if optical
                else plots.sar_to_display(view[:, 4:])[0]
            )
    title = "One geometry, physics for each"
    figure = plots.panels(pictures, title=title, columns=4)
    for axes in figure.axes:
        axes.set_xlabel("")
    return reshape(figure, 8.6, 5.2, shown=740)


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "07_sensors.png": sensors,
    "07_forest.svg": forest,
    "07_early.svg": early,
    "07_maps_of_facts.png": maps_of_facts,
    "07_raw.svg": raw,
    "07_normalized.svg": normalized,
    "07_meet.svg": meet,
    "07_table.svg": table,
    "07_gains.svg": gains,
    "07_longitude_home.svg": longitude_home,
    "07_longitude_away.svg": longitude_away,
    "07_fails.svg": fails,
    "07_views.png": views,
}
