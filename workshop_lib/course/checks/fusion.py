"""Checks of unit 07: a forward pass over two backbones, and what fusions weigh."""

__all__ = ["late_forward", "predict_parameters"]

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workshop_lib.channels import groups
from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.models.fusion import STEM, fuse, parameter_counts
from workshop_lib.models.heads import Classifier
from workshop_lib.models.small_cnn import SmallCNN

ORDER = ("early", "middle", "late", "shared")


class _Two(nn.Module):
    """What the notebook's class holds: a backbone for each sensor, and one head."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # the learner's own numbers stay
            torch.manual_seed(seed)
            self.s2, self.s1 = self._backbone(), self._backbone()
            self.head = nn.Linear(10, 4)

    @staticmethod
    def _backbone() -> nn.Sequential:
        # Both take two channels, so that a mix-up is named and not only a crash
        return nn.Sequential(
            nn.Conv2d(2, 5, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )


@exercise("late_forward(model, s2, s1)")
def late_forward(trial: Trial) -> str:
    """Check that each sensor goes through its own backbone, and both to one head.

    The learner's function takes a model with the parts `s2`, `s1` and `head`, and two
    batches (B, C, H, W), and gives logits (B, K).
    """
    cases = {
        "5 patches": (_Two(0), noise(5, 2, 8, 8), noise(5, 2, 8, 8, seed=1)),
        "one patch": (_Two(1), noise(1, 2, 6, 6, seed=2), noise(1, 2, 6, 6, seed=3)),
    }
    trial.compare(cases, _late, _LATE, look=_LATE_LOOK)
    _check_both_learn(trial)
    return "the logits agree, and both backbones learn"


def _late(model: _Two, s2: Tensor, s1: Tensor) -> Tensor:
    logits: Tensor = model.head(torch.cat([model.s2(s2), model.s1(s1)], 1))
    return logits


def _check_both_learn(trial: Trial) -> None:
    """The logits are right; see that a gradient reaches every part."""
    case, model = "the gradient of 3 patches", _Two(2)
    logits = trial.run(case, model, noise(3, 2, 8, 8), noise(3, 2, 8, 8, seed=1))
    if isinstance(logits, Tensor) and logits.requires_grad:
        logits.square().sum().backward()  # type: ignore[no-untyped-call]
    for name, part in model.named_children():
        if all(weight.grad is None for weight in part.parameters()):
            trial.fail(
                case,
                f"the values are right, but no gradient reaches model.{name}: leave out"
                " .detach(), .item() and torch.no_grad().",
                f"no gradient in model.{name}",
                "a gradient in both backbones and the head",
            )


_LATE_LOOK = (
    "three lines: features of S2 (B, D), features of S1 (B, D), and the head on both,"
    " put side by side along dim=1."
)
_LATE = (
    Mistake(
        "the sensors stand in the other order: the head reads S2's features first.",
        lambda m, a, b: m.head(torch.cat([m.s1(b), m.s2(a)], 1)),
    ),
    Mistake(
        "the sensors went through each other's backbone: S2 through model.s2, S1"
        " through model.s1.",
        lambda m, a, b: m.head(torch.cat([m.s2(b), m.s1(a)], 1)),
    ),
    Mistake(
        "both sensors went through the backbone of S2: that is a shared one, and"
        " model.s1 learns nothing.",
        lambda m, a, b: m.head(torch.cat([m.s2(a), m.s2(b)], 1)),
    ),
    Mistake(
        "S1 is not looked at: its features must stand beside those of S2.",
        lambda m, a, b: m.head(torch.cat([m.s2(a), m.s2(a)], 1)),
    ),
    Mistake(
        "the features came: the head has still to read them, model.head(...).",
        lambda m, a, b: torch.cat([m.s2(a), m.s1(b)], 1),
    ),
    Mistake(
        "probabilities came: the loss takes logits and does the softmax itself.",
        lambda m, a, b: _late(m, a, b).softmax(1),
    ),
    Mistake(
        "classes came, argmax: give the logits, from which a loss can be taken.",
        lambda m, a, b: _late(m, a, b).argmax(1),
    ),
)


@exercise("predict_parameters(c2, c1, classes)")
def predict_parameters(trial: Trial) -> str:
    """Check how many numbers each fusion learns, predicted from its parts.

    The learner's function takes the channels of two sensors and the number of classes,
    and gives four counts: early, middle, late, shared. One in ten thousand is forgiven:
    the library also learns what stands in for each missing channel.
    """
    cases = {
        "4 + 2 channels, 10 classes": (4, 2, 10),
        "12 + 2 channels, 19 classes": (12, 2, 19),
        "3 + 1 channels, 5 classes": (3, 1, 5),
    }
    trial.compare(cases, _counts, _COUNTS, look=_COUNT_LOOK)
    return f"{', '.join(ORDER)}: as the library's networks count themselves"


def _counts(c2: int, c1: int, classes: int) -> list[int]:
    """Build the four networks and count."""
    names = [f"s2:{k}" for k in range(c2)] + [f"s1:{k}" for k in range(c1)]

    def backbone(channels: int) -> Classifier:
        return SmallCNN(in_channels=channels, num_classes=classes)

    with torch.random.fork_rng(devices=[]):
        networks = [
            fuse(kind, groups(names), backbone, num_classes=classes) for kind in ORDER
        ]
    return [parameter_counts(network)["total"] for network in networks]


def _backbone(channels: int) -> int:
    with torch.random.fork_rng(devices=[]):
        trunk = SmallCNN(in_channels=channels, num_classes=2).trunk
    return sum(weight.numel() for weight in trunk.parameters())


def _stem(channels: int) -> int:
    return 9 * channels * STEM + 2 * STEM


def _head(features: int, classes: int) -> int:
    return features * classes + classes


def _other(
    c2: int, c1: int, classes: int, *, stems: bool = True, joint: int = 2 * STEM
) -> list[int]:
    """Count with one part done otherwise."""
    both = _stem(c2) + _stem(c1) if stems else 0
    one, two = _head(96, classes), _head(192, classes)
    return [
        _backbone(c2 + c1) + one,
        both + _backbone(joint) + one,
        _backbone(c2) + _backbone(c1) + two,
        both + _backbone(STEM) + two,
    ]


def _one_head(c2: int, c1: int, classes: int) -> list[int]:
    less = 96 * classes
    early, middle, late, shared = _counts(c2, c1, classes)
    return [early, middle, late - less, shared - less]


def _two_in_shared(c2: int, c1: int, classes: int) -> list[int]:
    *rest, shared = _counts(c2, c1, classes)
    return [*rest, shared + _backbone(STEM)]


def _one_in_late(c2: int, c1: int, classes: int) -> list[int]:
    early, middle, _, shared = _counts(c2, c1, classes)
    return [early, middle, _backbone(c2 + c1) + _head(192, classes), shared]


def _reordered(counts: Sequence[int], *order: int) -> list[int]:
    return [counts[k] for k in order]


_COUNT_LOOK = (
    "write for each of the four which parts it has: stems, backbones and of how many"
    " channels, and how many features its head reads."
)
_COUNTS = (
    Mistake(
        "the stems are missing in middle and shared fusion: one for each sensor.",
        lambda a, b, k: _other(a, b, k, stems=False),
    ),
    Mistake(
        f"in middle fusion the backbone reads the maps of both stems, 2 x {STEM}.",
        lambda a, b, k: _other(a, b, k, joint=STEM),
    ),
    Mistake(
        "the heads of late and shared fusion read the features of both sensors, 2 x 96,"
        " as they stand side by side.",
        _one_head,
    ),
    Mistake(
        "shared fusion has one backbone that both sensors go through: count it once.",
        _two_in_shared,
    ),
    Mistake(
        "late fusion has two backbones, one for each sensor: everything behind their"
        " first layer is there twice.",
        _one_in_late,
    ),
    Mistake(
        "late and shared are exchanged: the order is early, middle, late, shared.",
        lambda a, b, k: _reordered(_counts(a, b, k), 0, 1, 3, 2),
    ),
    Mistake(
        "middle stands last: the order is early, middle, late, shared.",
        lambda a, b, k: _reordered(_counts(a, b, k), 0, 2, 3, 1),
    ),
)
