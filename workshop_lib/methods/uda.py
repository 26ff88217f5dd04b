"""UDA: hand the whole sharpened distribution to the strongly augmented view."""

__all__ = ["UDA", "uda_loss"]

from collections.abc import Callable

from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    sharpen,
    supervised_loss,
)
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.methods.weak_strong import WeakStrong


def uda_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    threshold: float = 0.8,
    temperature: float = 0.4,
    lambda_u: float = 1.0,
    align: Callable[[Tensor], Tensor] | None = None,
) -> LossTerms:
    """Compute UDA's loss from logits.

    The confidence is that of the softmax as it is; only the target is sharpened.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K) ->
    `LossTerms` with parts loss_x, loss_u, mask_rate.
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u_w)  # (mu*B, K), no gradient
    if align is not None:
        probs = align(probs)
    mask = confidence_mask(probs, threshold)  # (mu*B,)
    target = sharpen(probs, temperature)  # (mu*B, K)
    loss_u = consistency_loss(logits_u_s, target, mask)

    return LossTerms(
        total=loss_x + lambda_u * loss_u,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "mask_rate": mask.mean(),
        },
        pseudo_labels=target.argmax(dim=1),
        mask=mask,
    )


class UDA(WeakStrong):
    """Keep predictions the same under strong augmentation, doubts included.

    As in FixMatch, the weak view of an image teaches its strong view where the network
    is confident. The target is not one class but the sharpened distribution: an image
    that is 85 % river and 14 % lake says both. That loses less where the pseudo-label
    is wrong, and says less where it is right.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(q_i, f(strong(u_i)))
        q_i = softmax(f(weak(u_i)) / temperature)
        mask_i = 1 if max softmax(f(weak(u_i))) >= threshold else 0

    Source: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training",
    eq. 1 and section 3.3. The paper writes the Kullback-Leibler divergence: it differs
    by the target's entropy, which has no gradient. Left out: training signal annealing,
    which holds back labeled images that are known already.

    Args:
        num_classes: K, for the alignment's average.
        labeled_view, joint_forward: see `WeakStrong`; "weak" and True in the paper.
        threshold: confidence, before sharpening, from which an image counts; 0.8.
        temperature: of the target, 0.4. Near 0 it is FixMatch's hard label; at 1 the
            network is taught its own doubts, and nothing becomes clearer.
        alignment: align the weak view with equally frequent classes before sharpening
            (not in the paper); see `DistributionAlignment`.
        running_momentum: of the alignment's average; 0.99 remembers 100 batches.
        lambda_u: weight of the unlabeled part, 1.
    """

    knobs = (
        *WeakStrong.knobs,
        "num_classes",
        "threshold",
        "temperature",
        "alignment",
        "running_momentum",
        "lambda_u",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        threshold: float = 0.8,
        temperature: float = 0.4,
        alignment: bool = False,
        running_momentum: float = 0.99,
        lambda_u: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(labeled_view=labeled_view, joint_forward=joint_forward)
        self.threshold = threshold
        self.temperature = temperature
        self.lambda_u = lambda_u
        self.align = (
            DistributionAlignment(num_classes, running_momentum) if alignment else None
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `uda_loss` and `WeakStrong.logits`."""
        logits_x, logits_u_w, logits_u_s = self.logits(model, batch)
        return uda_loss(
            logits_x,
            batch.y_lab,
            logits_u_w,
            logits_u_s,
            threshold=self.threshold,
            temperature=self.temperature,
            lambda_u=self.lambda_u,
            align=self.align,
        )
