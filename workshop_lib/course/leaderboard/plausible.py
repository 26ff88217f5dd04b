"""Whether time and accuracy of a submission can be true, going by its own log."""

__all__ = ["check_time", "odd_figures"]

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from workshop_lib.course.leaderboard.competition import Competition
from workshop_lib.course.leaderboard.refusal import error, warning
from workshop_lib.course.leaderboard.submission import Submission
from workshop_lib.data.auditing.findings import Finding

_FASTEST = 2e-5  # seconds per step: Python alone takes longer to make one
_SIGMAS = 4.0  # test above validation by so many standard errors is no luck
_JUMP = 5.0  # times the usual pace, between two lines of the log


def check_time(it: Submission) -> Iterator[Finding]:
    """Hold the run's own clock against its log, which ticks at every validation."""
    step, seconds = it.log["step"].to_numpy(), it.log["seconds"].to_numpy()
    if not (np.isfinite(step).all() and np.isfinite(seconds).all()):
        yield error("time", "a step or a time is missing from its log.")
        return
    if min(np.diff(seconds, prepend=0)) <= 0 or min(np.diff(step, prepend=0)) <= 0:
        yield error("time", "in its log time or steps stand still or run backwards.")
        return
    if not it.log.get("val_accuracy", pd.Series(0.0)).between(0, 1).all():
        yield error("log", "in its log a validation accuracy is not between 0 and 1.")
    if not step[-1] == it.steps == it.recipe.steps:
        yield error(
            "steps",
            f"its recipe asks for {it.recipe.steps} steps, its log ends at"
            f" {step[-1]:.0f}, its run counted {it.steps}.",
        )
    if not math.isclose(it.seconds, seconds[-1], rel_tol=1e-3):
        yield error(
            "time",
            f"it says that it took {it.seconds:.1f} s, but its log ends at"
            f" {seconds[-1]:.1f} s.",
        )
    elif it.seconds / it.steps < _FASTEST:
        yield error(
            "time",
            f"{it.steps} steps in {it.seconds:.3g} s: no machine is as quick as that.",
        )


def odd_figures(it: Submission, test: float, rules: Competition) -> Iterator[Finding]:
    """Warn of what is possible, but hardly by honest means.

    Args:
        it: the submission.
        test: its score on the test images, computed by the judge.
        rules: the competition.
    """
    if test == 1:
        yield warning("perfect", f"all {len(rules.truth)} test images are right.")
    if "val_accuracy" in it.log:
        yield from _above_validation(it, test, rules)
    step, seconds = it.log["step"].to_numpy(), it.log["seconds"].to_numpy()
    took = np.diff(seconds, prepend=0) / np.diff(step, prepend=0)  # seconds per step
    k, usual = int(np.argmin(took)), float(np.median(took))
    if len(took) > 3 and 0 < took[k] * _JUMP < usual:
        yield warning(
            "pace",
            f"up to step {step[k]:.0f} its log runs {usual / took[k]:.0f} times as fast"
            " as usual.",
        )


def _above_validation(
    it: Submission, test: float, rules: Competition
) -> Iterator[Finding]:
    """Test accuracy follows validation accuracy; far above it, something is odd."""
    best = float(it.log["val_accuracy"].max())
    n_val, n_test = len(rules.split.val), len(rules.truth)
    mean = (best * n_val + test * n_test) / (n_val + n_test)
    spread = math.sqrt(max(mean * (1 - mean), 1e-9) * (1 / n_val + 1 / n_test))
    if test - best > _SIGMAS * spread:
        yield warning(
            "above_validation",
            f"{test:.1%} on the test, but never more than {best:.1%} on validation in"
            " its own log.",
        )
