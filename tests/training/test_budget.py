"""The budget: forecasts that hold, and a sentence that names the smallest change."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.recipe import Recipe
from workshop_lib.training import budget as module
from workshop_lib.training.budget import Budget, Option, budget
from workshop_lib.training.memory import Ledger, MemoryNeed, act_out
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
TINY = Recipe(size=32, batch_size=4, mu=2, steps=40, eval_every=20, precision="fp32")


def need(recipe: Recipe, precision: str = "fp32", images: int = 100) -> MemoryNeed:
    return act_out(
        recipe,
        shape=(4, recipe.size, recipe.size),
        num_classes=7 if recipe.task == "segment" else 10,
        num_images=images,
        image_bytes=4 * 4 * recipe.size**2,
        precision=precision,
    )


def measured(recipe: Recipe) -> int:
    """Bytes that a real step takes on top of what is there before, by the profiler."""
    scenes = mini_eo(count=100)
    trainer = Trainer(recipe, scenes, Split.random(scenes, labels_per_class=4), CPU)
    trainer.step()
    trainer.optimizer.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        trainer.step()
    now = peak = 0
    events = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def step_of(found: MemoryNeed) -> int:
    return found.kept + found.gradients + found.temporaries


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "bf16"},
        {"method": "comatch"},
        {"method": "mean_teacher", "checkpointing": True},
        {"joint_forward": True, "micro_batch": 4},
        {"task": "segment", "model": "unet-8"},
        {"task": "segment", "model": "fcn-resnet18", "batch_size": 32},
    ],
    ids=str,
)
def test_the_forecast_is_within_15_percent_of_a_real_step(changes: dict) -> None:
    recipe = TINY.with_(**{"model": "wrn-10-2"} | changes)
    told = step_of(need(recipe, recipe.precision))
    assert told == pytest.approx(measured(recipe), rel=0.15)


def test_maps_keep_their_probabilities_until_all_tiles_are_scored() -> None:
    recipe = TINY.with_(task="segment", model="unet-2", size=64)
    few, many = (need(recipe, images=n).validation for n in (400, 1600))
    probs = 4 * 7 * 64 * 64  # bytes of a tile; twice, as they are joined
    assert many - few > 0.9 * 2 * probs * (0.15 * 1600 - 0.15 * 400)
    assert need(recipe, images=16000).validation < 1.2 * many  # 256 at a time


def test_the_budget_of_maps_counts_masks_with_the_images() -> None:
    recipe = TINY.with_(task="segment", model="unet-2")
    asked = {"num_images": 100, "channels": 4, "num_classes": 7, "device": CPU}
    found = budget(recipe, **asked, alternatives=False)
    assert found.need.images == 100 * 32 * 32 * (4 * 4 + 1)
    assert found.seconds_per_step > 0
    assert "It fits" in found.sentence


def test_parts_that_can_be_counted_by_hand() -> None:
    found = need(TINY)
    parameters = 163_210
    batch_norm = 2 * 2 * (24 + 48 + 96) * 4 + 6 * 8  # mean, variance; int64 counters
    assert found.weights == found.average == 4 * parameters + batch_norm
    assert found.optimizer == pytest.approx(2 * 4 * parameters, rel=0.001)
    assert found.images == 100 * 4 * 32 * 32 * 4
    assert found.images_with_gradient == 4 + 8
    assert sum(size for _, size in found.rows()) == found.total
    sgd = need(TINY.with_(optimizer="sgd", lr=0.03))
    assert sgd.optimizer == pytest.approx(4 * parameters, rel=0.001)


def test_what_methods_remember_is_counted() -> None:
    plain = need(TINY)
    teacher = need(TINY.with_(method="mean_teacher"))
    assert teacher.method == pytest.approx(plain.weights, abs=100)
    per_image = [
        need(TINY.with_(method="flexmatch"), images=n).method for n in (100, 1100)
    ]
    assert per_image[1] - per_image[0] == 1000 * 8


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_can_be_acted_out(name: str) -> None:
    small, large = (need(TINY.with_(method=name, batch_size=b)) for b in (4, 8))
    assert 1.8 < large.kept / small.kept < 2.2
    assert 1.9 < large.flops / small.flops < 2.1


def test_each_change_saves_what_it_promises() -> None:
    recipe = TINY.with_(model="wrn-10-2", batch_size=8, joint_forward=True)
    whole = need(recipe)
    half = need(recipe, "bf16")
    apart = need(recipe.with_(joint_forward=False))
    thrifty = need(recipe.with_(checkpointing=True))
    parts = need(recipe.with_(micro_batch=4))
    assert half.kept < 0.65 * whole.kept
    assert apart.kept == pytest.approx(24 / 40 * whole.kept, rel=0.1)
    assert thrifty.kept < 0.4 * whole.kept
    assert step_of(thrifty) < 0.8 * step_of(whole)  # only one block in a group
    assert step_of(parts) < 0.5 * step_of(whole)
    assert parts.flops > thrifty.flops > whole.flops


def test_the_ledger_counts_a_storage_once_and_until_it_is_gone() -> None:
    with Ledger() as ledger:
        a = torch.zeros(256)  # 1 KiB
        views = [a[:10], a.view(16, 16), a.detach()]
        assert ledger.live == 1024
        b = a + 1
        assert ledger.live == ledger.peak == 2048
        del b
        assert (ledger.live, ledger.peak) == (1024, 2048)
        del a, views
    assert ledger.live == 0


def test_it_takes_no_memory_that_is_not_there() -> None:
    """A batch of 10 TB is acted out like any other."""
    recipe = TINY.with_(model="wrn-10-2", size=4096, batch_size=256, mu=7)
    assert need(recipe).total > 10e12


def table_of(needs: dict[str, int], room: float) -> Budget:
    """A budget of options that take so many bytes."""
    base = need(TINY)

    def with_total(total: int) -> MemoryNeed:
        values = {**vars(base), "validation": total - (base.total - step_of(base))}
        return MemoryNeed(**values)

    knobs: dict[str, dict] = {
        "as it is": {},
        "checkpointing": {"checkpointing": True},
        "micro-batches of 8": {"micro_batch": 8},
        "weak view apart": {"joint_forward": False},
    }
    options = tuple(
        Option(name, knobs[name], with_total(total), 1.0 + 0.25 * bool(knobs[name]))
        for name, total in needs.items()
    )
    return Budget(TINY, options, room, seconds_per_validation=2.0, timed=TINY)


def test_the_sentence_names_the_first_change_that_fits() -> None:
    gb = 10**9
    needs = {"as it is": 9 * gb, "checkpointing": 5 * gb, "micro-batches of 8": 2 * gb}
    assert table_of(needs, 20 * gb).sentence == "It fits: 9 of 20 GB, 44 s."
    told = table_of(needs, 6 * gb)
    assert "with --checkpointing it does: 5 GB, 1.2 times as long" in told.sentence
    assert "with --micro-batch 8 it does" in table_of(needs, 3 * gb).sentence
    assert "nor with any of these changes" in table_of(needs, 1 * gb).sentence
    # A tenth is left free
    assert "It does not fit" in table_of({"as it is": 95 * gb}, 100 * gb).sentence
    apart = table_of({"as it is": 9 * gb, "weak view apart": gb}, 3 * gb)
    assert "with --no-joint-forward it does" in apart.sentence
    assert str(told).count("\n") > 10 and str(told).endswith(told.sentence)


def test_a_budget_with_all_its_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = TINY.with_(model="wrn-10-1", batch_size=8, joint_forward=True)
    told = budget(recipe, num_images=100, device=CPU, room=1e6)
    names = [option.name for option in told.options]
    assert names == [
        "as it is",
        "checkpointing",
        "half precision (bf16)",
        "weak view apart, without gradient",
        "micro-batches of 32",
        "micro-batches of 16",
        "micro-batches of 8",
        "checkpointing, micro-batches of 8",
        "images of 24 pixels",
        "images of 16 pixels",
    ]
    assert all(option.seconds_per_step > 0 for option in told.options)
    assert "It does not fit" in told.sentence
    assert told.seconds > recipe.steps * told.seconds_per_step
    alone = budget(recipe, num_images=100, device=CPU, alternatives=False)
    assert len(alone.options) == 1 and alone.memory == told.memory


def test_where_a_step_is_long_a_smaller_batch_is_timed_and_scaled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a clock that counts images, the forecast is right to a few percent."""
    recipe = TINY.with_(model="wrn-10-1", batch_size=32, mu=3)
    now = [0.0]

    class Counted(Trainer):
        def step(self) -> None:
            super().step()
            small = self.recipe
            # Passes through the network: 3 with gradient, 1 without
            now[0] += small.batch_size * (3 + 4 * small.mu) * 0.1

    monkeypatch.setattr("workshop_lib.training.step_time.Trainer", Counted)
    told = module.budget(
        recipe, num_images=100, device=CPU, alternatives=False, clock=lambda: now[0]
    )
    assert told.timed.batch_size < 32
    assert told.seconds_per_step == pytest.approx(32 * 15 * 0.1, rel=0.1)


def test_impossible_numbers_are_told() -> None:
    for wrong in ({"num_images": 0}, {"channels": -1}, {"num_classes": 0}):
        with pytest.raises(WorkshopError, match="each must be at least 1"):
            budget(TINY, device=CPU, **wrong)
    with pytest.raises(WorkshopError, match="must be above 0"):
        budget(TINY, device=CPU, room=-1.0)
