"""Number formats: what "auto" measures, how it decides, and what it leaves alone."""

import copy
import time

import pytest
import torch

from tests.training.tiny import quietly, short
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.training import step as precision
from workshop_lib.training.step import Trial, choose_precision, trial_step

CPU = torch.device("cpu")
SCENE = {"scene": HeadSpec("categorical", 3)}


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(precision, "_MEASURED", {})


def pretend(monkeypatch, fp32: float, bf16: float) -> list[str]:
    """Let both formats take the given seconds; returns which were tried, in order."""
    tried: list[str] = []

    def seconds(run, each):
        tried.append(each.name)
        return {"fp32": fp32, "bf16": bf16}[each.name]

    monkeypatch.setattr(precision, "_seconds", seconds)
    return tried


def nothing() -> Trial:
    return Trial(lambda: None, ("nothing",))


@pytest.mark.parametrize(
    ("bf16", "chosen", "said"),
    [
        (0.4, "bf16", "bf16: 2.5 times as fast as fp32 here, measured"),
        (0.9, "fp32", "fp32: bf16 would take 0.9 times as long here, measured"),
        (1.5, "fp32", "fp32: bf16 would take 1.5 times as long here, measured"),
    ],
)
def test_auto_takes_bf16_where_it_is_clearly_faster(monkeypatch, bf16, chosen, said):
    tried = pretend(monkeypatch, 1.0, bf16)
    choice = choose_precision("auto", CPU, nothing)
    assert choice.name == chosen
    assert str(choice) == said
    assert tried == ["fp32", "bf16"] * (len(tried) // 2) and len(tried) >= 6


def test_emulated_bf16_is_tried_once_only(monkeypatch):
    tried = pretend(monkeypatch, 1.0, 25.0)
    assert choose_precision("auto", CPU, nothing).name == "fp32"
    assert tried.count("bf16") == 1


def test_the_same_network_is_measured_once(monkeypatch):
    tried = pretend(monkeypatch, 1.0, 0.5)
    first = choose_precision("auto", CPU, nothing)
    before = len(tried)
    assert choose_precision("auto", CPU, nothing) == first
    assert len(tried) == before
    choose_precision("auto", CPU, lambda: Trial(lambda: None, ("another",)))
    assert len(tried) > before


def test_a_format_that_was_asked_for_is_not_measured(monkeypatch):
    tried = pretend(monkeypatch, 1.0, 0.5)
    assert str(choose_precision("fp32", CPU, nothing)) == "fp32"
    assert tried == []
    with pytest.raises(WorkshopError, match="Did you mean 'fp16'"):
        choose_precision("fp17", CPU)


def test_the_slower_format_really_loses():
    """No pretence: the work itself takes longer in one format."""

    def run() -> None:
        if torch.is_autocast_enabled("cpu"):
            time.sleep(0.02)

    assert choose_precision("auto", CPU, lambda: Trial(run, ("sleeps",))).name == "fp32"


def test_a_trial_leaves_network_and_random_numbers_as_they_were():
    model = build_model("small_cnn", {"s2": 4}, SCENE)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    trial_step(model, 6, {"s2": torch.empty(1, 4, 16, 16)}).run()
    assert torch.equal(torch.rand(3), expected)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all(p.grad is None for p in model.parameters())


def test_a_training_says_what_it_chose_and_records_it(tmp_path, monkeypatch, capsys):
    pretend(monkeypatch, 1.0, 0.5)
    for asked, got in (("auto", "bf16"), ("fp32", "fp32")):
        config = short(steps=2, eval_every=2).replace(precision=asked)
        run = quietly(tmp_path / asked, config, device=CPU, verbose=True)
        assert run.facts["precision"] == got
        said = "number format bf16: 2.0 times as fast" in capsys.readouterr().out
        assert said == (asked == "auto")
