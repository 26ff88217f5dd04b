"""Pseudo-Label: take what the network is sure of for the truth, and go on."""

__all__ = ["PseudoLabel", "pseudo_label_loss"]

from collections.abc import Callable

from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.losses.ramp_up import RampUp
from workshop_lib.methods.forward import forward_views
from workshop_lib.methods.protocol import Batch, LossTerms, Method


def pseudo_label_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u: Tensor,
    threshold: float = 0.95,
    lambda_u: Tensor | float = 1.0,
    align: Callable[[Tensor], Tensor] | None = None,
) -> LossTerms:
    """Compute Pseudo-Label's loss from logits; the target is read from `logits_u` too.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u` (mu*B, K) -> `LossTerms` with parts
    loss_x, loss_u, mask_rate.
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u)  # (mu*B, K), no gradient
    if align is not None:
        probs = align(probs)
    pseudo = probs.argmax(dim=1)  # (mu*B,)
    mask = confidence_mask(probs, threshold)  # (mu*B,)
    loss_u = consistency_loss(logits_u, pseudo, mask)

    return LossTerms(
        total=loss_x + lambda_u * loss_u,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "mask_rate": mask.mean(),
        },
        pseudo_labels=pseudo,
        mask=mask,
    )


class PseudoLabel(Method):
    """Train on the network's own answers as if somebody had given them.

    The oldest and simplest way: the most likely class of an unlabeled image becomes its
    label, in the same view. Sure predictions are pushed to be surer, which moves the
    decision boundary out of the crowds of images into the gaps between them. There is
    no second view to learn from: what the network has not understood, it cannot learn
    from itself, and that is what FixMatch's strong view adds.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u(step) / (mu B) sum_i mask_i H(argmax q_i, f(weak(u_i)))
        mask_i = 1 if max q_i >= threshold else 0,    q_i = softmax(f(weak(u_i)))

    Source: Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning
    Method for Deep Neural Networks", eq. 15 and 16. The paper has no threshold (here:
    0) and weighs the unlabeled part with up to 3; a threshold of 0.95 and a weight of
    1 became usual with later comparisons.

    Args:
        num_classes: K, for the alignment's average.
        steps: of the whole training, which the ramp-up is a share of.
        labeled_view: augmentation of labeled images; "weak" as a rule.
        threshold: confidence from which a pseudo-label counts, usually 0.95. Too low:
            the network confirms its mistakes from the first step on.
        alignment: align pseudo-labels with equally frequent classes (not in the paper);
            without it one class easily swallows the others.
        running_momentum: of the alignment's average; 0.99 remembers 100 batches.
        lambda_u: weight of the unlabeled part after the ramp-up, usually 1.
        ramp_up: share of the steps in which that weight rises linearly from 0, usually
            0.4. Too short: pseudo-labels of an untrained network are learnt as truth;
            too long: nothing is learnt from unlabeled images until the end.
    """

    views = ("weak",)
    knobs = (
        "num_classes",
        "steps",
        "labeled_view",
        "threshold",
        "alignment",
        "running_momentum",
        "lambda_u",
        "ramp_up",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        steps: int,
        labeled_view: str = "weak",
        threshold: float = 0.95,
        alignment: bool = False,
        running_momentum: float = 0.99,
        lambda_u: float = 1.0,
        ramp_up: float = 0.4,
    ) -> None:
        super().__init__()
        self.labeled_views = (labeled_view,)
        self.threshold = threshold
        self.lambda_u = lambda_u
        self.ramp = RampUp(ramp_up * steps)
        self.align = (
            DistributionAlignment(num_classes, running_momentum) if alignment else None
        )

    def after_step(self, model: nn.Module) -> None:
        """Count the step, for the ramp-up."""
        self.ramp.advance()

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `pseudo_label_loss`.

        Raises:
            WorkshopError: other views than one labeled and one unlabeled.
        """
        (of_x, of_u), _ = forward_views(model, self.views_of(batch))
        return pseudo_label_loss(
            of_x.logits,
            batch.y_lab,
            of_u.logits,
            threshold=self.threshold,
            lambda_u=self.lambda_u * self.ramp(),
            align=self.align,
        )
