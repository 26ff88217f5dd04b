"""Checks of unit 07: a forward pass over two backbones, and the size of fusions."""

__all__ = ["ORDER", "late_forward", "predict_parameters"]

import torch
from torch import Tensor, nn

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.inputs import noise
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.encoders import small_cnn
from workshop_lib.models.fusion import STEM
from workshop_lib.models.model import parameter_counts

ORDER = ("early", "middle", "late", "shared")
_FEATURES = 96  # of a backbone


class _Two(nn.Module):
    """The parts of the notebook's class: a backbone per sensor, and one head."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # the learner's own numbers stay
            torch.manual_seed(seed)
            self.s2, self.s1 = self._backbone(), self._backbone()
            self.head = nn.Linear(10, 4)

    @staticmethod
    def _backbone() -> nn.Sequential:
        # Both take two channels, so that a mix-up is named and does not only crash
        return nn.Sequential(
            nn.Conv2d(2, 5, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )


@exercise("late_forward(model, s2, s1)")
def late_forward(attempt: Attempt) -> str:
    """Check that each sensor goes through its own backbone, and both to one head.

    The learner's function takes a model with the parts `s2`, `s1` and `head`, and two
    batches (B, C, H, W), and gives logits (B, K).
    """
    cases = {
        "5 patches": (_Two(0), noise(5, 2, 8, 8), noise(5, 2, 8, 8, seed=1)),
        "one patch": (_Two(1), noise(1, 2, 6, 6, seed=2), noise(1, 2, 6, 6, seed=3)),
    }
    attempt.compare(cases, _late, _LATE)
    case, model = "the gradient of 3 patches", _Two(2)
    logits = attempt.run(case, model, noise(3, 2, 8, 8), noise(3, 2, 8, 8, seed=1))
    if isinstance(logits, Tensor) and logits.requires_grad:
        logits.square().sum().backward()  # type: ignore[no-untyped-call]
    for name, part in model.named_children():
        learns = any(weight.grad is not None for weight in part.parameters())
        came, expected = f"no gradient in model.{name}", "a gradient in every part"
        attempt.require(learns, case, "no_gradient", came, expected, part=name)
    return "the logits agree, and both backbones learn"


def _late(model: _Two, s2: Tensor, s1: Tensor) -> Tensor:
    logits: Tensor = model.head(torch.cat([model.s2(s2), model.s1(s1)], 1))
    return logits


_LATE = {
    "other_order": lambda m, a, b: m.head(torch.cat([m.s1(b), m.s2(a)], 1)),
    "exchanged": lambda m, a, b: m.head(torch.cat([m.s2(b), m.s1(a)], 1)),
    "shared": lambda m, a, b: m.head(torch.cat([m.s2(a), m.s2(b)], 1)),
    "no_head": lambda m, a, b: torch.cat([m.s2(a), m.s1(b)], 1),
    "softmax": lambda m, a, b: _late(m, a, b).softmax(1),
}


@exercise("predict_parameters(c2, c1, classes)")
def predict_parameters(attempt: Attempt) -> str:
    """Check how many parameters each fusion has, predicted from its parts.

    The learner's function takes the channels of two sensors and the number of classes,
    and gives four counts: early, middle, late, shared. One in ten thousand is
    tolerated: the library also learns a value for each missing channel.
    """
    cases = {
        "4 + 2 channels, 10 classes": (4, 2, 10),
        "12 + 2 channels, 19 classes": (12, 2, 19),
        "3 + 1 channels, 5 classes": (3, 1, 5),
    }
    attempt.compare(cases, _counts, _COUNTS)
    return f"{', '.join(ORDER)}: as the library's networks count themselves"


def _counts(c2: int, c1: int, classes: int) -> list[int]:
    """Build the four networks and count."""
    sensors, heads = {"s2": c2, "s1": c1}, {"scene": HeadSpec("categorical", classes)}
    with torch.random.fork_rng(devices=[]):
        networks = [
            build_model("small_cnn", sensors, heads, fusion=kind) for kind in ORDER
        ]
    return [parameter_counts(network)["total"] for network in networks]


def _changed(
    c2: int, c1: int, classes: int, middle: int = 0, late: int = 0, shared: int = 0
) -> list[int]:
    """Count with these numbers added to three of the four."""
    early, *rest = _counts(c2, c1, classes)
    return [early, *(n + d for n, d in zip(rest, (middle, late, shared), strict=True))]


def _without_stems(c2: int, c1: int, classes: int) -> list[int]:
    stems = 9 * (c2 + c1) * STEM + 4 * STEM
    return _changed(c2, c1, classes, middle=-stems, shared=-stems)


def _one_head(c2: int, c1: int, classes: int) -> list[int]:
    less = -_FEATURES * classes
    return _changed(c2, c1, classes, late=less, shared=less)


def _two_in_shared(c2: int, c1: int, classes: int) -> list[int]:
    with torch.random.fork_rng(devices=[]):
        backbone = small_cnn(STEM)
    weights = sum(weight.numel() for weight in backbone.parameters())
    return _changed(c2, c1, classes, shared=weights)


_COUNTS = {
    "no_stems": _without_stems,
    "one_head": _one_head,
    "two_backbones": _two_in_shared,
    "order": lambda a, b, k: [_counts(a, b, k)[i] for i in (0, 1, 3, 2)],
}
