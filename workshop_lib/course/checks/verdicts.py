"""Check of unit 07: what gains over several seeds amount to, in a word."""

__all__ = ["WORDS", "verdict"]

from collections.abc import Sequence

from workshop_lib.course.checks.trial import Mistake, Trial, exercise

WORDS = ("complementary", "redundant", "harmful", "unsure")


@exercise("verdict(gains)")
def verdict(trial: Trial) -> str:
    """Check the word for what a modality adds, from its gains seed by seed.

    The learner's `verdict(gains)` takes a list of gains in points, one per seed, and
    gives "complementary", "redundant", "harmful" or "unsure".
    """
    cases = {
        "three seeds that gain: [7.5, 5.0, 9.0]": ([7.5, 5.0, 9.0],),
        "exactly one point each: [1.0, 1.0]": ([1.0, 1.0],),
        "three seeds that lose: [-16.5, -8.0, -12.0]": ([-16.5, -8.0, -12.0],),
        "less than a point up or down: [0.5, -0.25, 0.0]": ([0.5, -0.25, 0.0],),
        "up, but once by half a point: [3.0, 0.5, 2.5]": ([3.0, 0.5, 2.5],),
        "one seed against two: [6.0, -2.0, 5.0]": ([6.0, -2.0, 5.0],),
        "far apart, with a mean of nearly 0: [12.0, -11.0]": ([12.0, -11.0],),
        "one seed alone: [7.5]": ([7.5],),
    }
    trial.compare(cases, _word, _VERDICTS, look=_VERDICT_LOOK)
    return f"{len(cases)} lists of gains, from a single seed to three"


def _word(gains: Sequence[float], least: float = 1.0, seeds: int = 2) -> str:
    if len(gains) < seeds:
        return "unsure"
    if min(gains) >= least:
        return "complementary"
    if max(gains) <= -least:
        return "harmful"
    return "redundant" if max(map(abs, gains)) < 1 else "unsure"


def _by_the_mean(gains: Sequence[float]) -> str:
    mean = sum(gains) / len(gains)
    return "redundant" if abs(mean) < 1 else _word([mean, mean])


def _by_any(gains: Sequence[float]) -> str:
    if len(gains) < 2:
        return "unsure"
    if max(gains) >= 1:
        return "complementary"
    return "harmful" if min(gains) <= -1 else "redundant"


def _never_unsure(gains: Sequence[float]) -> str:
    word = _word(gains)
    return "redundant" if word == "unsure" else word


def _exchanged(gains: Sequence[float]) -> str:
    return _word([-gain for gain in gains])


_VERDICT_LOOK = (
    f"give one of the words {', '.join(WORDS)}. First: are there two seeds at all?"
    " Then ask all gains at once: all(gain >= 1 for gain in gains)."
)
_VERDICTS = (
    Mistake(
        "the mean decides: seeds that disagree are then hidden. Every seed must say the"
        " same.",
        _by_the_mean,
    ),
    Mistake(
        "one seed that gains is enough for you: all of them must, by a point or more.",
        _by_any,
    ),
    Mistake(
        "any gain above 0 counts: less than a point is within what another order of the"
        " images changes.",
        lambda gains: _word(gains, least=1e-9),
    ),
    Mistake(
        "a single seed is taken for proof: with fewer than two say unsure.",
        lambda gains: _word(gains, seeds=1),
    ),
    Mistake(
        "you never say unsure: seeds that disagree by points are not redundant, they"
        " are not known.",
        _never_unsure,
    ),
    Mistake("gain and loss are exchanged: a gain above 0 is good.", _exchanged),
    Mistake(
        "a gain of exactly one point is left out: use >= rather than >.",
        lambda gains: _word(gains, least=1 + 1e-9),
    ),
)
