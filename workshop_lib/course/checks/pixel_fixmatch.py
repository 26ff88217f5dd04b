"""The check of unit 08 of FixMatch's loss per pixel: masked, and geometry undone."""

__all__ = ["pixel_loss"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.describe import describe
from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.losses import consistency
from workshop_lib.methods.pixel_fixmatch import pixel_consistency

_Case = tuple[Tensor, Tensor, Tensor, float]


@exercise("pixel_loss(logits_weak, logits_strong, hole, threshold)")
def pixel_loss(trial: Trial) -> str:
    """Check the loss of a strong view that is the mirror image of the weak one.

    The learner's function takes the scores of both views (n, K, H, W), where the strong
    view has a hole, (n, H, W) bool in its own pixels, and the threshold. It gives a
    scalar: the mean over the pixels outside the hole, of the sure ones' cross-entropy.
    """
    hole = torch.zeros(2, 6, 8, dtype=torch.bool)
    hole[0, 1:4, 5:] = True  # not in the middle: its mirror image lies elsewhere
    hole[1, :2, :3] = True
    nothing = torch.zeros(1, 5, 5, dtype=torch.bool)
    cases = {
        "two tiles with a hole each": _views(2, 4, 6, 8, hole, 0.7),
        "no hole": _views(1, 3, 5, 5, nothing, 0.6, seed=5),
        "no pixel is sure": _views(2, 4, 6, 8, hole, 0.999, seed=9, scale=0.5),
    }
    trial.compare(cases, _loss, _MISTAKES, look=_LOOK)
    _check_gradients(trial, cases)
    return "mirrored back, nothing asked of the hole, nothing taught to the weak view"


def _views(
    n: int,
    K: int,
    H: int,
    W: int,
    hole: Tensor,
    threshold: float,
    seed: int = 0,
    scale: float = 2.0,
) -> _Case:
    weak, strong = (noise(n, K, H, W, seed=seed + k) for k in (1, 2))
    return scale * weak, 3 * strong, hole, threshold


def _loss(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    """As the library computes it: each strong pixel names its weak pixel, or -1."""
    probs = consistency.pseudo_label(weak.permute(0, 2, 3, 1).flatten(0, 2))
    mask = consistency.confidence_mask(probs, t)  # (n*H*W,)
    source = torch.arange(hole.numel()).view(hole.shape).flip(-1)
    source = source.masked_fill(hole, -1)
    return pixel_consistency(strong, probs.argmax(dim=1), mask, source)


def _check_gradients(trial: Trial, cases: dict[str, _Case]) -> None:
    """The value is right; see that it teaches the strong view, and that one alone."""
    for case, (weak, strong, hole, t) in cases.items():
        views = [weak.clone().requires_grad_(), strong.clone().requires_grad_()]
        loss = trial.run(case, *views, hole, t)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            trial.fail(
                case,
                "the value is right but cannot be learnt from: return the tensor"
                " itself, without .item() or float(...); detach only the weak view.",
                describe(loss) + ", without gradient",
                "a scalar tensor with gradient",
            )
        taught, _ = torch.autograd.grad(loss, views, allow_unused=True)
        if taught is not None and taught.any():
            trial.fail(
                case,
                "the weak view gets a gradient, so the network may change its"
                " pseudo-labels instead of its predictions: logits_weak.detach().",
                "a gradient through logits_weak",
                "none",
            )


def _parts(
    weak: Tensor, strong: Tensor, t: float, dim: int | None = -1
) -> tuple[Tensor, Tensor]:
    """Return loss and mask of each pixel of the strong view, (n, H, W) each.

    `dim` is what the weak view is mirrored along; None leaves it as it is.
    """
    sure, labels = weak.softmax(dim=1).max(dim=1)
    if dim is not None:
        sure, labels = sure.flip(dim), labels.flip(dim)
    return F.cross_entropy(strong, labels, reduction="none"), (sure >= t).float()


def _seen(each: Tensor, mask: Tensor, hole: Tensor) -> Tensor:
    return (each * mask * ~hole).sum() / (~hole).sum()


def _mirrored(
    weak: Tensor, strong: Tensor, hole: Tensor, t: float, dim: int | None
) -> Tensor:
    return _seen(*_parts(weak, strong, t, dim), hole)


def _labels_only(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, _ = _parts(weak, strong, t)
    _, mask = _parts(weak, strong, t, dim=None)
    return _seen(each, mask, hole)


def _by_all(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return (each * mask * ~hole).mean()


def _hole_asked(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return (each * mask).mean()


def _by_sure(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, mask = _parts(weak, strong, t)
    counted = mask * ~hole
    return (each * counted).sum() / counted.sum()


def _by_sure_or_one(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, mask = _parts(weak, strong, t)
    counted = mask * ~hole
    return (each * counted).sum() / counted.sum().clamp(min=1)


def _without_mask(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return _seen(each, torch.ones_like(mask), hole)


def _logits_as_sure(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, _ = _parts(weak, strong, t)
    return _seen(each, (weak.amax(dim=1).flip(-1) >= t).float(), hole)


def _in_the_hole(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    each, mask = _parts(weak, strong, t)
    return (each * mask * hole).sum() / hole.sum()


def _softmax_twice(weak: Tensor, strong: Tensor, hole: Tensor, t: float) -> Tensor:
    return _seen(*_parts(weak, strong.softmax(dim=1), t), hole)


_LOOK = (
    "take a single pixel of the strong view: in which column of the weak view does the"
    " same ground lie? Is that pixel sure? Is this one visible? What is its loss?"
)
_MISTAKES = (
    Mistake(
        "the mirror was not undone: column 0 of the strong view shows the last column"
        " of the weak view. Turn labels and confidence over with .flip(-1).",
        lambda w, s, h, t: _mirrored(w, s, h, t, None),
    ),
    Mistake(
        "the map was turned upside down: left and right are the last dimension,"
        " .flip(-1); .flip(-2) exchanges top and bottom.",
        lambda w, s, h, t: _mirrored(w, s, h, t, -2),
    ),
    Mistake(
        "the labels are mirrored, their confidence is not: the mask belongs to the"
        " labels and goes where they go.",
        _labels_only,
    ),
    Mistake(
        "the hole was mirrored: it is given in the pixels of the strong view already,"
        " where the loss is.",
        lambda w, s, h, t: _mirrored(w, s, h.flip(-1), t, -1),
    ),
    Mistake(
        "the network is asked what lies under the hole, which nobody can see: count the"
        " pixels outside it, ~hole.",
        _hole_asked,
    ),
    Mistake(
        "the hidden pixels have no loss, but the mean still divides by them: divide by"
        " the number of visible ones, (~hole).sum().",
        _by_all,
    ),
    Mistake(
        "the mean runs over the sure pixels. As in FixMatch for scenes it runs over all"
        " that can be compared, so that few sure pixels weigh little. While none is"
        " sure, it would even be 0 / 0, which is NaN.",
        _by_sure,
    ),
    Mistake(
        "the mean runs over the sure pixels, at least 1. As in FixMatch for scenes it"
        " runs over all that can be compared, so that few sure pixels weigh little.",
        _by_sure_or_one,
    ),
    Mistake(
        "the mask of confidence is missing: pixels of which the weak view is not sure"
        " teach nothing.",
        _without_mask,
    ),
    Mistake(
        "the scores themselves were compared with the threshold: softmax over the"
        " classes, dim=1, makes probabilities of them.",
        _logits_as_sure,
    ),
    Mistake(
        "the visible and the hidden pixels are exchanged: hole is True where nothing"
        " can be seen.",
        _in_the_hole,
    ),
    Mistake(
        "softmax is taken twice: F.cross_entropy takes logits and does it itself.",
        _softmax_twice,
    ),
    Mistake(
        "weak and strong are exchanged: the pseudo-label comes from the weak view, and"
        " the strong view is asked for it.",
        lambda w, s, h, t: _loss(s, w, h, t),
    ),
    Mistake(
        "one loss per pixel came: take the mean over the visible ones.",
        lambda w, s, h, t: torch.mul(*_parts(w, s, t)) * ~h,
    ),
)
