"""Places: by accuracy, by training time, and who is not beaten in both."""

__all__ = ["Row", "Standing", "stand", "time_in_words"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from workshop_lib.course.leaderboard.competition import Competition, score
from workshop_lib.course.leaderboard.judge import Accepted, Rejected
from workshop_lib.course.leaderboard.refusal import error, tame
from workshop_lib.evaluation.mcnemar import mcnemar


@dataclass(frozen=True)
class Row:
    """A group's line of the leaderboard.

    Args:
        place, place_in_time: 1 for the best; equal figures share a place.
        score: 0 to 1.
        level: whether the test images cannot tell it from the first (McNemar).
        on_front: nobody else is both as good and as quick, and better in one of them.
        tries: how often the group has handed in.
        warnings: what a person should look into.
    """

    group: str
    place: int
    score: float
    level: bool
    place_in_time: int
    seconds: float
    on_front: bool
    method: str
    labels: int
    machine: str
    tries: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """The leaderboard: rows from the first place down, and what was refused."""

    rows: tuple[Row, ...]
    refused: tuple[Rejected, ...]


def stand(
    judged: Sequence[Accepted | Rejected], rules: Competition, tries: int = 3
) -> Standing:
    """Rank what was judged; of each group the last submission counts, not the best.

    To take the best of many by their test figures would be choosing on the test.

    Args:
        judged: by `judge`, in any order.
        rules: the competition.
        tries: how many accepted submissions a group has; later ones are refused.
    """
    groups: dict[str, list[Accepted]] = {}
    refused = []
    for one in sorted(judged, key=lambda one: (one.handed_in, one.file)):
        if isinstance(one, Rejected):
            refused.append(one)
            continue
        group = one.submission.group
        mine = groups.setdefault(group.casefold(), [])
        if len(mine) < tries:
            mine.append(one)
            continue
        reason = error("tries", f"this group has handed in {tries} times: no more.")
        refused.append(Rejected(one.file, one.handed_in, group, (reason,)))
    rows = _rows(list(groups.values()), rules)
    rows.sort(key=lambda row: (row.place, row.place_in_time, row.group))
    return Standing(tuple(rows), tuple(refused))


def time_in_words(seconds: float) -> str:
    """Write a time as it is shown: seconds, or minutes from 100 s on."""
    return f"{seconds:.1f} s" if round(seconds, 1) < 100 else f"{seconds / 60:.1f} min"


def _rows(groups: Sequence[Sequence[Accepted]], rules: Competition) -> list[Row]:
    if not groups:
        return []
    last = [found[-1] for found in groups]
    right = [one.predicted == rules.truth_in_order for one in last]  # (N,) each
    scores = np.array([score(one.predicted, rules.truth_in_order) for one in last])
    times = np.array([_as_shown(one.submission.seconds) for one in last])
    places = rankdata(-scores, method="min")
    places_in_time = rankdata(times, method="min")
    first = int(places.argmin())
    rows = []
    for i, one in enumerate(last):
        as_good, as_quick = scores >= scores[i], times <= times[i]
        better = (scores > scores[i]) | (times < times[i])
        it = one.submission
        rows.append(
            Row(
                group=it.group,
                place=int(places[i]),
                score=float(scores[i]),
                level=not mcnemar(right[i], right[first]).real,
                place_in_time=int(places_in_time[i]),
                seconds=it.seconds,
                on_front=not (as_good & as_quick & better).any(),
                method=tame(it.recipe.method, 30),
                labels=it.labels,
                machine=tame(it.machine, 40),
                tries=len(groups[i]),
                warnings=(*one.warnings, *_same_as(one, last)),
            )
        )
    return rows


def _as_shown(seconds: float) -> float:
    """Round as the page does: what reads the same shares a place."""
    value, unit = time_in_words(seconds).split()
    return float(value) * (60 if unit == "min" else 1)


def _same_as(one: Accepted, others: Sequence[Accepted]) -> list[str]:
    """Tell of groups with exactly the same predictions, wrong ones included."""
    same = [
        other.submission.group
        for other in others
        if other is not one and np.array_equal(other.predicted, one.predicted)
    ]
    return [f"its predictions are those of {' and '.join(same)}."] if same else []
