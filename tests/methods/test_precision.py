"""Every method in half precision: the network rounds, the loss does not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.methods import METHODS, LossTerms, Method
from workshop_lib.models.output import Output
from workshop_lib.recipe import Recipe
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
NAMES = sorted(METHODS)
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
SMALL = Recipe(
    size=16,
    labels_per_class=2,
    batch_size=4,
    mu=2,
    steps=4,
    warmup_steps=1,
    threshold=0.11,
    queue_batches=2,
    ramp_up=0.0,
)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    whole = mini_eo(count=60)
    small = nn.functional.avg_pool2d(whole.images, 2)
    return replace(whole, images=small, masks=None, modalities={})


@pytest.fixture(scope="module")
def split(scenes: Scenes) -> Split:
    return Split.random(scenes, labels_per_class=2, seed=0)


def watched(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[LossTerms]:
    """Collect what the method returns at each step."""
    found: list[LossTerms] = []
    real = trainer.method.forward

    def forward(model: nn.Module, batch: object) -> LossTerms:
        terms = real(model, batch)
        found.append(terms)
        return terms

    monkeypatch.setattr(trainer.method, "forward", forward)
    return found


@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("method", NAMES)
def test_losses_are_float32_and_near_those_of_single_precision(
    method: str,
    precision: str,
    scenes: Scenes,
    split: Split,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = SMALL.with_(method=method)
    single = Trainer(recipe.with_(precision="fp32"), scenes, split, CPU)
    half = Trainer(recipe.with_(precision=precision), scenes, split, CPU)
    expected, found = watched(single, monkeypatch), watched(half, monkeypatch)
    dtypes = set()
    half.model.register_forward_hook(lambda m, x, out: dtypes.add(out.logits.dtype))
    single.step()
    for _ in range(4):
        half.step()
    assert dtypes == {HALF[precision]}  # or nothing would have been tested
    for terms in found:
        assert terms.total.dtype == torch.float32
        assert all(part.dtype == torch.float32 for part in terms.parts.values())
        assert terms.total.isfinite()
    for name, part in expected[0].parts.items():
        if name.startswith("loss_"):
            torch.testing.assert_close(found[0].parts[name], part, rtol=0.03, atol=0.03)
    assert half.bad_numbers() is None


class Given(nn.Module):
    """A network whose answers to the images, which it ignores, are known."""

    projection = True

    def __init__(self, dtype: torch.dtype, hardness: float) -> None:
        super().__init__()
        self.dtype, self.hardness = dtype, hardness
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Output:
        generator = torch.Generator().manual_seed(len(x))
        logits = torch.randn(len(x), 3, generator=generator) * self.hardness
        z = nn.functional.normalize(torch.randn(len(x), 64, generator=generator), dim=1)
        # Numbers that both formats have: what differs is what the loss does with them
        exact = logits.to(self.dtype).float(), z.to(self.dtype).float()
        logits, z = (self.weight * t for t in exact)
        return Output(logits.to(self.dtype), z)


@pytest.mark.parametrize("hardness", [1.0, 300.0])
@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("method", NAMES)
def test_the_same_logits_give_the_same_loss_in_any_format(
    method: str, precision: str, hardness: float
) -> None:
    """Exponentials, logarithms and sums in half precision would show: 1e-6 is fp32.

    A hardness of 300 gives logits whose exponential fp16 has not, and probabilities
    that it would round to zero.
    """
    terms = []
    for dtype, enabled in ((torch.float32, False), (HALF[precision], True)):
        method_ = built(method)
        network = Given(HALF[precision], hardness)
        if not enabled:
            network.register_forward_hook(
                lambda m, x, out: Output(out.logits.float(), out.embedding)
            )
        with torch.autocast("cpu", HALF[precision], enabled=enabled):
            for _ in range(2):  # the second with what was remembered of the first
                terms_ = method_(network, batch_for(method_))
        terms.append(terms_)
        assert terms_.total.dtype == torch.float32, dtype
    torch.testing.assert_close(terms[1].total, terms[0].total, rtol=2e-6, atol=2e-6)
    for name, part in terms[0].parts.items():
        torch.testing.assert_close(terms[1].parts[name], part, rtol=2e-6, atol=2e-6)


def built(name: str) -> Method:
    from workshop_lib.methods import build_method

    method = build_method(SMALL.with_(method=name), 3)
    method.attach(Given(torch.float32, 1.0), 20, 12)
    if name == "mean_teacher":
        method.teacher = Given(torch.float32, 1.0)
    return method


def batch_for(method: Method) -> object:
    from workshop_lib.methods import Batch

    def views(n: int, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        return tuple(torch.zeros(n, 3, 16, 16) for _ in names)

    return Batch(
        views(4, method.labeled_views),
        torch.arange(4) % 3,
        views(8, method.views),
        torch.arange(8),
    )
