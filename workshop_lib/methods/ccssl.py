"""CCSSL: FixMatch, and embeddings that gather by class where the class is sure."""

__all__ = ["CCSSL", "ccssl_loss", "contrast_by_class"]

from collections.abc import Callable

from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.class_aware_contrast import (
    class_aware_contrast,
    contrast_weights,
)
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.methods.contrasting import Contrasting, check_knobs
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.ranks import gather_rows, gather_rows_with_gradient


def contrast_by_class(
    z_u_s: Tensor,
    z_u_c: Tensor,
    probs: Tensor,
    push_threshold: float,
    temperature: float,
) -> Tensor:
    """Return the class-aware contrast of a batch, of all ranks' parts together.

    Shape: embeddings of two views (mu*B, D), pseudo-labels (mu*B, K) -> scalar.
    """
    confidence, pseudo = gather_rows(probs).max(dim=1)  # (mu*B,)
    weights = contrast_weights(pseudo, confidence, push_threshold)  # (mu*B, mu*B)
    z_s, z_c = gather_rows_with_gradient(z_u_s), gather_rows_with_gradient(z_u_c)
    return class_aware_contrast(z_s, z_c, weights, temperature)


def ccssl_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    z_u_s: Tensor,
    z_u_c: Tensor,
    *,
    threshold: float = 0.95,
    temperature: float = 1.0,
    push_threshold: float = 0.0,
    contrast_temperature: float = 0.07,
    lambda_u: float = 1.0,
    lambda_c: float = 1.0,
    align: Callable[[Tensor], Tensor] | None = None,
) -> LossTerms:
    """Compute the loss of CCSSL on FixMatch: the whole idea on one screen.

    Gradient flows through all tensors but `y` and `logits_u_w`.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K),
    embeddings `z_u_s` and `z_u_c` (mu*B, D) of unit length -> `LossTerms` with parts
    loss_x, loss_u, loss_c, mask_rate.
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u_w, temperature)  # (mu*B, K), no gradient
    if align is not None:
        probs = align(probs)
    pseudo, mask = probs.argmax(dim=1), confidence_mask(probs, threshold)  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, pseudo, mask)

    # All images take part, also those below FixMatch's threshold.
    loss_c = contrast_by_class(
        z_u_s, z_u_c, probs, push_threshold, contrast_temperature
    )

    return LossTerms(
        total=loss_x + lambda_u * loss_u + lambda_c * loss_c,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "loss_c": loss_c.detach(),
            "mask_rate": mask.mean(),
        },
        pseudo_labels=pseudo,
        mask=mask,
    )


class CCSSL(Contrasting):
    """Gather embeddings by pseudo-label, each image as strongly as its label is sure.

    A confirmed mistake is FixMatch's weak point; contrast between images without
    classes does not make any, but also pushes images of one class apart. Class-aware
    contrast pulls images with the same pseudo-label together, by the product of their
    confidences: wrong labels, mostly unsure ones, hardly count. Images that belong to
    no class at all can be told from the rest by their confidence and are contrasted
    one by one.

        L = FixMatch + lambda_c contrast_temperature / 0.07 * 1/2N sum_a l_a
        l_a = - sum_{b != a} w_ab log p_ab / sum_{b != a} w_ab      (N = mu B, 2N views)
        p_ab = share of exp(z_a . z_b / contrast_temperature) among all b != a
        w_ab = c_a c_b if the pseudo-labels are the same, else 0; 1 for the other view

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning"; see
    `class_aware_contrast` for where its implementation differs from its text.

    Args:
        num_classes: K, for the alignment's average.
        labeled_view, projection_dim, joint_forward: see `Contrasting`.
        threshold, temperature, lambda_u: as in `FixMatch`.
        alignment: as in `FixMatch` (the paper does not); the confidences of the
            contrast are those after it.
        running_momentum: of the alignment's average; 0.99 remembers 100 batches.
        push_threshold: confidence below which an image is contrasted by itself; 0
            leaves that out, 0.9 where unlabeled images are of foreign classes. Too
            high: plain contrast of images, which pushes classes apart.
        contrast_temperature: 0.07 in the paper. Lower looks only at the nearest.
        lambda_c: weight of the contrast; 1, 2 in the paper on Semi-iNat. The loss is
            large by nature (the logarithm of 2 mu B); what counts is its gradient.
    """

    knobs: tuple[str, ...] = (
        *Contrasting.knobs,
        "num_classes",
        "threshold",
        "alignment",
        "running_momentum",
        "temperature",
        "push_threshold",
        "contrast_temperature",
        "lambda_u",
        "lambda_c",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        projection_dim: int = 64,
        threshold: float = 0.95,
        alignment: bool = False,
        running_momentum: float = 0.99,
        temperature: float = 1.0,
        push_threshold: float = 0.0,
        contrast_temperature: float = 0.07,
        lambda_u: float = 1.0,
        lambda_c: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(
            labeled_view=labeled_view,
            projection_dim=projection_dim,
            joint_forward=joint_forward,
        )
        check_knobs(
            {"contrast_temperature": contrast_temperature},
            {"push_threshold": push_threshold},
        )
        self.threshold = threshold
        self.temperature = temperature
        self.push_threshold = push_threshold
        self.contrast_temperature = contrast_temperature
        self.lambda_u = lambda_u
        self.lambda_c = lambda_c
        self.align = (
            DistributionAlignment(num_classes, running_momentum) if alignment else None
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `ccssl_loss`, `Contrasting.outputs`."""
        lab, weak, strong, contrastive = self.outputs(model, batch)
        return ccssl_loss(
            lab.logits,
            batch.y_lab,
            weak.logits,
            strong.logits,
            strong.embedding,
            contrastive.embedding,
            threshold=self.threshold,
            temperature=self.temperature,
            push_threshold=self.push_threshold,
            contrast_temperature=self.contrast_temperature,
            lambda_u=self.lambda_u,
            lambda_c=self.lambda_c,
            align=self.align,
        )
