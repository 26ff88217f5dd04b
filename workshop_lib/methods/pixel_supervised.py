"""Maps from labeled tiles alone: the baseline, and what all pixel methods share."""

__all__ = ["PixelMethod", "PixelSupervised"]

import torch
from torch import Tensor, nn

from workshop_lib.losses.segmentation import segmentation_loss
from workshop_lib.methods.protocol import Batch, LossTerms, Method


class PixelMethod(Method):
    """A method that learns maps; `prepare` tells it how often each class was labeled.

    Args:
        num_classes: K.
        labeled_view: augmentation of labeled tiles; masks are moved with them.
        mask_loss: on labeled pixels: "cross_entropy", "focal", "dice" or
            "cross_entropy+dice".

    `shares` and `weights` (K,) are buffers: of the labeled pixels, the share of each
    class; and what a pixel of it counts.
    """

    knobs: tuple[str, ...] = ("num_classes", "labeled_view", "mask_loss")
    shares: Tensor
    weights: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        mask_loss: str = "cross_entropy",
    ) -> None:
        super().__init__()
        self.labeled_views = (labeled_view,)
        self.loss = segmentation_loss(mask_loss)
        self.register_buffer("shares", torch.full((num_classes,), 1 / num_classes))
        self.register_buffer("weights", torch.ones(num_classes))

    def prepare(self, counts: Tensor, weights: Tensor) -> None:
        """Learn what the labeled tiles hold; called once, before the first step.

        Args:
            counts: (K,) labeled pixels of each class, at least one in all.
            weights: (K,) what a pixel of each class counts in the loss on them.
        """
        self.shares.copy_(counts / counts.sum())
        self.weights.copy_(weights)

    def labeled_loss(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Return the loss of labeled tiles: (B, K, H, W), (B, H, W) -> scalar."""
        return self.loss(logits, masks, self.weights)


class PixelSupervised(PixelMethod):
    """Learn from the labeled tiles and from nothing else.

    As for scenes, the better of the two labeled views is what other methods have to
    beat, with the same tiles and steps.
    """

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of `x_lab[0]` (B, C, H, W) against `y_lab` (B, H, W).

        Raises:
            WorkshopError: other views than one labeled.
        """
        (x,) = self.views_of(batch)
        loss_x = self.labeled_loss(model(x).logits, batch.y_lab)
        return LossTerms(total=loss_x, parts={"loss_x": loss_x.detach()})
