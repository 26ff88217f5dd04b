"""The frame of the checks: errors explained, changes seen, progress kept."""

import io
import json
import os
import traceback
from pathlib import Path

import pytest
import torch

from workshop_lib.course import checks
from workshop_lib.course.checks.trial import CheckFailed, Mistake, Trial, exercise
from workshop_lib.course.todo import todo


@exercise("top_k_accuracy(x, factor)")
def top_k_accuracy(trial: Trial) -> str:
    cases = {
        "three numbers": (torch.tensor([1.0, 2.0, 3.0]), 2),
        "two rows": (torch.tensor([[1.0], [-1.0]]), 3),
    }
    known = (Mistake("you added", lambda x, factor: x + factor),)
    trial.compare(cases, lambda x, factor: x * factor, known, look="multiply")
    return "two inputs"


@pytest.mark.parametrize(
    "right",
    [
        lambda x, factor: factor * x,
        lambda x, factor: (factor * x).double(),
        lambda x, factor: (factor * x).numpy(),
        lambda x, factor: (factor * x).tolist(),
        lambda x, factor: [factor * row for row in x],
        lambda x, factor: x * factor + 1e-7,
        lambda x, factor: (factor * x).requires_grad_(),
    ],
)
def test_right_in_any_dress(right, capsys):
    top_k_accuracy(right)
    assert capsys.readouterr().out == "✓ top_k_accuracy: two inputs\n"


def test_known_mistake_is_named_and_others_are_shown(refusal):
    assert "likely: you added" in refusal(top_k_accuracy, lambda x, factor: x + factor)
    said = refusal(top_k_accuracy, lambda x, factor: x**2)
    assert said == (
        "✗ top_k_accuracy: not yet. Tried on three numbers."
        " came: shape (3,), float32, values 1, 4, 9"
        " expected: shape (3,), float32, values 2, 4, 6"
        " differs: at [0] came 1, expected 2 (2 of 3 values differ)"
        " likely: multiply"
    )


def test_a_mistake_must_explain_every_case(refusal):
    def added_to_rows_only(x, factor):
        return x + factor if x.ndim == 2 else x * factor

    assert "likely: multiply" in refusal(top_k_accuracy, added_to_rows_only)


def test_other_shapes_are_shown_without_a_place(refusal):
    said = refusal(top_k_accuracy, lambda x, factor: x.repeat(2, 2))
    assert "came: shape (2, 6)" in said and "differs" not in said


def test_an_argument_that_was_changed(refusal):
    said = refusal(top_k_accuracy, lambda x, factor: x.mul_(factor))
    assert "your function changed its argument" in said and ".clone()" in said


def test_nothing_returned(refusal):
    said = refusal(top_k_accuracy, lambda x, factor: None)
    assert "came: None" in said and "is the last line `return ...`" in said


def test_no_numbers_returned(refusal):
    assert "came: the text 'six'" in refusal(top_k_accuracy, lambda x, factor: "six")
    assert "came: a dict of 0" in refusal(top_k_accuracy, lambda x, factor: {})


def test_result_in_place_of_the_function(refusal):
    said = refusal(top_k_accuracy, torch.zeros(2))
    assert "without brackets: checks.top_k_accuracy(top_k_accuracy)" in said


def test_other_arguments_than_expected(refusal):
    def only_one(x):
        return x

    said = refusal(top_k_accuracy, only_one)
    assert "the check calls top_k_accuracy(x, factor)" in said
    assert "defined as only_one(x)" in said


def test_a_type_error_inside_is_not_taken_for_the_arguments(refusal):
    def adds_text(x, factor):
        return x + "one"

    said = refusal(top_k_accuracy, adds_text)
    assert 'in your line `return x + "one"`' in said and "the check calls" not in said


def test_shapes_that_do_not_fit(refusal):
    def wrong_shapes(x, factor):
        return x @ torch.zeros(7, 7)

    said = refusal(top_k_accuracy, wrong_shapes)
    assert "RuntimeError" in said and "in your line `return x @ torch.zeros" in said
    assert "two shapes do not fit" in said and "given: shape (3,), float32" in said


def test_unknown_name(refusal):
    def forgot_import(x, factor):
        return imaginary_module.scale(x)  # noqa: F821

    assert "the name 'imaginary_module' is not known" in refusal(
        top_k_accuracy, forgot_import
    )


def test_any_other_error(refusal):
    def divides(x, factor):
        return 1 / 0

    said = refusal(top_k_accuracy, divides)
    assert "ZeroDivisionError: division by zero" in said and "Call it on that" in said


@pytest.mark.parametrize(
    "stub",
    [
        lambda x, factor: todo("multiply"),
        lambda x, factor: ...,
        ...,
    ],
)
def test_not_written_yet_is_no_attempt(stub, refusal, own_folder: Path):
    said = refusal(top_k_accuracy, stub)
    assert said.startswith("… top_k_accuracy: not written yet.")
    assert not (own_folder / "runs").exists()


def test_not_implemented_is_not_written(refusal):
    def stub(x, factor):
        raise NotImplementedError

    assert "not written yet" in refusal(top_k_accuracy, stub)


def test_a_keyboard_interrupt_passes():
    def stopped(x, factor):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        top_k_accuracy(stopped)


def test_progress_is_kept(own_folder: Path, refusal):
    refusal(top_k_accuracy, lambda x, factor: x)
    top_k_accuracy(lambda x, factor: x * factor)
    kept = json.loads((own_folder / "runs" / "progress.json").read_text())
    assert kept["checks"]["top_k_accuracy"]["tries"] == 2
    assert kept["checks"]["top_k_accuracy"]["day"]


def test_a_notebook_shows_words_and_no_traceback():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    running = shell()
    running.user_ns["checks"] = checks
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        result = running.run_cell("checks.l2_normalize(lambda x: x)")
    assert isinstance(result.error_in_exec, AssertionError)
    shown = out.getvalue()
    assert shown.startswith("✗ l2_normalize: not yet.")
    assert "Traceback" not in shown and os.sep + "teaching" not in shown


def test_no_chained_error_and_no_path(refusal):
    def broken(x, factor):
        raise ValueError("broken")

    with pytest.raises(CheckFailed) as caught:
        top_k_accuracy(broken)
    assert caught.value.__suppress_context__
    said = str(caught.value)
    assert "/" not in said.replace("1/", "")
    assert "".join(traceback.format_exception_only(caught.value)).count("✗") == 1
