"""What every network that scores pixels shares: a class for each pixel, any size."""

__all__ = ["Segmenter", "resize_to"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.models.heads import check_inputs
from workshop_lib.models.output import Output
from workshop_lib.models.recompute import in_parts, set_checkpointing


class Segmenter(nn.Module):
    """A trunk that gives scores for each pixel, and the checks around it.

    Args:
        trunk: maps (B, C, H, W) to scores (B, K, H, W).
        in_channels: C, checked on every forward.
        num_classes: K.

    Shape: images (B, C, H, W) float, normalised -> `Output` of logits (B, K, H, W) and,
    for want of one vector per image, the mean scores (B, K) as embedding.

    `micro_batch` and `most_images` are those of `Classifier`.
    """

    def __init__(self, trunk: nn.Module, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.micro_batch = 0
        self.most_images = 0

    def save_memory(self, *, checkpointing: bool, micro_batch: int) -> None:
        """Choose how a batch goes through the trunk; see `Classifier.save_memory`."""
        self.micro_batch = micro_batch
        set_checkpointing(self.trunk, checkpointing)

    def forward(self, images: Tensor) -> Output:
        """Score the pixels of `images` (B, C, H, W).

        Raises:
            WorkshopError: not a float batch of images, or with other channels than the
                model was built for.
        """
        check_inputs(images, self.in_channels)
        if torch.is_grad_enabled():
            self.most_images = max(self.most_images, len(images))
        logits = in_parts(self.trunk, images, self.micro_batch)  # (B, K, H, W)
        return Output(logits, logits.mean((2, 3)))


def resize_to(maps: Tensor, like: Tensor) -> Tensor:
    """Resize maps bilinearly to the height and width of others.

    Shape: (B, K, h, w), (B, C, H, W) -> (B, K, H, W).
    """
    if maps.shape[2:] == like.shape[2:]:
        return maps
    return F.interpolate(
        maps, size=like.shape[2:], mode="bilinear", align_corners=False
    )
