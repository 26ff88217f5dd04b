"""The frame of the exercises: stubs, errors explained, changes seen, progress kept."""

import json
import os
import traceback
from pathlib import Path

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from workshop_lib.course import NotYet, checks, todo
from workshop_lib.course.checks import attempt
from workshop_lib.course.checks.attempt import (
    Answer,
    Cases,
    CheckFailed,
    Mistakes,
    comparison,
)


@comparison("top_k_accuracy(x, factor)")
def top_k_accuracy(cases: Cases, wrong: Mistakes) -> Answer:
    cases["three numbers"] = torch.tensor([1.0, 2.0, 3.0]), 2
    cases["two rows"] = torch.tensor([[1.0], [-1.0]]), 3
    wrong["added"] = lambda x, factor: x + factor
    return lambda x, factor: x * factor


@pytest.fixture(autouse=True)
def own_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"right": "two inputs", "added": "you added", "look": "multiply"}
    known = attempt.hints() | {"top_k_accuracy": own}
    monkeypatch.setattr(attempt, "hints", lambda: known)


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


def only_one(x):
    return x


def adds_text(x, factor):
    return x + "one"


def wrong_shapes(x, factor):
    return x @ torch.zeros(7, 7)


def forgot_import(x, factor):
    return imaginary_module.scale(x)  # noqa: F821


def divides(x, factor):
    return 1 / 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x, factor: x.mul_(factor), "your function changed its argument"),
        (lambda x, factor: x.mul_(factor), ".clone()"),
        (lambda x, factor: None, "came: None likely: your function returned nothing"),
        (lambda x, factor: "six", "came: 'six'"),
        (torch.zeros(2), "without brackets: checks.top_k_accuracy(top_k_accuracy)"),
        (only_one, "the check calls top_k_accuracy(x, factor)"),
        (only_one, "defined as only_one(x)"),
        (adds_text, 'in your line `return x + "one"`'),
        (adds_text, "a text came where a number"),  # and not: other arguments
        (wrong_shapes, "came: RuntimeError"),
        (wrong_shapes, "in your line `return x @ torch.zeros"),
        (wrong_shapes, "two shapes do not fit. Your function was given: shape (3,)"),
        (forgot_import, "the name 'imaginary_module' is not known"),
        (divides, "ZeroDivisionError: division by zero"),
        (divides, "Call it on that yourself"),
    ],
)
def test_what_went_wrong_is_explained(wrong, said, refusal):
    assert said in refusal(top_k_accuracy, wrong)


def not_implemented(x, factor):
    raise NotImplementedError


@pytest.mark.parametrize(
    "stub",
    [lambda x, factor: todo("multiply"), not_implemented, lambda x, factor: ..., ...],
)
def test_not_written_yet_is_no_attempt(stub, refusal, own_folder: Path):
    said = refusal(top_k_accuracy, stub)
    assert said.startswith("… top_k_accuracy: not written yet.")
    assert not (own_folder / "runs").exists()


def test_progress_is_kept(own_folder: Path, refusal):
    refusal(top_k_accuracy, lambda x, factor: x)
    top_k_accuracy(lambda x, factor: x * factor)
    kept = json.loads((own_folder / "runs" / "progress.json").read_text())
    assert kept["checks"]["top_k_accuracy"]["tries"] == 2
    assert kept["checks"]["top_k_accuracy"]["day"]


def test_no_chained_error_and_no_path(refusal):
    def broken(x, factor):
        raise ValueError("broken")

    with pytest.raises(CheckFailed) as caught:
        top_k_accuracy(broken)
    assert caught.value.__suppress_context__
    said = str(caught.value)
    assert "/" not in said.replace("1/", "")
    assert "".join(traceback.format_exception_only(caught.value)).count("✗") == 1


# ---- stubs


def half_written():
    todo("count each label.")


def test_in_a_function_the_message_names_it():
    with pytest.raises(NotYet) as caught:
        half_written()
    said = str(caught.value)
    assert said.startswith("Not yet: count each label.\nhalf_written() needs it")
    assert "todo(...)" in said


def test_in_a_cell_the_message_says_this_cell():
    with pytest.raises(NotYet, match="Write it in this cell"):
        exec(compile("todo('a')", "cell", "exec"), {"todo": todo})
    with pytest.raises(NotYet, match="Write it in this cell"):
        (lambda: todo("a"))()


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("todo('flip each image')", "Not yet: flip each image."),
        ("checks.partners(lambda N: N)", "✗ partners: not yet."),
    ],
)
def test_a_notebook_shows_the_words_and_no_traceback(code, first, capsys):
    shell = InteractiveShell()
    shell.user_ns |= {"todo": todo, "checks": checks}
    assert not shell.run_cell(code).success
    shown = capsys.readouterr().out
    assert shown.startswith(first)
    assert "Traceback" not in shown and os.sep + "checks" not in shown
