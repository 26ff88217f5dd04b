"""FixMatch: be sure on the easy view, then agree on the hard one."""

__all__ = ["FixMatch", "fixmatch_loss"]

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.methods.protocol import Batch, LossTerms, Method


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


class FixMatch(Method):
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
        labeled_view: augmentation of labeled images; "weak" in the paper. "strong" can
            overwhelm a small network that has only a handful of labels.
        threshold: confidence from which a pseudo-label counts; 0.95 in the paper, 0.8
            where only a few thousand steps are to be had. Too high: `mask_rate` stays
            near 0 and it is supervised training; too low: early mistakes are learnt as
            truth and confirmed for ever.
        alignment: align pseudo-labels with equally frequent classes (the paper does
            not). Without it and with few labels one class may swallow the others;
            with it and very unequal classes, rare ones get labels they do not deserve.
        temperature: of the pseudo-label's softmax; 1 as a rule. Below 1 it lets more
            images over the threshold: the same as a lower threshold, less openly.
        lambda_u: weight of the unlabeled part; 1 in the paper. Much above, wrong
            pseudo-labels outvote the labels; much below, it is supervised training.
        joint_forward: False runs the weak view by itself without gradient, which saves
            a third of the arithmetic and half of the memory. True is the paper's single
            forward over all views. What differs is batch normalisation: jointly,
            all views share one set of batch statistics; apart, the weak view has its
            own and labeled and strong views share theirs. Either way the model is in
            training mode and the weak view enters the running statistics (apart: as an
            update of its own), on purpose: at evaluation images look like the weak
            view, not like the strong one.
    """

    views = ("weak", "strong")

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        threshold: float = 0.95,
        alignment: bool = False,
        temperature: float = 1.0,
        lambda_u: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__()
        self.labeled_views = (labeled_view,)
        self.threshold = threshold
        self.temperature = temperature
        self.lambda_u = lambda_u
        self.joint_forward = joint_forward
        self.align = DistributionAlignment(num_classes) if alignment else None

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `fixmatch_loss` for its parts.

        Shape: `batch.x_lab[0]` (B, C, H, W), `batch.x_unl` weak and strong, each
        (mu*B, C, H, W).

        Raises:
            WorkshopError: other than two unlabeled views.
        """
        if len(batch.x_unl) != 2:
            raise WorkshopError(
                f"{len(batch.x_unl)} unlabeled view(s) given: FixMatch needs two,"
                " x_unl=(weak, strong)."
            )
        forward = self._joint_logits if self.joint_forward else self._separate_logits
        logits_x, logits_u_w, logits_u_s = forward(
            model, batch.x_lab[0], batch.x_unl[0], batch.x_unl[1]
        )
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

    @staticmethod
    def _joint_logits(
        model: nn.Module, x: Tensor, u_w: Tensor, u_s: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        logits = model(torch.cat([x, u_w, u_s])).logits  # ((1 + 2 mu) B, K)
        logits_x, logits_u_w, logits_u_s = logits.split([len(x), len(u_w), len(u_s)])
        return logits_x, logits_u_w, logits_u_s

    @staticmethod
    def _separate_logits(
        model: nn.Module, x: Tensor, u_w: Tensor, u_s: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            logits_u_w = model(u_w).logits  # (mu*B, K)
        # Mixed precision keeps the half-precision weights it has just made. Older torch
        # makes them without gradient here: used again below, they would learn nothing.
        torch.clear_autocast_cache()
        logits = model(torch.cat([x, u_s])).logits  # ((1 + mu) B, K)
        logits_x, logits_u_s = logits.split([len(x), len(u_s)])
        return logits_x, logits_u_w, logits_u_s
