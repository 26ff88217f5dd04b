"""One submission: read it, check it, accept or refuse it; it is never executed."""

__all__ = ["Accepted", "Rejected", "judge"]

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workshop_lib.course.leaderboard.archive import read_files
from workshop_lib.course.leaderboard.checks import check, predicted_classes
from workshop_lib.course.leaderboard.competition import Competition
from workshop_lib.course.leaderboard.refusal import RefusedError, error, tame
from workshop_lib.course.leaderboard.submission import Submission, parse
from workshop_lib.data.auditing.findings import Finding


@dataclass(frozen=True, eq=False)
class Accepted:
    """A submission that counts.

    Args:
        file: its name in the folder.
        handed_in: time of the file, in seconds.
        submission: what is in it.
        predicted: (N,) its classes of the test images, in the competition's order.
        warnings: what a person should look into.
    """

    file: str
    handed_in: float
    submission: Submission
    predicted: NDArray[np.int64]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rejected:
    """A submission that does not count, and every reason found; group "" if unread."""

    file: str
    handed_in: float
    group: str
    reasons: tuple[Finding, ...]


def judge(path: Path, rules: Competition) -> Accepted | Rejected:
    """Say what becomes of a file or folder; whatever is in it, this ends well."""
    name, group = tame(path.name, 60), ""
    try:
        handed_in = path.lstat().st_mtime
    except OSError:  # gone since the folder was listed
        gone = error("unreadable", "it is not there any more.")
        return Rejected(name, 0.0, group, (gone,))
    try:
        submission = parse(read_files(path))
        group = submission.group
        found = check(submission, rules)
        errors = tuple(one for one in found if one.severity == "error")
        if errors:
            return Rejected(name, handed_in, group, errors)
        predicted = predicted_classes(submission, rules)
        warnings = tuple(one.message for one in found)
        return Accepted(name, handed_in, submission, predicted, warnings)
    except RefusedError as refusal:
        reason = refusal.finding
    except Exception as problem:
        # The last resort: no file that anybody hands in may end a running competition
        reason = error("unreadable", f"the judge stumbled ({type(problem).__name__}).")
    return Rejected(name, handed_in, group, (reason,))
