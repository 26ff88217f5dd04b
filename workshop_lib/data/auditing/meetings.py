"""Where a split's parts meet: in the same picture, on the same ground, next door."""

__all__ = ["find_close_places", "find_near_copies", "find_same_pixels"]

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from workshop_lib.data.auditing.findings import Finding, held_apart
from workshop_lib.data.auditing.near_duplicates import find_near_duplicates
from workshop_lib.data.checks import listed
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splitting.geography import nearest_km, positions
from workshop_lib.errors import WorkshopError

Groups = list[list[int]]


def find_same_pixels(scenes: Scenes, parts: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Compare hashes of the pixels, byte by byte: finds copies, not look-alikes."""
    sides = held_apart(parts)
    leaks: Groups = []
    copies: Groups = []
    contradictions: Groups = []
    for group in _copies(scenes, sorted(sides)):
        across = len(set().union(*(sides[i] for i in group))) > 1
        (leaks if across else copies).append(group)
        if _labels_differ(scenes, group):
            contradictions.append(group)
    stories: list[tuple[str, Literal["error", "warning"], str, Groups]] = [
        ("same_pixels", "error", "the same picture in two parts", leaks),
        ("same_pixels", "warning", "the same picture twice in one part", copies),
        ("contradicting_labels", "warning", "one picture, two labels", contradictions),
    ]
    for kind, severity, text, groups in stories:
        yield from _story(kind, severity, text, groups, scenes)


def find_near_copies(scenes: Scenes, parts: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Find images of the same ground in two parts, or with different labels."""
    sides = held_apart(parts)
    leaks: Groups = []
    contradictions: Groups = []
    for pair in find_near_duplicates(scenes.images):
        a, b = pair.first, pair.second
        if a not in sides or b not in sides:
            continue
        if torch.equal(scenes.images[a], scenes.images[b]):
            continue  # find_same_pixels tells of it
        group = [a, b]
        if len(sides[a] | sides[b]) > 1:
            leaks.append(group)
        if _labels_differ(scenes, group):
            contradictions.append(group)
    text = "the same ground in two parts"
    yield from _story("near_duplicate", "error", text, leaks, scenes)
    text = "the same ground, two labels"
    yield from _story("contradicting_labels", "warning", text, contradictions, scenes)


def find_close_places(
    scenes: Scenes, parts: Mapping[str, Tensor], close_km: float
) -> Iterator[Finding]:
    """Find validation and test images that lie beside a training image."""
    try:
        places = positions(scenes.metadata)
    except WorkshopError as error:
        yield Finding("unknown_places", "warning", str(error))
        return
    train = torch.cat([parts["labeled"], parts["unlabeled"]]).unique().numpy()
    for part in ("val", "test"):
        index = parts[part].numpy()
        near = index[nearest_km(places[index], places[train]) < close_km]
        if len(near):
            text = (
                f"{len(near)} of {len(index)} images of {part} lie within"
                f" {close_km:g} km of a training image: of these, scores tell how well"
                " known places are known (Split.by_block keeps places apart)"
            )
            found = tuple(np.unique(near).tolist())
            yield Finding("close_places", "warning", text, found)


def _copies(scenes: Scenes, index: Sequence[int]) -> Groups:
    """Group the images that are equal in every pixel; only groups of two or more."""
    groups = defaultdict(list)
    for i in index:  # one at a time: the set may be a file larger than memory
        pixels = scenes.images[i].cpu().contiguous().numpy()
        groups[hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _labels_differ(scenes: Scenes, group: Sequence[int]) -> bool:
    labels = scenes.labels[list(group)].reshape(len(group), -1)  # (n, 1) or (n, K)
    known = labels[(labels >= 0).all(dim=1)]  # -1: not known, contradicts nothing
    return len(known.unique(dim=0)) > 1


def _story(
    kind: str,
    severity: Literal["error", "warning"],
    text: str,
    groups: Groups,
    scenes: Scenes,
) -> Iterator[Finding]:
    if groups:
        examples = [" = ".join(scenes.names[i] for i in group) for group in groups]
        message = f"{text}, {len(groups)} times: {listed(examples, 3)}"
        found = tuple(i for group in groups for i in group)
        yield Finding(kind, severity, message, found)
