"""What every model returns."""

__all__ = ["Output"]

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """Scores and the vector they were read from.

    Shape: `logits` (B, K), or (B, K, H, W) for segmentation; `embedding` (B, D): the
    L2-normalised projection where the model has a projection head, otherwise the pooled
    feature that the classifier reads.
    """

    logits: Tensor
    embedding: Tensor
