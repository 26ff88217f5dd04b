"""FixMatch: be sure on the easy view, then agree on the hard one."""

__all__ = ["FixMatch", "fixmatch_loss"]

from collections.abc import Callable

from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.methods.weak_strong import WeakStrong


def fixmatch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    threshold: float = 0.95,
    temperature: float = 1.0,
    lambda_u: float = 1.0,
    align: Callable[[Tensor], Tensor] | None = None,
) -> LossTerms:
    """Compute FixMatch's loss from logits: the whole idea on one screen.

    Gradient flows through `logits_x` and `logits_u_s` only. The arguments after them
    are explained in `FixMatch`; `align` maps probabilities to aligned ones.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K) ->
    `LossTerms` with parts loss_x, loss_u, mask_rate (the share of confident images).
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u_w, temperature)  # (mu*B, K), no gradient
    if align is not None:
        probs = align(probs)
    pseudo = probs.argmax(dim=1)  # (mu*B,)
    mask = confidence_mask(probs, threshold)  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, pseudo, mask)

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


class FixMatch(WeakStrong):
    """Learn from unlabeled images by trusting the model's own confident answers.

    An unlabeled image is shown twice. The weakly augmented view gets a pseudo-label if
    the model is confident; the strongly augmented view has to be recognised as the
    same. So whatever the model can tell in an easy picture it learns to tell in a hard
    one, and the circle of images it is sure of widens from the few labeled ones.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(argmax q_i, f(strong(u_i)))
        mask_i = 1 if max q_i >= threshold else 0
        q_i = softmax(f(weak(u_i)) / temperature), aligned if asked for

    Source: Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with
    Consistency and Confidence", eq. 3 and 4. Alignment: Berthelot et al. 2020
    (ReMixMatch), an option in FixMatch's section 2.5. The labeled images belong to
    the unlabeled ones too: there they are seen in the strong view.

    Args:
        num_classes: K, for the alignment's average.
        labeled_view, joint_forward: see `WeakStrong`; "weak" and True in the paper.
        threshold: confidence from which a pseudo-label counts; 0.95 in the paper, 0.8
            where only a few thousand steps are to be had. Too high: `mask_rate` stays
            near 0 and it is supervised training; too low: early mistakes are learnt as
            truth and confirmed for ever.
        alignment: align pseudo-labels with equally frequent classes (the paper does
            not). Without it and with few labels one class may swallow the others;
            with it and very unequal classes, rare ones get labels they do not deserve.
        running_momentum: of the alignment's average; 0.99 remembers 100 batches.
        temperature: of the pseudo-label's softmax; 1 as a rule. Below 1 it lets more
            images over the threshold: the same as a lower threshold, less openly.
        lambda_u: weight of the unlabeled part; 1 in the paper. Much above, wrong
            pseudo-labels outvote the labels; much below, it is supervised training.
    """

    knobs = (
        *WeakStrong.knobs,
        "num_classes",
        "threshold",
        "alignment",
        "running_momentum",
        "temperature",
        "lambda_u",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        threshold: float = 0.95,
        alignment: bool = False,
        running_momentum: float = 0.99,
        temperature: float = 1.0,
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
        """Return the loss of one step; see `fixmatch_loss` and `WeakStrong.logits`."""
        logits_x, logits_u_w, logits_u_s = self.logits(model, batch)
        return fixmatch_loss(
            logits_x,
            batch.y_lab,
            logits_u_w,
            logits_u_s,
            threshold=self.threshold,
            temperature=self.temperature,
            lambda_u=self.lambda_u,
            align=self.align,
        )
