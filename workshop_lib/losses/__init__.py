"""The losses that the methods are put together from: one idea, one file."""

__all__ = [
    "DistributionAlignment",
    "confidence_mask",
    "consistency_loss",
    "pseudo_label",
    "supervised_loss",
]

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
