"""Checks of FixMatch's loss, for scenes (unit 04) and for pixels (unit 08).

Both are one loss: pseudo-labels and confidence of the weak view, cross-entropy of the
strong view, and a mean over everything that can be compared. For scenes that is every
image; for pixels it is every pixel outside the hole, where the labels have followed
CutMix.
"""

__all__ = ["fixmatch_loss", "pixel_loss"]

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, Case, exercise
from workshop_lib.course.checks.describe import describe
from workshop_lib.course.checks.inputs import noise

# Of scores (N, K) or (N, K, H, W): the weak view's, the strong view's, the threshold,
# and where there is something to compare, (N,) or (N, H, W) bool -> a scalar
_Loss = Callable[[Tensor, Tensor, float, Tensor], Tensor]


@exercise("fixmatch_loss(logits_x, y, logits_u_w, logits_u_s, threshold)")
def fixmatch_loss(attempt: Attempt) -> str:
    """Check the loss of FixMatch: its value, and where its gradient goes.

    The learner's function takes the scores of the labelled images (B, K), their labels
    (B,), the scores of the weak and of the strong view of the unlabelled images
    (N, K) each, and the threshold; it gives a scalar (Sohn et al. 2020, eq. 3 and 4,
    with weight 1).
    """
    # The strong view is more confident than the weak one, so that a swap is seen
    cases = {
        "4 labelled, 12 unlabelled images, some of them confident": (
            noise(4, 5), torch.tensor([0, 4, 2, 2]),
            3 * noise(12, 5, seed=1), 4 * noise(12, 5, seed=2), 0.8,
        ),
        "no confident image": (
            noise(2, 3, seed=3), torch.tensor([1, 0]),
            noise(6, 3, seed=4), 2 * noise(6, 3, seed=5), 0.99,
        ),
        "an image that just reaches the threshold, 0.5": (
            noise(3, 2, seed=6), torch.tensor([0, 1, 1]),
            torch.tensor([[0.0, 0.0], [0.0, 4.0]]), noise(2, 2, seed=7), 0.5,
        ),
    }  # fmt: skip
    attempt.compare(cases, _scenes(_masked), _SCENES)
    _check_gradients(attempt, cases, weak="logits_u_w")
    return "value and gradients agree with the library, also with no confident image"


@exercise("pixel_loss(logits_weak, logits_strong, box, hole, threshold)")
def pixel_loss(attempt: Attempt) -> str:
    """Check the loss of strong views with a box of another tile and a hole.

    The learner's function takes the scores of both views (N, K, H, W), where the strong
    view shows the tile before it and where nothing, (N, H, W) bool each, and the
    threshold. It gives a scalar: the mean over the pixels outside the hole, of the
    confident ones' cross-entropy.
    """
    box = torch.zeros(3, 6, 8, dtype=torch.bool)
    box[0, 1:5, :4] = box[1, 2:, 3:7] = box[2, :3, 2:] = True
    hole = torch.zeros(3, 6, 8, dtype=torch.bool)
    hole[0, 1:4, 5:] = hole[1, :2, :3] = hole[2, 2:4, 1:4] = True  # one meets its box
    weak, strong = noise(3, 4, 6, 8, seed=1), 3 * noise(3, 4, 6, 8, seed=2)
    cases = {
        "three tiles with a box and a hole each": (2 * weak, strong, box, hole, 0.7),
        "no hole": (2 * weak, strong, box, hole & False, 0.6),
        "no box": (2 * weak, strong, box & False, hole, 0.6),
        "no confident pixel": (0.5 * weak, strong, box, hole, 0.999),
    }
    attempt.compare(cases, _pixels(_masked), _PIXELS)
    _check_gradients(attempt, cases, weak="logits_weak")
    return "the box followed, the hole left out, no gradient through the weak view"


def _check_gradients(attempt: Attempt, cases: Mapping[str, Case], weak: str) -> None:
    """The value is right; check that every view but the weak one is learnt from."""
    case, given = next(iter(cases.items()))  # where some are confident
    names = attempt.call.partition("(")[2].rstrip(")").split(", ")
    args = {
        name: arg.clone().requires_grad_() if name.startswith("logits") else arg
        for name, arg in zip(names, given, strict=True)
    }
    loss = attempt.run(case, *args.values())
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        came = describe(loss) + ", without gradient"
        attempt.fail(case, attempt.hint("detached"), came, "a tensor with gradient")
    views = {name: arg for name, arg in args.items() if name.startswith("logits")}
    grads = torch.autograd.grad(loss, list(views.values()), allow_unused=True)
    for name, grad in zip(views, grads, strict=True):
        learns = grad is not None and bool(grad.any())
        came = f"{'a' if learns else 'no'} gradient through {name}"
        if name == weak:
            attempt.require(not learns, case, "weak_learns", came, "none", weak=weak)
        else:
            attempt.require(learns, case, "not_learnt", came, "a gradient", view=name)


def _scenes(loss: _Loss) -> Callable[..., Tensor]:
    """Complete a loss of the unlabelled images to that of the exercise."""

    def full(x: Tensor, y: Tensor, weak: Tensor, strong: Tensor, t: float) -> Tensor:
        every = torch.ones(len(weak), dtype=torch.bool)
        return F.cross_entropy(x, y) + loss(weak, strong, t, every)

    return full


def _pixels(loss: _Loss) -> Callable[..., Tensor]:
    """Follow CutMix and leave out the hole."""

    def followed(
        weak: Tensor, strong: Tensor, box: Tensor, hole: Tensor, t: float
    ) -> Tensor:
        return loss(_mixed(weak, box), strong, t, ~hole)

    return followed


def _mixed(weak: Tensor, box: Tensor) -> Tensor:
    """Fill each tile's box from the tile before: (N, K, H, W)."""
    return torch.where(box[:, None], weak.roll(1, dims=0), weak)


def _parts(weak: Tensor, strong: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and mask, (N,) or (N, H, W) each."""
    confidence, pseudo = weak.softmax(dim=1).max(dim=1)
    each = F.cross_entropy(strong, pseudo, reduction="none")
    return each, (confidence >= t).float()


def _masked(weak: Tensor, strong: Tensor, t: float, seen: Tensor) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return (each * mask * seen).sum() / seen.sum()


def _by_confident(weak: Tensor, strong: Tensor, t: float, seen: Tensor) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return (each * mask * seen).sum() / (mask * seen).sum()


def _by_confident_or_one(
    weak: Tensor, strong: Tensor, t: float, seen: Tensor
) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return (each * mask * seen).sum() / (mask * seen).sum().clamp(min=1)


def _without_mask(weak: Tensor, strong: Tensor, t: float, seen: Tensor) -> Tensor:
    return _masked(weak, strong, 0.0, seen)


def _mean_too_early(weak: Tensor, strong: Tensor, t: float, seen: Tensor) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return each.mean() * mask.mean()


def _mask_not_mixed(
    weak: Tensor, strong: Tensor, box: Tensor, hole: Tensor, t: float
) -> Tensor:
    each, _ = _parts(_mixed(weak, box), strong, t)
    _, mask = _parts(weak, strong, t)
    return (each * mask * ~hole).sum() / (~hole).sum()


_SCENES = {
    "by_confident": _scenes(_by_confident),
    "by_confident_or_one": _scenes(_by_confident_or_one),
    "exchanged": _scenes(lambda weak, strong, t, seen: _masked(strong, weak, t, seen)),
    "no_mask": _scenes(_without_mask),
    "mean_too_early": _scenes(_mean_too_early),
    "softmax_twice": _scenes(
        lambda weak, strong, t, seen: _masked(weak, strong.softmax(1), t, seen)
    ),
}

_PIXELS = {
    "not_mixed": lambda weak, strong, _, hole, t: _masked(weak, strong, t, ~hole),
    "mask_not_mixed": _mask_not_mixed,
    "hole_asked": _pixels(
        lambda weak, strong, t, seen: _masked(weak, strong, t, seen | True)
    ),
    "hole_in_mean": _pixels(
        lambda weak, strong, t, seen: (
            _masked(weak, strong, t, seen) * seen.sum() / seen.numel()
        )
    ),
    "by_confident": _pixels(_by_confident),
    "no_mask": _pixels(_without_mask),
}
