"""Losses: the parts that the methods are built from.

Whole losses are at hand here; their parts, and what methods remember, in the modules.
"""

__all__ = ["dice_loss", "fixmatch_loss", "focal_loss", "nt_xent"]

from workshop_lib.losses.contrastive import nt_xent
from workshop_lib.losses.pseudo_labels import dice_loss, fixmatch_loss, focal_loss
