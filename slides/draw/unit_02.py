"""The figures of deck 02, data and splits. Nothing is trained for them."""

__all__ = ["FIGURES"]

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from slides.draw.letters import for_the_room
from slides.draw.runs import deck_scenes
from workshop_lib import plots
from workshop_lib.course.leaky_splits import LeakySplit, make_leaky_splits
from workshop_lib.data.mini_eo import BANDS, COVERS, REGIONS, mini_eo
from workshop_lib.data.read.decode import fit
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.plots.style import AccessibleFigure


@cache
def patches() -> Scenes:
    """Return the 1,000 patches with twelve bands that notebook 02 looks at."""
    return mini_eo(1000, bands=BANDS)


def only(names: list[str]) -> Scenes:
    """Keep some classes of the patches, in this order."""
    scenes = patches()
    wanted = torch.tensor([scenes.class_names.index(name) for name in names])
    kept = torch.isin(scenes.labels, wanted).nonzero().flatten()
    some = scenes.subset(kept)
    labels = (some.labels[:, None] == wanted).int().argmax(1)  # 0..len(names) - 1
    return replace(some, labels=labels, class_names=tuple(names))


@cache
def cases() -> list[LeakySplit]:
    """Return the seven cases of the detective."""
    mini = mini_eo(1000)
    return make_leaky_splits(mini, Split.random(mini, labels_per_class=4))


# ---- the data


def sensors() -> AccessibleFigure:
    """Draw three classes as every sensor and map sees them."""
    return plots.modality_samples(
        only(["Forest", "Lake", "Residential"]), COVERS, which=1
    )


def spectra() -> AccessibleFigure:
    """Draw the spectra of four classes, each among the others."""
    return plots.spectra(only(["Lake", "Forest", "AnnualCrop", "Residential"]))


def places() -> AccessibleFigure:
    """Draw where the patches lie."""
    where = patches().metadata
    lat, lon = where["lat"].numpy(), where["lon"].numpy()
    drawn = plots.location_map(lat, lon, where["region"].numpy(), REGIONS)
    return for_the_room(drawn, 16, 470)


def seasons() -> AccessibleFigure:
    """Draw two classes through the year."""
    return plots.seasons(patches(), ["Forest", "AnnualCrop"], columns=5)


# ---- the split


def split() -> AccessibleFigure:
    """Draw where each image of a small set goes: the parts are easier to see."""
    mini = mini_eo(1000)
    return plots.split_bars(mini, Split.random(mini, labels_per_class=25))


def luck() -> AccessibleFigure:
    """Draw what the best of 20 equal networks reports, 1,000 times."""
    rng = np.random.default_rng(0)
    right = 100 * rng.binomial(300, 0.8, size=(1000, 20)) / 300  # 20 equal networks
    return plots.histograms(
        {"any one": right[:, 0], "the best of 20": right.max(axis=1)},
        title="Networks that are right in 80 % of cases",
        x_label="accuracy on 300 test images (%)",
        y_label="how often in 1,000",
        bins=28,
    )


def labelled(order: Tensor, sort: bool) -> list[str]:
    """Draw four labels per class from a listing of the files; return their names."""
    scenes = deck_scenes()[0].subset(order)
    generator = torch.Generator().manual_seed(42)
    drawn = []
    for k in range(scenes.num_classes):
        members = (scenes.labels == k).nonzero().flatten().tolist()
        if sort:
            members.sort(key=lambda i: scenes.names[i])
        shuffled = torch.randperm(len(members), generator=generator)[:4].tolist()
        drawn += [scenes.names[members[i]] for i in shuffled]
    return drawn


def listings() -> AccessibleFigure:
    """Draw the first labelled image of six classes, from three listings."""
    scenes, _ = deck_scenes()
    forwards = torch.arange(len(scenes))
    here = labelled(forwards, sort=False)
    rows = {"listed A to Z": here}
    for title, sort in (("listed Z to A", False), ("sorted first", True)):
        there = labelled(forwards.flip(0), sort)
        same = len(set(labelled(forwards, sort)) & set(there))
        rows[f"{title}\n{same} of {len(there)} the same"] = there
    shown = {}
    for title, names in rows.items():
        some = names[::4][:6]  # the first of each class
        where = [scenes.names.index(name) for name in some]
        captions = [name.split("/")[1] for name in some]
        shown[title] = (scenes.images[where], captions)
    return plots.picture_rows(shown, scenes.bands, side=1.15)


# ---- the detective


def twins() -> AccessibleFigure:
    """Draw the two pairs of cases C and G: names that differ, pixels that do not."""
    rows = {}
    for case in cases():
        audit = case.split.audit(case.scenes, near_duplicates=False, neighbour_km=0)
        for finding in audit.findings[:1]:
            if finding.kind == "same_pixels":
                pair = list(finding.indices)[:2]
                captions = [case.scenes.names[i] for i in pair]
                rows[case.name] = (case.scenes.images[pair], captions)
    return plots.picture_rows(rows, cases()[0].scenes.bands, side=1.75)


# ---- images of unequal size


def sizes() -> AccessibleFigure:
    """Draw an image that is too low: as it is, squeezed, covered and cropped."""
    y, x = np.mgrid[:60, :96]
    grey = 127 + 127 * np.cos(np.hypot(y - 30, x - 48) / 4)
    low = Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    shown = {
        "as it is": np.asarray(low),
        "squeezed": np.asarray(low.resize((96, 96))),
        "covered and cropped": np.asarray(fit(low, 96, 96)),
    }
    return plots.panels(shown, title="Three ways to treat an image of 60 x 96")


FIGURES: dict[str, Callable[[], AccessibleFigure]] = {
    "02_sensors.png": sensors,
    "02_spectra.svg": spectra,
    "02_places.svg": places,
    "02_seasons.png": seasons,
    "02_split.svg": split,
    "02_luck.svg": luck,
    "02_listings.png": listings,
    "02_twins.png": twins,
    "02_sizes.png": sizes,
}
