"""What can be wrong with a split, and how to see it.

A wrong shape stops a program by itself. A leak between training and test does not: it
shows as a good result. `Split.audit` looks for the faults that nothing else reveals.
"""

__all__ = ["Audit", "Finding", "audit_parts"]

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from workshop_lib.data.auditing.findings import Audit, Finding
from workshop_lib.data.auditing.meetings import (
    find_close_places,
    find_near_copies,
    find_same_pixels,
)
from workshop_lib.data.checks import listed
from workshop_lib.data.scenes import Scenes


def audit_parts(
    scenes: Scenes,
    parts: Mapping[str, Tensor],
    near_duplicates: bool = True,
    close_km: float = 1.0,
) -> Audit:
    """Look for leaks and other faults in the parts of a split.

    Kinds: `out_of_range`, `duplicate_index`, `overlap` (one image in two parts),
    `outside_pool` (labeled but not unlabeled), `missing_class`, `same_pixels` (one
    picture under two names), `near_duplicate` (the same ground in two parts),
    `contradicting_labels` (of one picture, or of the same ground), `close_places`
    (where there are coordinates), `imbalance`.

    Args:
        scenes: the images; read in chunks, so they may be a file larger than memory.
        parts: "labeled", "unlabeled", "val", "test", each (n,) int64.
        near_duplicates: whether to look for them, which takes most of the time.
        close_km: distance in km from which on places count as different; 0 asks for
            nothing. 1 km is more than the width of most patches.
    """
    parts = {name: index.cpu() for name, index in parts.items()}
    counts = {name: len(index) for name, index in parts.items()}
    found = list(_out_of_range(parts, len(scenes)))
    if not found:  # without valid indices nothing else can be looked at
        found = [
            *_repeats_and_overlaps(scenes, parts),
            *_classes(scenes, parts),
            *find_same_pixels(scenes, parts),
        ]
        if near_duplicates:
            found += find_near_copies(scenes, parts)
        if close_km and {"lat", "lon"} <= set(scenes.metadata):
            found += find_close_places(scenes, parts, close_km)
    found.sort(key=lambda finding: finding.severity)  # "error" before "warning"
    return Audit(tuple(found), counts)


def _out_of_range(parts: Mapping[str, Tensor], count: int) -> Iterator[Finding]:
    for name, index in parts.items():
        bad = index[(index < 0) | (index >= count)].tolist()
        if bad:
            text = f"{name} points to {len(bad)} images outside 0 to {count - 1}"
            yield Finding("out_of_range", "error", text, tuple(bad))


def _repeats_and_overlaps(
    scenes: Scenes, parts: Mapping[str, Tensor]
) -> Iterator[Finding]:
    def finding(kind: str, text: str, index: Tensor) -> Iterator[Finding]:
        found = index.unique().tolist()
        if found:
            names = listed([scenes.names[i] for i in found], 3)
            message = text.format(n=len(found)) + f": {names}"
            yield Finding(kind, "error", message, tuple(found))

    for name, index in parts.items():
        values, times = index.unique(return_counts=True)
        yield from finding(
            "duplicate_index", f"{{n}} images twice in {name}", values[times > 1]
        )
    pairs = [(a, b) for a in ("labeled", "unlabeled") for b in ("val", "test")]
    for a, b in [*pairs, ("val", "test")]:
        shared = parts[a][torch.isin(parts[a], parts[b])]
        yield from finding("overlap", f"{{n}} images in both {a} and {b}", shared)
    outside = parts["labeled"][~torch.isin(parts["labeled"], parts["unlabeled"])]
    yield from finding(
        "outside_pool", "{n} labeled images not among unlabeled", outside
    )


def _classes(scenes: Scenes, parts: Mapping[str, Tensor]) -> Iterator[Finding]:
    labels = scenes.labels.cpu()
    for name, index in parts.items():
        n = _count(labels[index], scenes.num_classes)
        absent = [scenes.class_names[k] for k in (n == 0).nonzero().flatten().tolist()]
        if absent:
            text = f"{name} has no image of {listed(absent, 5)}"
            yield Finding("missing_class", "error", text)
        present = n[n > 0]
        if len(present) and int(present.max()) >= 2 * int(present.min()):
            few, many = (
                int(n.masked_fill(n == 0, len(index) + 1).argmin()),
                int(n.argmax()),
            )
            text = (
                f"{name} has {int(n[many])} images of {scenes.class_names[many]} but"
                f" {int(n[few])} of {scenes.class_names[few]}: read per-class results"
            )
            yield Finding("imbalance", "warning", text)


def _count(labels: Tensor, classes: int) -> Tensor:
    """Count the images of each class, (K,); those of no known class do not count."""
    if labels.ndim == 2:  # multi-hot
        return labels.sum(dim=0)
    return torch.bincount(labels[labels >= 0], minlength=classes)
