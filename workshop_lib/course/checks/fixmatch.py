"""The check of unit 04 of FixMatch's loss, in the ten lines that a learner writes."""

__all__ = ["fixmatch_loss"]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.describe import describe
from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.losses import consistency


@exercise("fixmatch_loss(logits_x, y, logits_u_w, logits_u_s, threshold)")
def fixmatch_loss(trial: Trial) -> str:
    """Check the loss of FixMatch: its value, and where its gradient goes.

    The learner's function takes the scores of the labeled images (B, K), their labels
    (B,), the scores of the weak and of the strong view of the unlabeled images
    (N, K) each, and the threshold; it gives a scalar (Sohn et al. 2020, eq. 3 and 4,
    with weight 1).
    """
    # The strong view is surer than the weak one, so that a swap is seen
    cases = {
        "4 labeled, 12 unlabeled images, some of them sure": (
            noise(4, 5), torch.tensor([0, 4, 2, 2]),
            3 * noise(12, 5, seed=1), 4 * noise(12, 5, seed=2), 0.8,
        ),
        "no image is sure": (
            noise(2, 3, seed=3), torch.tensor([1, 0]),
            noise(6, 3, seed=4), 2 * noise(6, 3, seed=5), 0.99,
        ),
        "an image that just reaches the threshold, 0.5": (
            noise(3, 2, seed=6), torch.tensor([0, 1, 1]),
            torch.tensor([[0.0, 0.0], [0.0, 4.0]]), noise(2, 2, seed=7), 0.5,
        ),
    }  # fmt: skip
    trial.compare(cases, _fixmatch, _LOSSES, look=_LOSS_LOOK)
    _check_gradients(trial, cases)
    return "value and gradients agree with the library, also while no image is sure"


def _fixmatch(
    logits_x: Tensor, y: Tensor, logits_u_w: Tensor, logits_u_s: Tensor, t: float
) -> Tensor:
    probs = consistency.pseudo_label(logits_u_w)  # (N, K)
    mask = consistency.confidence_mask(probs, t)  # (N,)
    loss_u = consistency.consistency_loss(logits_u_s, probs.argmax(dim=1), mask)
    return consistency.supervised_loss(logits_x, y) + loss_u


def _mask(logits: Tensor, threshold: float) -> Tensor:
    return consistency.confidence_mask(logits.softmax(dim=1), threshold)  # (N,)


def _check_gradients(
    trial: Trial, cases: dict[str, tuple[Tensor, Tensor, Tensor, Tensor, float]]
) -> None:
    """The value is right; see that it teaches the right views."""
    for case, (x, y, w, s, t) in cases.items():
        views = [view.clone().requires_grad_() for view in (x, w, s)]
        loss = trial.run(case, views[0], y, views[1], views[2], t)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            trial.fail(
                case,
                "the value is right but cannot be learnt from: return the tensor"
                " itself, without .item(), float(...) or .detach() around the loss.",
                describe(loss) + ", without gradient",
                "a scalar tensor with gradient",
            )
        grads: Sequence[Tensor | None] = torch.autograd.grad(
            loss, views, allow_unused=True
        )
        if grads[1] is not None and grads[1].abs().max() > 0:
            trial.fail(
                case,
                "the weak view gets a gradient, so the network may change its"
                " pseudo-labels instead of its predictions: cut it off with"
                " logits_u_w.detach().",
                "a gradient through logits_u_w",
                "none",
            )
        for name, grad in (("logits_x", grads[0]), ("logits_u_s", grads[2])):
            # While no image is sure, the strong view has nothing to teach
            sure = name == "logits_x" or bool(_mask(w, t).any())
            if sure and (grad is None or not grad.any()):
                trial.fail(
                    case,
                    f"nothing is learnt from {name}, which gets no gradient: only the"
                    " weak view is detached.",
                    f"no gradient through {name}",
                    "a gradient",
                )


def _unlabeled(w: Tensor, s: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Return loss and mask of each unlabeled image, (N,) each."""
    return F.cross_entropy(s, w.argmax(dim=1), reduction="none"), _mask(w, t)


def _by_sure(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each, mask = _unlabeled(w, s, t)
    return F.cross_entropy(x, y) + (each * mask).sum() / mask.sum()


def _by_sure_or_one(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each, mask = _unlabeled(w, s, t)
    return F.cross_entropy(x, y) + (each * mask).sum() / mask.sum().clamp(min=1)


def _mean_too_early(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    mean = F.cross_entropy(s, w.argmax(dim=1))  # a scalar, which no mask can part
    return F.cross_entropy(x, y) + (mean * _mask(w, t)).mean()


def _beyond(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each, _ = _unlabeled(w, s, t)
    above = w.softmax(1).amax(1) > t
    return F.cross_entropy(x, y) + (each * above).mean()


def _twice(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each, mask = _unlabeled(w, s.softmax(1), t)
    return F.cross_entropy(x, y) + (each * mask).mean()


def _all_twice(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each, mask = _unlabeled(w, s.softmax(1), t)
    return F.cross_entropy(x.softmax(1), y) + (each * mask).mean()


def _soft(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each = F.cross_entropy(s, w.softmax(1), reduction="none")
    return F.cross_entropy(x, y) + (each * _mask(w, t)).mean()


def _summed(x: Tensor, y: Tensor, w: Tensor, s: Tensor, t: float) -> Tensor:
    each, mask = _unlabeled(w, s, t)
    return F.cross_entropy(x, y) + (each * mask).sum()


_GIVE_NAN = "by the number of sure images (mask.sum())"
_WHY_ALL = (
    "FixMatch divides by all unlabeled images, so that few sure images weigh little."
)
_LOSS_LOOK = (
    "look at the parts apart: print the supervised loss, the mask, and the"
    " cross-entropy of each strong view, and compare them with the formula."
)
_LOSSES = (
    Mistake(
        f"the loss of the unlabeled images is divided {_GIVE_NAN}. {_WHY_ALL} While"
        " none is sure, that would even be 0 / 0, which is NaN.",
        _by_sure,
    ),
    Mistake(
        f"the loss of the unlabeled images is divided {_GIVE_NAN}, at least 1."
        f" {_WHY_ALL} Use .mean() of each loss times its mask.",
        _by_sure_or_one,
    ),
    Mistake(
        "weak and strong are exchanged: the pseudo-label comes from the weak view, and"
        " the strong view is asked for it.",
        lambda x, y, w, s, t: _fixmatch(x, y, s, w, t),
    ),
    Mistake(
        "the mask is missing: all unlabeled images are used, however unsure the model"
        " is of them.",
        lambda x, y, w, s, t: F.cross_entropy(x, y) + F.cross_entropy(s, w.argmax(1)),
    ),
    Mistake(
        "cross_entropy has already taken the mean: with reduction='none' you get one"
        " loss per image, which the mask can switch off.",
        _mean_too_early,
    ),
    Mistake(
        "the weak view is compared with its own pseudo-label: the strong view is to be"
        " judged, not the weak one.",
        lambda x, y, w, s, t: _fixmatch(x, y, w, w, t),
    ),
    Mistake(
        "softmax is taken twice: F.cross_entropy takes logits and does it itself. Give"
        " it logits_u_s as they are.",
        _twice,
    ),
    Mistake(
        "softmax is taken twice, of labeled and of unlabeled images: F.cross_entropy"
        " takes logits and does it itself.",
        _all_twice,
    ),
    Mistake(
        "the labeled images are missing: add their cross-entropy,"
        " F.cross_entropy(logits_x, y).",
        lambda x, y, w, s, t: _fixmatch(x, y, w, s, t) - F.cross_entropy(x, y),
    ),
    Mistake(
        "the unlabeled images are missing: only the supervised loss came.",
        lambda x, y, w, s, t: F.cross_entropy(x, y),
    ),
    Mistake(
        "an image that just reaches the threshold is left out: use >= rather than >.",
        _beyond,
    ),
    Mistake(
        "the pseudo-labels are soft, whole rows of probabilities: FixMatch takes the"
        " hard one, argmax, and needs no gradient through it.",
        _soft,
    ),
    Mistake(
        "the losses of the unlabeled images are summed: take their mean, or the batch"
        " size would change their weight.",
        _summed,
    ),
    Mistake(
        "two losses came: add them, as the optimiser takes one number.",
        lambda x, y, w, s, t: torch.stack(
            [F.cross_entropy(x, y), _fixmatch(x, y, w, s, t) - F.cross_entropy(x, y)]
        ),
    ),
    Mistake(
        "the strong view is asked about itself: its pseudo-label must come from the"
        " weak view, or nothing is taught.",
        lambda x, y, w, s, t: _fixmatch(x, y, s, s, t),
    ),
)
