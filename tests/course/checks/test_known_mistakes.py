"""Each known mistake is told its own hint, and hints do not shadow each other."""

import pytest

from workshop_lib.course import checks
from workshop_lib.course.checks import (
    fixmatch,
    fusion,
    maps,
    pixel_fixmatch,
    unit_01,
    unit_02,
    unit_04,
    unit_05,
    unit_06,
    unit_07,
    unit_08,
    verdicts,
)
from workshop_lib.course.checks.trial import Mistake

KNOWN = {
    "convolve": unit_01._CONVOLVE,
    "majority_accuracy": unit_01._MAJORITY,
    "count_labels": unit_02._COUNTS,
    "pseudo_labels": unit_04._LABELS,
    "confidence_mask": unit_04._MASK,
    "fixmatch_loss": fixmatch._LOSSES,
    "top_k_accuracy": unit_05._TOP_K,
    "cohens_kappa": unit_05._KAPPA,
    "mean_and_interval": unit_05._INTERVALS,
    "l2_normalize": unit_06._UNIT,
    "nearest_neighbours": unit_06._NEAREST,
    "knn_accuracy": unit_06._KNN,
    "stack_modalities": unit_07._STACKED,
    "channel_statistics": unit_07._STATISTICS,
    "late_forward": fusion._LATE,
    "predict_parameters": fusion._COUNTS,
    "verdict": verdicts._VERDICTS,
    "times_seen": unit_08._SEEN,
    "head_parameters": unit_08._HEADS,
    "sum_scores": unit_08._SUMS,
    "window_starts": unit_08._STARTS,
    "mean_iou": maps._IOUS,
    "pixel_loss": pixel_fixmatch._MISTAKES,
}
PAIRS = [
    pytest.param(name, mistake, id=f"{name}-{i}")
    for name, mistakes in KNOWN.items()
    for i, mistake in enumerate(mistakes)
]


@pytest.mark.parametrize(("name", "mistake"), PAIRS)
def test_each_mistake_gets_its_own_hint(name: str, mistake: Mistake, refusal):
    said = refusal(getattr(checks, name), mistake.answer)
    assert said.endswith(f"likely: {mistake.hint}")
    assert said.startswith(f"✗ {name}: not yet. Tried on ")
    assert "came: " in said and "expected: " in said


@pytest.mark.parametrize("name", KNOWN)
def test_there_are_enough_hints_and_all_differ(name: str):
    hints = [mistake.hint for mistake in KNOWN[name]]
    assert len(hints) >= 4 and len(set(hints)) == len(hints)
