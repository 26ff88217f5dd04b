"""What can be wrong with a split, and how to see it.

A wrong shape stops a program by itself. A leak between training and test does not: it
shows as a good result. `Split.audit` looks for the faults that nothing else reveals.
"""

__all__ = ["Audit", "Finding", "audit_parts"]

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from workshop_lib.data.checks import listed
from workshop_lib.data.scenes import Scenes


@dataclass(frozen=True)
class Finding:
    """One fault: its kind, how bad it is, the story in words, and the images concerned.

    An "error" makes results wrong (a leak, a class that cannot be learned or measured);
    a "warning" makes them harder to read.
    """

    kind: str
    severity: Literal["error", "warning"]
    message: str
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """Everything found in a split, worst first; `print` shows it as a table."""

    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may be there."""
        return all(finding.severity != "error" for finding in self.findings)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {n}" for name, n in self.counts.items())
        if not self.findings:
            return f"split ({parts}): nothing found"
        rows = [f"{f.severity:<9}{f.kind:<22}{f.message}" for f in self.findings]
        return "\n".join([f"split ({parts}), findings: {len(rows)}", *rows])


def audit_parts(scenes: Scenes, parts: Mapping[str, Tensor]) -> Audit:
    """Look for leaks and other faults in the parts of a split.

    Kinds: `out_of_range`, `duplicate_index`, `overlap` (one image in two parts),
    `outside_pool` (labeled but not unlabeled), `missing_class`, `same_pixels` (one
    picture under two names), `contradicting_labels`, `imbalance`.

    Args:
        scenes: the images.
        parts: "labeled", "unlabeled", "val", "test", each (n,) int64.
    """
    parts = {name: index.cpu() for name, index in parts.items()}
    counts = {name: len(index) for name, index in parts.items()}
    found = list(_out_of_range(parts, len(scenes)))
    if not found:  # without valid indices nothing else can be looked at
        found = [
            *_repeats_and_overlaps(scenes, parts),
            *_classes(scenes, parts),
            *_same_pixels(scenes, parts),
        ]
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
        n = torch.bincount(labels[index], minlength=scenes.num_classes)  # (K,)
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


def _same_pixels(scenes: Scenes, parts: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Compare hashes of the pixels, byte by byte: finds copies, not look-alikes."""
    sides = defaultdict(set)  # image -> which of training, validation, test it is in
    for name, index in parts.items():
        for i in index.tolist():
            sides[i].add("training" if name in ("labeled", "unlabeled") else name)
    labels = scenes.labels.tolist()
    leaks: list[list[int]] = []
    copies: list[list[int]] = []
    contradictions: list[list[int]] = []
    for group in _copies(scenes, sorted(sides)):
        across = len(set().union(*(sides[i] for i in group))) > 1
        (leaks if across else copies).append(group)
        if len({labels[i] for i in group}) > 1:
            contradictions.append(group)
    stories: list[tuple[str, Literal["error", "warning"], str, list[list[int]]]] = [
        ("same_pixels", "error", "the same picture in two parts", leaks),
        ("same_pixels", "warning", "the same picture twice in one part", copies),
        ("contradicting_labels", "warning", "one picture, two labels", contradictions),
    ]
    for kind, severity, text, groups in stories:
        if groups:
            examples = [" = ".join(scenes.names[i] for i in group) for group in groups]
            message = f"{text}, {len(groups)} times: {listed(examples, 3)}"
            yield Finding(kind, severity, message, tuple(i for g in groups for i in g))


def _copies(scenes: Scenes, index: Sequence[int]) -> list[list[int]]:
    """Group the images that are equal in every pixel; only groups of two or more."""
    rows = scenes.images.cpu().contiguous().numpy()
    groups = defaultdict(list)
    for i in index:
        groups[hashlib.blake2b(rows[i].tobytes(), digest_size=16).digest()].append(i)
    return [group for group in groups.values() if len(group) > 1]
