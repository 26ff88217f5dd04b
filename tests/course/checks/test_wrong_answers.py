"""Wrong answers that no check lists: each gets a hint that leads on, never praise."""

import linecache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml

from workshop_lib.course import checks
from workshop_lib.course.checks.attempt import hints

PATH = Path(__file__).parents[1] / "wrong_answers.yaml"
ANSWERS = yaml.safe_load(PATH.read_text(encoding="utf-8"))
TRIED = [
    pytest.param(name, answer, id=f"{name}: {answer['why']}")
    for name, answers in ANSWERS.items()
    for answer in answers
]
MORE = (" right on: ", " notice: ", " there: ", ", all at ")  # than the advice "look"


def test_every_exercise_has_some():
    exercises = {*checks.__all__} - {"CheckFailed", "LeakySplit", "make_leaky_splits"}
    assert set(ANSWERS) == exercises
    assert all(len(answers) >= 5 for answers in ANSWERS.values())


@pytest.mark.parametrize(("name", "answer"), TRIED)
def test_a_hint_leads_on(name, answer, refusal, capsys):
    code = f"{answer.get('given', '')}\n{answer['code']}"
    cell = "<a learner's cell>"
    linecache.cache[cell] = len(code), None, code.splitlines(keepends=True), cell
    scope = {"torch": torch, "F": F}
    exec(compile(code, cell, "exec"), scope)
    written = scope["find_faults" if name == "detective" else name]
    said = refusal(getattr(checks, name), written)
    assert said.startswith(f"✗ {name}: not yet. Tried on ")
    assert capsys.readouterr().out == ""
    assert "Traceback" not in said and "workshop_lib" not in said
    assert any(str(word).lower() in said.lower() for word in answer["leads"]), said
    look = " ".join(hints()[name].get("look", "").split())
    general = said.endswith(look) and not any(row in said for row in MORE)
    assert bool(look and general) == answer.get("look", False), said
