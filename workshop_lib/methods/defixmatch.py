"""DeFixMatch: FixMatch less the bias that its own pseudo-labels bring."""

__all__ = ["DeFixMatch", "defixmatch_loss"]

from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.methods.forward import forward_views
from workshop_lib.methods.protocol import Batch, LossTerms, Method


def defixmatch_loss(
    logits_x_w: Tensor,
    logits_x_s: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    threshold: float = 0.95,
    lambda_u: float = 0.5,
    align: DistributionAlignment | None = None,
) -> LossTerms:
    """Compute DeFixMatch's loss from logits; gradient flows into all but `logits_u_w`.

    Shape: `logits_x_w` and `logits_x_s` (B, K), `y` (B,), `logits_u_w` and
    `logits_u_s` (mu*B, K) -> `LossTerms` with parts loss_x, loss_u, loss_anti (the term
    that is subtracted), mask_rate.
    """
    loss_x = (supervised_loss(logits_x_w, y) + supervised_loss(logits_x_s, y)) / 2

    probs_u, probs_x = pseudo_label(logits_u_w), pseudo_label(logits_x_w)
    if align is not None:
        probs_u = align(probs_u)  # (mu*B, K)
        probs_x = align.divide(probs_x)  # (B, K), by the average of unlabeled images
    pseudo, mask = probs_u.argmax(dim=1), confidence_mask(probs_u, threshold)
    loss_u = consistency_loss(logits_u_s, pseudo, mask)
    anti = consistency_loss(
        logits_x_s, probs_x.argmax(dim=1), confidence_mask(probs_x, threshold)
    )

    return LossTerms(
        total=loss_x + lambda_u * (loss_u - anti),
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "loss_anti": anti.detach(),
            "mask_rate": mask.mean(),
        },
        pseudo_labels=pseudo,
        mask=mask,
    )


class DeFixMatch(Method):
    """Take back on labeled images what consistency did to them without looking.

    FixMatch's unlabeled term pulls the loss away from what is wanted, however many
    labels there are: with wrong pseudo-labels it can end worse than no unlabeled image
    at all. Subtracting the same term on the labeled images leaves, on average over
    draws, the supervised loss, so that unlabeled images can only lower its variance.
    The strong view of labeled images is trained on too, which the subtraction cancels.

        L = 1/(2B) sum_b [H(y_b, f(weak(x_b))) + H(y_b, f(strong(x_b)))]
          + lambda_u [1/(mu B) sum_i h(u_i) - 1/B sum_b h(x_b)]
        h(v) = 1[max q >= threshold] H(argmax q, f(strong(v))),  q = softmax(f(weak(v)))

    Source: Schmutz, Humbert and Mattei 2023, "Don't fear the unlabelled: safe
    semi-supervised learning via debiasing". The proof speaks of labeled images drawn
    like the unlabeled ones, and of many; with four per class, by heart after a few
    hundred steps, h(x) is nearly the supervised loss of the strong view.

    Args:
        num_classes: K, for the alignment's average.
        threshold: confidence from which a pseudo-label counts; see `FixMatch`.
        alignment: as in `FixMatch` (the paper does not).
        running_momentum: of the alignment's average; 0.99 remembers 100 batches.
        lambda_u: weight of the unlabeled and of the subtracted term, 1/2: then known
            labels cancel exactly in the labeled strong view. Above it, that view is
            pushed away from its own labels, and the loss has no lower bound.
        joint_forward: see `forward_views`.
    """

    labeled_views = ("weak", "strong")
    views = ("weak", "strong")
    knobs = (
        "num_classes",
        "threshold",
        "alignment",
        "running_momentum",
        "lambda_u",
        "joint_forward",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        threshold: float = 0.95,
        alignment: bool = False,
        running_momentum: float = 0.99,
        lambda_u: float = 0.5,
        joint_forward: bool = False,
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self.lambda_u = lambda_u
        self.joint_forward = joint_forward
        self.align = (
            DistributionAlignment(num_classes, running_momentum) if alignment else None
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `defixmatch_loss`.

        Raises:
            WorkshopError: other views than two labeled and two unlabeled ones.
        """
        x_w, x_s, u_w, u_s = self.views_of(batch)
        (of_x_w, of_x_s, of_u_s), (of_u_w,) = forward_views(
            model, [x_w, x_s, u_s], [u_w], joint=self.joint_forward
        )
        return defixmatch_loss(
            of_x_w.logits,
            of_x_s.logits,
            batch.y_lab,
            of_u_w.logits,
            of_u_s.logits,
            threshold=self.threshold,
            lambda_u=self.lambda_u,
            align=self.align,
        )
