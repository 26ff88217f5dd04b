"""Audit of a split: leaks and other faults that nothing else reveals.

A wrong shape stops a program by itself. A leak between training and test does not: it
shows as a good result. `Split.audit` looks for the same picture, the same ground and
neighbouring places in two parts, and for missing or contradicting labels.
"""

__all__ = ["Audit", "Finding", "audit_parts"]

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.near_duplicates import find_near_duplicates
from workshop_lib.data.places import coordinates, nearest_km
from workshop_lib.errors import WorkshopError, listed

Severity = Literal["error", "warning"]
Parts = Mapping[str, Tensor]
Groups = list[list[int]]
Subsets = Mapping[int, set[str]]  # of each image in a split: training, val, test


@dataclass(frozen=True)
class Finding:
    """One fault: its kind, how bad it is, the story in words, and the images concerned.

    An "error" makes results wrong (a leak, a class that cannot be learned or measured);
    a "warning" makes them harder to read.
    """

    kind: str
    severity: Severity
    message: str
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """Everything found in a split, worst first; `print` shows it as a table."""

    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return all(finding.severity != "error" for finding in self.findings)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {n}" for name, n in self.counts.items())
        if not self.findings:
            return f"split ({parts}): nothing found"
        rows = [f"{f.severity:<9}{f.kind:<22}{f.message}" for f in self.findings]
        return "\n".join([f"split ({parts}), findings: {len(rows)}", *rows])


def audit_parts(
    scenes: Dataset,
    parts: Parts,
    near_duplicates: bool = True,
    neighbour_km: float = 1.0,
) -> Audit:
    """Look for leaks and other faults in the parts of a split.

    Kinds: `out_of_range`, `duplicate_index`, `overlap` (one image in two parts),
    `outside_unlabeled` (labeled but not unlabeled), `missing_class`, `same_pixels` (one
    picture under two names), `near_duplicate` (the same ground in two parts),
    `contradicting_labels` (of one picture, or of the same ground),
    `spatial_neighbours` and `unknown_coordinates` (where there are coordinates),
    `imbalance`.

    Args:
        scenes: the images; read in chunks, so they may be a file larger than memory.
        parts: "labeled", "unlabeled", "val", "test", each (n,) int64.
        near_duplicates: whether to look for them, which takes most of the time.
        neighbour_km: images nearer than this are neighbours; 0 looks for none. 1 km is
            more than the width of most patches.
    """
    parts = {name: index.cpu() for name, index in parts.items()}
    found = list(_out_of_range(parts, len(scenes)))
    if not found:  # without valid indices nothing else can be looked at
        found += _repeats_and_overlaps(scenes, parts)
        found += _class_counts(scenes, parts)
        subsets = _subsets(parts)
        same = _same_pixels(scenes, subsets)
        found += _alike("same_pixels", "picture", same, scenes, subsets)
        if near_duplicates:
            near = _near_copies(scenes, subsets)
            found += _alike("near_duplicate", "ground", near, scenes, subsets)
        if neighbour_km and {"lat", "lon"} <= set(scenes.metadata):
            found += _spatial_neighbours(scenes, parts, neighbour_km)
    found.sort(key=lambda finding: finding.severity)  # "error" before "warning"
    return Audit(tuple(found), {name: len(index) for name, index in parts.items()})


def _out_of_range(parts: Parts, count: int) -> Iterator[Finding]:
    for name, index in parts.items():
        bad = index[(index < 0) | (index >= count)].tolist()
        if bad:
            text = f"{name} points to {len(bad)} images outside 0 to {count - 1}"
            yield Finding("out_of_range", "error", text, tuple(bad))


def _repeats_and_overlaps(scenes: Dataset, parts: Parts) -> Iterator[Finding]:
    times = {k: index.bincount(minlength=len(scenes)) for k, index in parts.items()}
    there = {k: n > 0 for k, n in times.items()}  # (N,) each
    suspects = [("duplicate_index", f"twice in {k}", n > 1) for k, n in times.items()]
    pairs = [(a, b) for a in ("labeled", "unlabeled") for b in ("val", "test")]
    for a, b in [*pairs, ("val", "test")]:
        suspects.append(("overlap", f"in both {a} and {b}", there[a] & there[b]))
    outside = there["labeled"] & ~there["unlabeled"]
    suspects.append(("outside_unlabeled", "labeled but not among unlabeled", outside))
    for kind, text, where in suspects:
        if found := where.nonzero().flatten().tolist():
            names = listed([scenes.names[i] for i in found], 3)
            message = f"{len(found)} images {text}: {names}"
            yield Finding(kind, "error", message, tuple(found))


def _class_counts(scenes: Dataset, parts: Parts) -> Iterator[Finding]:
    for part, index in parts.items():
        has = (scenes.has_class(k).cpu()[index] for k in range(scenes.num_classes))
        counts = pd.Series([int(one.sum()) for one in has], index=scenes.class_names)
        absent = counts.index[counts == 0].tolist()
        if absent:
            text = f"{part} has no image of {listed(absent, 5)}"
            yield Finding("missing_class", "error", text)
        present = counts[counts > 0]
        if len(present) and present.max() >= 2 * present.min():
            text = (
                f"{part} has {present.max()} images of {present.idxmax()} but"
                f" {present.min()} of {present.idxmin()}: read per-class results"
            )
            yield Finding("imbalance", "warning", text)


def _same_pixels(scenes: Dataset, subsets: Subsets) -> Groups:
    """Compare hashes of the pixels, byte by byte: finds copies, not look-alikes."""
    copies: dict[bytes, list[int]] = defaultdict(list)
    for i in sorted(subsets):  # one at a time: the set may be a file larger than memory
        pixels = scenes.images[i].cpu().contiguous().numpy()
        copies[hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()].append(i)
    return [group for group in copies.values() if len(group) > 1]


def _near_copies(scenes: Dataset, subsets: Subsets) -> Groups:
    """Compare what the images show: finds copies that were changed or shifted."""
    images = scenes.images
    pairs = find_near_duplicates(images)[["first", "second"]].to_numpy().tolist()
    there = [(a, b) for a, b in pairs if a in subsets and b in subsets]
    # Equal pixels are reported by _same_pixels
    return [[a, b] for a, b in there if not torch.equal(images[a], images[b])]


def _alike(
    kind: str, what: str, groups: Groups, scenes: Dataset, subsets: Subsets
) -> Iterator[Finding]:
    """Find groups of like images in two parts, or with more than one label."""
    leaks: Groups = []
    within: Groups = []
    differ: Groups = []
    for group in groups:
        leak = len(set().union(*(subsets[i] for i in group))) > 1
        (leaks if leak else within).append(group)
        labels = scenes.labels[group].reshape(len(group), -1)  # (n, 1) or (n, K)
        known = labels[(labels >= 0).all(dim=1)]  # -1: not known, contradicts nothing
        if len(known.unique(dim=0)) > 1:
            differ.append(group)
    if kind == "near_duplicate":
        within = []  # the same ground twice in one part is no fault
    rows: list[tuple[str, Severity, str, Groups]] = [
        (kind, "error", " in two parts", leaks),
        (kind, "warning", " twice in one part", within),
        ("contradicting_labels", "warning", ", two labels", differ),
    ]
    for name, severity, text, some in rows:
        if some:
            examples = [" = ".join(scenes.names[i] for i in group) for group in some]
            times = f"{len(some)} times: {listed(examples, 3)}"
            found = tuple(i for group in some for i in group)
            yield Finding(name, severity, f"the same {what}{text}, {times}", found)


def _spatial_neighbours(scenes: Dataset, parts: Parts, km: float) -> Iterator[Finding]:
    """Find validation and test images beside a training image."""
    try:
        places = coordinates(scenes.metadata)
    except WorkshopError as error:
        yield Finding("unknown_coordinates", "warning", str(error))
        return
    train = torch.cat([parts["labeled"], parts["unlabeled"]]).unique().numpy()
    for part in ("val", "test"):
        index = parts[part].numpy()
        near = index[nearest_km(places[index], places[train]) < km]
        if len(near):
            text = (
                f"{len(near)} of {len(index)} images of {part} are within {km:g} km of"
                " a training image: their scores measure how well known places are"
                " known (Split.by_block keeps places apart)"
            )
            found = tuple(np.unique(near).tolist())
            yield Finding("spatial_neighbours", "warning", text, found)


def _subsets(parts: Parts) -> Subsets:
    subsets: dict[int, set[str]] = defaultdict(set)
    for name, index in parts.items():
        for i in index.tolist():
            subsets[i].add("training" if name in ("labeled", "unlabeled") else name)
    return subsets
