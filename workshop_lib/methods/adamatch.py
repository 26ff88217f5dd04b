"""AdaMatch: ask of unlabeled images what the labeled ones can do, and their classes."""

__all__ = ["AdaMatch", "adamatch_loss"]

from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.methods.weak_strong import WeakStrong
from workshop_lib.ranks import mean_over_ranks


def adamatch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    align: DistributionAlignment,
    threshold: float = 0.9,
    lambda_u: float = 1.0,
) -> LossTerms:
    """Compute AdaMatch's loss from logits, and move the alignment on.

    Gradient flows through `logits_x` (by the labels alone) and `logits_u_s` only.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K) ->
    `LossTerms` with parts loss_x, loss_u, mask_rate, threshold (the relative one).
    """
    loss_x = supervised_loss(logits_x, y)

    probs_x = pseudo_label(logits_x)  # (B, K), no gradient
    probs = align(pseudo_label(logits_u_w), probs_x)  # (mu*B, K), no gradient
    reached = mean_over_ranks(probs_x.amax(dim=1).mean())  # by labeled images
    confidence, pseudo = probs.max(dim=1)  # (mu*B,), (mu*B,)
    mask = (confidence >= threshold * reached).to(probs.dtype)  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, pseudo, mask)

    return LossTerms(
        total=loss_x + lambda_u * loss_u,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "mask_rate": mask.mean(),
            "threshold": threshold * reached,
        },
        pseudo_labels=pseudo,
        mask=mask,
    )


class AdaMatch(WeakStrong):
    """FixMatch whose threshold and class balance come from the labeled images.

    How sure a network can be depends on the step, the images and the number of classes;
    the labeled images tell. An unlabeled one counts if it reaches a share of their mean
    confidence. Pseudo-labels are aligned with how often each class is predicted for
    labeled images, so the classes need not be equally frequent. Made for unlabeled
    images of another region or sensor, it serves for the same one too.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(argmax q_i, f(strong(u_i)))
        mask_i = 1 if max q_i >= threshold mean_b max softmax f(weak(x_b))  else 0
        q_i = softmax(f(weak(u_i))) labeled average / unlabeled average, normalised

    Source: Berthelot et al. 2021, "AdaMatch: A Unified Approach to Semi-Supervised
    Learning and Domain Adaptation", eq. 2 to 6, as common implementations have it:
    without the paper's random interpolation of logits (labeled ones with and without
    the unlabeled images in their batch statistics), with one labeled view, a constant
    lambda_u, and running averages in the alignment.

    Args:
        num_classes: K.
        labeled_view, joint_forward: see `WeakStrong`; "weak" as a rule.
        threshold: share of the labeled confidence that counts; 0.9. With few labels,
            soon known by heart, that confidence nears 1 and this is a fixed threshold.
        running_momentum: of the alignment's averages; 0.999, less in a short run.
        lambda_u: weight of the unlabeled part, 1.
    """

    knobs = (
        *WeakStrong.knobs,
        "num_classes",
        "threshold",
        "running_momentum",
        "lambda_u",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        threshold: float = 0.9,
        running_momentum: float = 0.999,
        lambda_u: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(labeled_view=labeled_view, joint_forward=joint_forward)
        self.threshold = threshold
        self.lambda_u = lambda_u
        self.align = DistributionAlignment(
            num_classes, running_momentum, target="labeled", start="first batch"
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `adamatch_loss` and `WeakStrong.logits`."""
        logits_x, logits_u_w, logits_u_s = self.logits(model, batch)
        return adamatch_loss(
            logits_x,
            batch.y_lab,
            logits_u_w,
            logits_u_s,
            self.align,
            threshold=self.threshold,
            lambda_u=self.lambda_u,
        )
