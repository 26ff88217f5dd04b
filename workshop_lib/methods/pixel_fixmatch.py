"""FixMatch for maps: each pixel of a tile is trusted, or not, by itself."""

__all__ = ["PixelFixMatch", "pixel_consistency"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import confidence_mask, pseudo_label
from workshop_lib.losses.precise import at_least_float32
from workshop_lib.methods.forward import forward_views
from workshop_lib.methods.pixel_supervised import PixelMethod
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.ranks import gather_rows, mean_over_ranks


def pixel_consistency(
    logits_strong: Tensor, pseudo: Tensor, mask: Tensor, source: Tensor
) -> Tensor:
    """Ask each pixel of the strong views for what its pixel of the weak views said.

        1/|V| sum_(i in V) mask_s(i) H(pseudo_s(i), softmax(logits_strong_i))

    V are the pixels that show something the weak views show too: s(i) = source_i >= 0.
    As in FixMatch the mean runs over all of these, not over the confident ones. Of
    several ranks each has its n strong views and the pseudo-labels of all N weak ones:
    a box in a tile may come from another rank's.

    Args:
        logits_strong: scores of the strong views; the only argument with gradient.
        pseudo, mask: class and weight of each pixel of the weak views.
        source: see `Batch`.

    Shape: (n, K, H, W), (N*H*W,), (N*H*W,), (n, H, W) -> scalar.
    """
    source = source.flatten()
    there, place = source >= 0, source.clamp_min(0)
    scores = at_least_float32(logits_strong).permute(0, 2, 3, 1).flatten(0, 2)
    loss = F.cross_entropy(scores, pseudo[place], reduction="none")  # (n*H*W,)
    weight = mask[place] * there
    count = mean_over_ranks(there.sum().to(loss.dtype))
    return (loss * weight).sum() / count.clamp_min(torch.finfo(count.dtype).tiny)


class PixelFixMatch(PixelMethod):
    """Learn maps from a few labeled tiles and many unlabeled ones.

    The weak view of an unlabeled tile gets a pseudo-label at each pixel where the model
    is confident. The strong view, turned, distorted, recoloured, with a hole and with a
    box of another tile, has to come to the same map: its geometry is undone for the
    comparison, hidden pixels count for nothing.

        L = labeled_loss + lambda_u pixel_consistency

    Source: Sohn et al. 2020, per pixel as in "PseudoSeg" (Zou et al. 2021); the box of
    another tile from French et al. 2020.

    Args:
        num_classes, labeled_view, mask_loss: see `PixelMethod`.
        threshold: confidence from which a pixel's pseudo-label counts.
        alignment: align pseudo-labels with the shares of the classes among the labeled
            pixels. Not with equal shares, as for scenes: roads are rare on any map.
        running_momentum: of the alignment's average.
        temperature, lambda_u, joint_forward: as in `FixMatch`.
    """

    views = ("weak", "strong")
    knobs = (
        *PixelMethod.knobs,
        "threshold",
        "alignment",
        "running_momentum",
        "temperature",
        "lambda_u",
        "joint_forward",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        mask_loss: str = "cross_entropy",
        threshold: float = 0.8,
        alignment: bool = True,
        running_momentum: float = 0.99,
        temperature: float = 1.0,
        lambda_u: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(
            num_classes=num_classes, labeled_view=labeled_view, mask_loss=mask_loss
        )
        self.threshold = threshold
        self.temperature = temperature
        self.lambda_u = lambda_u
        self.joint_forward = joint_forward
        self.align = (
            DistributionAlignment(num_classes, running_momentum, target="labeled")
            if alignment
            else None
        )

    def prepare(self, counts: Tensor, weights: Tensor) -> None:
        """As `PixelMethod.prepare`; the alignment's target is known from here on."""
        super().prepare(counts, weights)
        if self.align is not None:
            self.align.wanted.copy_(self.shares)

    def confident(self, probs: Tensor) -> Tensor:
        """Tell which pseudo-labels count. Shape: (n*H*W, K) -> (n*H*W,)."""
        return confidence_mask(probs, self.threshold)

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step.

        Shape: `x_lab[0]` (B, C, H, W), `y_lab` (B, H, W), `x_unl` weak and strong
        (mu*B, C, H, W), `source` (mu*B, H, W).

        Raises:
            WorkshopError: other views, or no `source`.
        """
        x, weak, strong = self.views_of(batch)
        if batch.source is None:
            raise WorkshopError("a batch of tiles without source: see `Batch`.")
        (of_x, of_strong), (of_weak,) = forward_views(
            model, [x, strong], [weak], joint=self.joint_forward
        )
        loss_x = self.labeled_loss(of_x.logits, batch.y_lab)

        logits = of_weak.logits.permute(0, 2, 3, 1).flatten(0, 2)  # (n*H*W, K)
        probs = pseudo_label(logits, self.temperature)
        if self.align is not None:
            probs = self.align(probs, self.shares[None])
        mask, pseudo = self.confident(probs), probs.argmax(dim=1)  # (n*H*W,) each
        all_pseudo = gather_rows(pseudo.view(len(weak), -1)).flatten()  # (N*H*W,)
        all_mask = gather_rows(mask.view(len(weak), -1)).flatten()
        loss_u = pixel_consistency(of_strong.logits, all_pseudo, all_mask, batch.source)
        parts = {"loss_x": loss_x, "loss_u": loss_u, "mask_rate": mask.mean()}
        return LossTerms(
            total=loss_x + self.lambda_u * loss_u,
            parts={name: value.detach() for name, value in parts.items()},
            pseudo_labels=pseudo,
            mask=mask,
        )
