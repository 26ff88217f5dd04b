"""Pseudo-Label: treat the network's own confident answers as the truth."""

__all__ = ["PseudoLabel"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.losses.ramp_up import RampUp
from workshop_lib.methods.base import (
    Batch,
    Method,
    TrainingSize,
    check_ranges,
    forward_views,
    heads_of,
)
from workshop_lib.methods.fixmatch import alignments


@dataclass(eq=False)
class PseudoLabel(Method):
    """Train on the network's own answers as if they were labels.

    The oldest and simplest way: the likeliest class of an unlabelled image becomes its
    label, in the same view. Confident predictions become more confident, which moves
    the decision boundary out of the crowds of images into the gaps between them. There
    is no second view to learn from: what the network has not understood, it cannot
    learn from itself, and that is what FixMatch's strong view adds.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u(step) / (mu B) sum_i mask_i H(argmax q_i, f(weak(u_i)))
        mask_i = 1 if max q_i >= threshold else 0,    q_i = softmax(f(weak(u_i)))

    Numbers (`Regression`) are left to the supervised term: in the same view a
    prediction always agrees with itself.

    Source: Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning
    Method for Deep Neural Networks", eq. 15 and 16. The paper has no threshold (here:
    0) and weighs the unlabelled part with up to 3; a threshold of 0.95 and a weight of
    1 became usual with later comparisons.

    Args:
        labeled_view: augmentation of labelled images; usually "weak".
        threshold: confidence from which a pseudo-label counts, usually 0.95. Too low:
            the network confirms its mistakes from the first step on.
        alignment, momentum: as in `FixMatch` (not in the paper); without alignment one
            class easily swallows the others.
        lambda_u: weight of the unlabelled part after the ramp-up, usually 1.
        ramp_up: fraction of the steps in which that weight rises linearly from 0,
            usually 0.4. Too short: pseudo-labels of an untrained network are learned as
            truth; too long: nothing is learned from unlabelled images until the end.
    """

    views: ClassVar[tuple[str, ...]] = ("weak",)

    threshold: float = 0.95
    alignment: bool = False
    momentum: float = 0.99
    lambda_u: float = 1.0
    ramp_up: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, fractions=["threshold", "ramp_up"])
        self.align, self.ramp = nn.ModuleDict(), RampUp(0)

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start the ramp-up, and an alignment per head if asked for."""
        self.ramp = RampUp(self.ramp_up * size.steps)
        if self.alignment:
            self.align = alignments(model, self.momentum)

    def after_step(self, model: nn.Module) -> None:
        """Count the step, for the ramp-up."""
        self.ramp.advance()

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield a supervised and an unsupervised term per head."""
        self.check_views(batch)
        views = [batch.labeled[0], batch.views[0]]
        (out_x, out_u), _ = forward_views(model, views)
        yield from self.supervised(model, out_x, batch.targets)
        for name, head in heads_of(model):
            if not head.class_shape:
                continue
            probs = head.probabilities(out_u[name])
            if name in self.align:
                probs = self.align[name](probs)
            target, weight = (
                head.harden(probs)[0],
                head.confident(probs, self.threshold),
            )
            self.report(name, target, weight)
            loss = masked_mean(head.loss(out_u[name], target), weight)
            yield f"{name}/unsupervised", self.lambda_u * self.ramp() * loss
