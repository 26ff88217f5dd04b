"""Checks of unit 04: memory of a training step, mask, and FixMatch's loss.

Unit 08 asks for that of pixels, too.
"""

__all__ = ["confidence_mask", "fixmatch_loss", "pixel_loss", "predict_memory"]

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import (
    Answer,
    Attempt,
    Case,
    Cases,
    Mistakes,
    comparison,
)
from workshop_lib.course.checks.values import describe_value, noise


@comparison("predict_memory(kept, batch_size, mu)")
def predict_memory(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the bytes that the activations of a training step take.

    The learner's `predict_memory(kept, batch_size, mu)` takes what the network keeps of
    one image, a list of (maps, channels, side), and the labelled images of a step and
    the unlabelled ones for each of these, which are there in two views. A number has
    32 bit.
    """
    wide = [(2, 16, 224), (16, 32, 224), (16, 64, 112), (16, 128, 56)]
    cases["WRN-28-2, B = 8, mu = 7"] = wide, 8, 7
    cases["two layers, B = 4, mu = 1"] = [(3, 8, 32), (1, 20, 16)], 4, 1
    wrong["one_view"] = lambda kept, B, mu: _memory(kept, B, mu / 2)
    wrong["last_layer"] = lambda kept, B, mu: _memory(kept[-1:], B, mu)
    wrong["labelled_only"] = lambda kept, B, mu: _memory(kept, B, 0)
    return _memory


def _memory(kept: Sequence[Sequence[int]], batch_size: int, mu: float) -> float:
    numbers = sum(maps * channels * side**2 for maps, channels, side in kept)
    return 4 * numbers * batch_size * (1 + 2 * mu)


@comparison("confidence_mask(logits, threshold)")
def confidence_mask(cases: Cases, wrong: Mistakes) -> Answer:
    """Check which unlabelled images are predicted with enough confidence to be used.

    The learner's `confidence_mask(logits, threshold)` takes (N, K) scores and gives
    (N,), 1 (or True) where the largest probability is at least the threshold.
    """
    undecided = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 0.2]])
    cases["6 images, 4 classes"] = 2 * noise(6, 4), 0.6
    cases["large logits with low confidence"] = 5 + noise(4, 3, seed=2), 0.8
    cases["small logits with high confidence"] = 4 * noise(5, 3, seed=3) - 15, 0.7
    cases["a confidence of exactly the threshold, 0.5"] = undecided, 0.5
    wrong["logits"] = lambda z, t: z.amax(dim=1) >= t
    wrong["sigmoid"] = lambda z, t: z.sigmoid().amax(dim=1) >= t
    wrong["softmax_twice"] = lambda z, t: _mask(z.softmax(dim=1), t)
    wrong["softmax_over_images"] = lambda z, t: z.softmax(dim=0).amax(dim=1) >= t
    return _mask


def _mask(logits: Tensor, threshold: float) -> Tensor:
    return logits.softmax(dim=1).amax(dim=1) >= threshold


def consistency(
    weak: Tensor,
    strong: Tensor,
    threshold: float,
    seen: Tensor | bool = True,
    *,
    by_confident: bool = False,
) -> Tensor:
    """Compute FixMatch's loss of the unlabelled, of images or of pixels.

    Args:
        weak, strong: scores (N, K) or (N, K, H, W); the pseudo-labels are the weak's.
        threshold: least confidence of a pseudo-label that is used.
        seen: where there is something to compare, (N,) or (N, H, W) bool.
        by_confident: make a mistake: divide by the confident ones instead of by all.
    """
    confidence, pseudo = weak.softmax(dim=1).max(dim=1)
    each = F.cross_entropy(strong, pseudo, reduction="none")
    used = (confidence >= threshold) & seen
    every = used if by_confident else seen & torch.ones_like(used)
    return (each * used).sum() / every.sum()


def check_gradients(attempt: Attempt, case: str, given: Case, weak: str = "") -> None:
    """Check that every view but the weak one is learnt from, on one case.

    Views are the arguments named logits..., embeddings, named z..., and the predictions
    of each task in the one named out. Those whose name holds `weak` must not be learnt
    from.
    """
    views: dict[str, Tensor] = {}
    args: list[Any] = []
    for name, arg in zip(attempt.names, given, strict=True):
        if name.startswith(("logits", "z")):
            arg = views[name] = arg.clone().requires_grad_()
        elif name == "out":
            arg = {task: some.clone().requires_grad_() for task, some in arg.items()}
            views |= arg
        args.append(arg)
    loss = attempt.run(case, *args)
    learnt = isinstance(loss, Tensor) and loss.requires_grad
    came = f"{describe_value(loss)}, without gradient"
    attempt.require(learnt, "detached", came, "a tensor with gradient")
    loss.backward()
    for name, view in views.items():
        found = view.grad if view.grad is not None else torch.zeros(1)
        learns, known = bool(found.any()), bool(found.isfinite().all())
        came = f"{'a' if learns else 'no'} gradient through {name}"
        if weak and weak in name:
            attempt.require(not learns, "weak_learns", came, "none", weak=name)
        else:
            came += "" if known else ", with NaN"
            attempt.require(learns and known, "not_learnt", came, "one", view=name)


@comparison(
    "fixmatch_loss(logits_x, y, logits_u_w, logits_u_s, threshold)",
    then=partial(check_gradients, weak="logits_u_w"),
)
def fixmatch_loss(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the loss of FixMatch: its value, and where its gradient goes.

    The learner's function takes the scores of the labelled images (B, K), their labels
    (B,), the scores of the weak and of the strong view of the unlabelled images
    (N, K) each, and the threshold; it gives a scalar (Sohn et al. 2020, eq. 3 and 4,
    with weight 1).
    """
    x, y = noise(4, 5), torch.tensor([0, 4, 2, 2])
    # The strong view is more confident than the weak one, so that a swap is seen
    weak, strong = 3 * noise(12, 5, seed=1), 4 * noise(12, 5, seed=2)
    half = x[:, :2], y % 2, torch.tensor([[0.0, 0.0], [0.0, 4.0]]), strong[:2, :2], 0.5
    cases["4 labelled, 12 unlabelled images, some confident"] = x, y, weak, strong, 0.8
    cases["no confident image"] = x, y, weak / 3, strong / 2, 0.99
    cases["an image that just reaches the threshold, 0.5"] = half
    wrong["by_confident"] = _whole(partial(consistency, by_confident=True))
    wrong["exchanged"] = _whole(lambda w, s, t: consistency(s, w, t))
    wrong["no_mask"] = _whole(lambda w, s, t: consistency(w, s, 0.0))
    wrong["own_labels"] = _whole(lambda w, s, t: consistency(s, s, t))
    wrong["softmax_twice"] = _whole(lambda w, s, t: consistency(w, s.softmax(1), t))
    return _whole(consistency)


def _whole(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Complete a loss of the unlabelled images to that of the exercise."""
    return lambda x, y, weak, strong, t: F.cross_entropy(x, y) + loss(weak, strong, t)


@comparison(
    "pixel_loss(logits_weak, logits_strong, box, hole, threshold)",
    then=partial(check_gradients, weak="logits_weak"),
)
def pixel_loss(cases: Cases, wrong: Mistakes) -> Answer:
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
    cases["three tiles with a box and a hole each"] = 2 * weak, strong, box, hole, 0.7
    cases["no hole"] = 2 * weak, strong, box, hole & False, 0.6
    cases["no box"] = 2 * weak, strong, box & False, hole, 0.6
    cases["no confident pixel"] = 0.5 * weak, strong, box, hole, 0.999
    wrong["not_mixed"] = lambda w, s, box, hole, t: consistency(w, s, t, ~hole)
    wrong["outside"] = lambda w, s, box, hole, t: _pixels(w, s, ~box, hole, t)
    wrong["hole_only"] = lambda w, s, box, hole, t: _pixels(w, s, box, ~hole, t)
    wrong["hole_asked"] = lambda w, s, box, hole, t: consistency(_mixed(w, box), s, t)
    wrong["hole_in_mean"] = lambda *given: _pixels(*given) * (~given[3]).float().mean()
    wrong["no_mask"] = lambda w, s, box, hole, t: _pixels(w, s, box, hole, 0.0)
    return _pixels


def _mixed(weak: Tensor, box: Tensor) -> Tensor:
    """Fill each tile's box from the tile before: (N, K, H, W)."""
    return torch.where(box[:, None], weak.roll(1, dims=0), weak)


def _pixels(
    weak: Tensor, strong: Tensor, box: Tensor, hole: Tensor, threshold: float
) -> Tensor:
    return consistency(_mixed(weak, box), strong, threshold, ~hole)
