"""Predicted memory and time of a training."""

import gc
import itertools
import math

import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.presets import preset
from workshop_lib.training.cost import budget
from workshop_lib.training.inputs import read_inputs
from workshop_lib.training.memory import MemoryTracker, estimate_memory
from workshop_lib.training.trainer import Trainer

SCENE = {"kind": "categorical", "num_classes": 3, "classes": []}
FACTS = {"sensors": {"s2": 4}, "metadata": 0, "heads": {"scene": SCENE}}


@pytest.mark.parametrize("method", METHODS)
def test_the_real_step_takes_what_is_predicted(method):
    scenes = tiny(size=16)
    config = short(method=method, size=16, batch_size=8)
    trainer = Trainer(config, scenes, parts(scenes), torch.device("cpu"))
    trainer.step()
    trainer.optimizer.zero_grad(set_to_none=True)
    gc.collect()
    with MemoryTracker() as tracker:
        trainer.step()
    facts = {**FACTS, "metadata": 2 * len(config.data.metadata)}
    expected = estimate_memory(config, facts, num_images=len(scenes))
    assert tracker.flops == expected.flops
    assert tracker.peak == pytest.approx(expected.step, rel=0.15)


def test_larger_batches_take_more_and_checkpointing_less():
    base = short(size=32, batch_size=16)
    usual = estimate_memory(base, FACTS).kept
    assert estimate_memory(base.replace(batch_size=32), FACTS).kept > 1.8 * usual
    spared = base.replace(checkpointing=True, encoder="wrn-10-1")
    kept = estimate_memory(base.replace(encoder="wrn-10-1"), FACTS).kept
    assert estimate_memory(spared, FACTS).kept < kept
    parts = base.replace(micro_batch=8)
    assert estimate_memory(parts, FACTS).kept < 0.5 * usual


def test_budget_says_whether_it_fits_and_what_would_help():
    config = short(encoder="wrn-10-1", size=16, batch_size=16, mu=4)
    plan = budget(config, FACTS, num_images=100)
    assert plan.sentence.startswith("It fits")
    assert plan.seconds > plan.options[0].seconds_per_step > 0
    tight = budget(config, FACTS, num_images=100, room=0.9 * plan.memory)
    assert tight.sentence.startswith("It does not fit")
    assert "checkpointing" in str(tight)
    with pytest.raises(WorkshopError, match="give above 0"):
        budget(config, FACTS, room=-1)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_a_step_that_is_short_is_timed_whole(batch_size, monkeypatch):
    monkeypatch.setattr("workshop_lib.training.cost._LONGEST", math.inf)
    # Not a few images, multiplied: small batches would seem to take twice as long
    config = short(size=16, batch_size=batch_size, mu=7)
    ticks = itertools.count()  # each look at the clock is a second later
    plan = budget(config, FACTS, clock=lambda: next(ticks), alternatives=False)
    assert plan.options[0].seconds_per_step == 1


@pytest.mark.parametrize(
    ("heads", "changes"),
    [
        ({"cover": {"kind": "dense", "num_classes": 4}}, {"encoder": "unet-4"}),
        ({"scene": {"kind": "multilabel", "num_classes": 4}}, {}),
        ({"height": {"kind": "regression", "num_classes": 0}}, {}),
    ],
)
def test_budget_of_every_kind_of_head(heads, changes):
    facts = {"sensors": {"rgb": 3, "s1": 2}, "metadata": 0, "heads": heads}
    settings = {"heads": tuple(heads), "sensors": ("rgb", "s1"), "size": 16}
    config = short(**settings, **changes)
    assert budget(config, facts, num_images=50, alternatives=False).memory > 0


def test_budget_of_several_heads_takes_more_than_one_of_them():
    config = preset("ci", task="multitask", size=8, learned_weights=True)
    facts = read_inputs(config, tiny()).facts()
    maps = config.replace(heads=("cover",), labels_per_head=())
    only = {**facts, "heads": {"cover": facts["heads"]["cover"]}}
    both = [
        budget(one, known, alternatives=False).options[0].need
        for one, known in ((config, facts), (maps, only))
    ]
    assert both[0].flops > both[1].flops and both[0].total > both[1].total
