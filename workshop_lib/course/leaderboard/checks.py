"""What can be wrong with a submission: every check, each with a reason in words.

An error refuses it, a warning is for a person to look into. The checks see honest
mistakes and careless cheating. Numbers that somebody has thought out with care in all
files at once no program can tell from true ones: see docs/competition.md.
"""

__all__ = ["check", "predicted_classes"]

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workshop_lib.course.leaderboard.competition import Competition, score
from workshop_lib.course.leaderboard.plausible import check_time, odd_figures
from workshop_lib.course.leaderboard.refusal import error
from workshop_lib.course.leaderboard.submission import Submission
from workshop_lib.data.auditing.findings import Finding
from workshop_lib.data.checks import listed
from workshop_lib.data.splitting.split_files import digest_of
from workshop_lib.errors import WorkshopError

_SUM = 1e-3  # how far probabilities may be from adding up to 1


def check(it: Submission, rules: Competition) -> list[Finding]:
    """Hold a submission against the competition; an empty list is an honest one."""
    found = [
        *_data(it, rules),
        *_names(it, rules),
        *_classes(it, rules),
        *_probabilities(it),
        *_labels(it, rules),
        *_split(it, rules),
        *check_time(it),
    ]
    if any(one.kind in ("names", "classes") for one in found):
        return found  # the rest looks at each test image
    found += _truth(it, rules)
    if not found:
        test = score(predicted_classes(it, rules), rules.truth_in_order)
        found += odd_figures(it, test, rules)
    return found


def predicted_classes(it: Submission, rules: Competition) -> NDArray[np.int64]:
    """Put the predicted classes into the order of the competition's test images: (N,).

    Only for a submission whose names and classes were found in order.
    """
    number = {name: k for k, name in enumerate(rules.scenes.class_names)}
    said = dict(zip(it.names, it.predicted, strict=True))
    return np.array([number[said[name]] for name in rules.truth], dtype=np.int64)


def _data(it: Submission, rules: Competition) -> Iterator[Finding]:
    if not rules.is_about(it.recipe.data):
        yield error(
            "data",
            f"it was trained on {it.recipe.data}, the competition is on {rules.data}.",
        )


def _names(it: Submission, rules: Competition) -> Iterator[Finding]:
    given, wanted = Counter(it.names), rules.truth
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    twice = [name for name, times in given.items() if times > 1]
    for names, what in (
        (missing, f"of the {len(wanted)} test images are not predicted"),
        (extra, "predicted images are not in the test"),
        (twice, "images are predicted more than once"),
    ):
        if names:
            yield error("names", f"{len(names)} {what}: {listed(names, 3)}.")


def _classes(it: Submission, rules: Competition) -> Iterator[Finding]:
    known = rules.scenes.class_names
    odd = sorted(set(it.predicted) - set(known))
    if odd:
        yield error("classes", f"it predicts unknown classes: {listed(odd, 3)}.")
    stated = it.class_names
    if stated is not None and not odd and sorted(stated) != sorted(known):
        yield error(
            "classes",
            f"its {len(stated)} classes are not the {len(known)} of the data.",
        )


def _probabilities(it: Submission) -> Iterator[Finding]:
    if it.probs is None:
        return
    probs = it.probs.astype(np.float64)  # (N, K)
    bad = ~np.isfinite(probs).all(axis=1) | (probs < -_SUM).any(axis=1)
    bad |= np.abs(probs.sum(axis=1) - 1) > _SUM
    if bad.any():
        names = [it.names[i] for i in bad.nonzero()[0]]
        yield error(
            "probabilities",
            f"of {len(names)} images the probabilities are not between 0 and 1, or do"
            f" not add up to 1: {listed(names, 3)}.",
        )


def _truth(it: Submission, rules: Competition) -> Iterator[Finding]:
    """Nobody is scored by a truth that was handed in; an altered one tells a story."""
    if it.truth is None:
        return
    classes = rules.scenes.class_names
    said = dict(zip(it.names, it.truth, strict=True))
    wrong = [n for n, k in rules.truth.items() if said[n] != classes[k]]
    if wrong:
        yield error(
            "truth",
            f"the true classes in its file were altered: {len(wrong)} are not those of"
            f" the data ({listed(wrong, 3)}).",
        )


def _labels(it: Submission, rules: Competition) -> Iterator[Finding]:
    """Compare what the recipe asks for, what the run counted, and what is allowed."""
    asked, most = it.recipe.labels_per_class, rules.labels_per_class
    if rules.fixed is None and not rules.allows(asked):
        words = "all labels" if asked == 0 else f"{asked} labels per class"
        yield error("too_many_labels", f"its recipe uses {words}; allowed are {most}.")
    allowed = len(rules.split.labeled)
    listed_labels = len(it.parts["labeled"]) if it.parts else it.labels
    if max(it.labels, listed_labels) > allowed:
        yield error(
            "too_many_labels",
            f"its run counted {it.labels} labels and lists {listed_labels};"
            f" allowed are {allowed}.",
        )
    elif it.labels != listed_labels:
        yield error(
            "labels",
            f"its run counted {it.labels} labels, but it lists {listed_labels}.",
        )
    elif rules.fixed is None and rules.allows(asked):
        try:
            expected, _ = rules.expected(asked)
        except WorkshopError as problem:
            yield error("labels", str(problem))
            return
        if it.labels != expected:
            yield error(
                "labels",
                f"its recipe asks for {asked} labels per class, {expected} in all, but"
                f" its run counted {it.labels}.",
            )


def _split(it: Submission, rules: Competition) -> Iterator[Finding]:
    """Look for test images among those of training, then at the hash of the split."""
    leaks = list(_leaks(it, rules))
    yield from leaks
    if leaks:
        return
    if it.parts:
        unknown = [n for p in it.parts.values() for n in p if n not in rules.label_of]
        if unknown:
            yield error("split", f"its split is of other images: {listed(unknown, 3)}.")
            return
        rows = {
            part: [f"{name} {rules.label_of[name]}" for name in names]
            for part, names in it.parts.items()
        }
        if digest_of(rows, rules.scenes.class_names) != it.split_hash:
            yield error(
                "split_hash",
                "its lists of images do not give the hash that it states: one of the"
                " two was altered, or its labels are not those of the data.",
            )
            return
    asked = it.recipe.labels_per_class
    try:
        _, honest = rules.expected(asked)
    except WorkshopError:
        return  # told by _labels
    if it.split_hash != honest:
        yield error(
            "split",
            f"its split ({it.split_hash[:12]}) is not that of the competition"
            f" ({honest[:12]}): train with the same split seed, on the same images.",
        )


def _leaks(it: Submission, rules: Competition) -> Iterator[Finding]:
    uses = {"labeled": "learnt with the labels of", "unlabeled": "was shown"}
    uses["val"] = "chose its weights with the labels of"
    for part, use in uses.items():
        seen = [name for name in it.parts.get(part, ()) if name in rules.truth]
        if seen:
            yield error(
                f"test_in_{part}",
                f"it {use} {len(seen)} test images: {listed(seen, 3)}.",
            )
