"""DeFixMatch: FixMatch without the bias of its own pseudo-labels."""

__all__ = ["DeFixMatch"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.methods.base import Batch, Outputs, forward_views, heads_of
from workshop_lib.methods.fixmatch import FixMatch


@dataclass(eq=False)
class DeFixMatch(FixMatch):
    """Subtract on labelled images what consistency adds without looking at labels.

    FixMatch's unlabelled term pulls the loss away from the supervised one, however many
    labels there are: with wrong pseudo-labels it can end worse than without unlabelled
    images. Subtracting the same term on the labelled images leaves, on average over
    draws, the supervised loss, so that unlabelled images can only lower its variance.
    The strong view of labelled images is trained on too, which the subtraction cancels.

        L = 1/(2B) sum_b [H(y_b, f(weak(x_b))) + H(y_b, f(strong(x_b)))]
          + lambda_u [1/(mu B) sum_i h(u_i) - 1/B sum_b h(x_b)]
        h(v) = 1[max q >= threshold] H(argmax q, f(strong(v))),  q = softmax(f(weak(v)))

    Source: Schmutz, Humbert and Mattei 2023, "Don't fear the unlabelled: safe
    semi-supervised learning via debiasing", arXiv:2203.07512. The proof is about
    labelled images drawn like the unlabelled ones, and many; with four per class,
    memorised after a few hundred steps, h(x) is nearly the supervised loss of the
    strong view.

    Args:
        threshold, alignment, momentum, temperature, joint_forward: see `FixMatch`.
        labeled_view: not read: labelled images are seen in both views.
        lambda_u: weight of the unlabelled and of the subtracted term, 1/2: then known
            labels cancel exactly in the labelled strong view. Above it, that view is
            pushed away from its own labels, and the loss has no lower bound.
    """

    lambda_u: float = 0.5

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """Labelled images are seen weakly and strongly."""
        return ("weak", "strong")

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield supervised, unsupervised and subtracted terms per head."""
        self.check_views(batch)
        (x_weak, x_strong), (weak, strong) = batch.labeled, batch.views
        (out_x_w, out_x_s, out_s), (out_w,) = forward_views(
            model, [x_weak, x_strong, strong], [weak], joint=self.joint_forward
        )
        for out in (out_x_w, out_x_s):
            for name, loss in self.supervised(model, out, batch.targets):
                yield name, loss / 2
        guesses = self.guesses(model, out_w, out_x_w, batch)
        yield from self.unsupervised(model, guesses, out_w, out_s, batch)
        yield from self._subtracted(model, out_x_w, out_x_s)

    def _subtracted(
        self, model: nn.Module, out_weak: Outputs, out_strong: Outputs
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the unsupervised term on labelled images, with a minus sign."""
        for name, head in heads_of(model):
            if head.class_shape:
                probs = head.probabilities(out_weak[name], self.temperature)
                if name in self.align:  # by the average of unlabelled images
                    align = cast(DistributionAlignment, self.align[name])
                    probs = align.divide(probs)
                target = head.harden(probs)[0]
                weight = head.confident(probs, self.threshold)
            else:
                target, weight = head.pseudo_label(out_weak[name])
            loss = masked_mean(head.loss(out_strong[name], target), weight)
            self.log[f"{name}/subtracted"] = torch.as_tensor(loss.detach())
            yield f"{name}/subtracted", -self.lambda_u * loss
