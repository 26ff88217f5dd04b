"""Augmentation of whole batches, on whatever device the images are.

    from workshop_lib.augment import policies_for
    policies = policies_for(is_rgb=True)
    x_strong = policies["strong"](images, generator)     # (B, 3, H, W) in [0, 1]

Every policy takes float images (B, C, H, W) and a `torch.Generator` on their device,
and gives each image a change of its own. The rooms: `geometry`, `photometric` and
`spectral` hold the operations, `weak`, `randaugment`, `contrastive` and `spectral` the
policies made of them, `normalize` the step that comes after.
"""

__all__ = [
    "Contrastive",
    "NoAugment",
    "Normalize",
    "Policy",
    "RandAugment",
    "RandAugmentMC",
    "SpectralContrastive",
    "SpectralStrong",
    "Weak",
    "get_policy",
    "policies_for",
    "to_float",
]

from workshop_lib.augment.contrastive import Contrastive
from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.augment.policies import get_policy, policies_for
from workshop_lib.augment.policy import NoAugment, Policy
from workshop_lib.augment.randaugment import RandAugment
from workshop_lib.augment.randaugment_mc import RandAugmentMC
from workshop_lib.augment.spectral import SpectralContrastive, SpectralStrong
from workshop_lib.augment.weak import Weak
