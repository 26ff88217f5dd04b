"""Augmentation policies by name, for photographs and for reflectances.

A method asks for views by these names; which policy answers depends on the images:

    name            RGB in [0, 1]            reflectance >= 0
    "weak"          Weak                     Weak
    "strong"        RandAugment              SpectralStrong
    "contrastive"   Contrastive              SpectralContrastive
    "none"          NoAugment                NoAugment

Images of several modalities have theirs in `augment.modal`.

Normalisation is no part of a policy: it comes last, in `augment.normalize`.
"""

__all__ = ["get_policy", "policies_for"]

from collections.abc import Sequence

from workshop_lib.augment.contrastive import Contrastive
from workshop_lib.augment.modal import modal_policies
from workshop_lib.augment.policy import NoAugment, Policy
from workshop_lib.augment.randaugment import RandAugment
from workshop_lib.augment.randaugment_mc import RandAugmentMC
from workshop_lib.augment.spectral import SpectralContrastive, SpectralStrong
from workshop_lib.augment.weak import Weak
from workshop_lib.channels import Group
from workshop_lib.errors import unknown_name


def policies_for(is_rgb: bool, magnitude: float = 1.0) -> dict[str, Policy]:
    """Return the policy behind each view's name.

    Args:
        is_rgb: photographs with three channels in [0, 1], as opposed to reflectances.
        magnitude: strength of the strong and the contrastive view; 1 is the default.

    Returns:
        "weak", "strong", "contrastive" and "none"; for RGB also "randaugment_mc", the
        pool of most torch implementations of FixMatch, for comparisons with them.

    Raises:
        WorkshopError: negative magnitude.

    >>> sorted(policies_for(is_rgb=False))
    ['contrastive', 'none', 'strong', 'weak']
    """
    if is_rgb:
        return {
            "weak": Weak(),
            "strong": RandAugment(magnitude=magnitude),
            "contrastive": Contrastive(magnitude=magnitude),
            "none": NoAugment(),
            "randaugment_mc": RandAugmentMC(),
        }
    return {
        "weak": Weak(),
        "strong": SpectralStrong(magnitude=magnitude),
        "contrastive": SpectralContrastive(magnitude=magnitude),
        "none": NoAugment(),
    }


def get_policy(
    name: str,
    is_rgb: bool,
    magnitude: float = 1.0,
    *,
    modalities: Sequence[Group] = (),
    dropout: float = 0.0,
) -> Policy:
    """Return one policy by name; the arguments are those of `policies_for`.

    With `modalities` it is one of `modal_policies`, which `dropout` belongs to.

    Raises:
        WorkshopError: an unknown name; lists the known ones and the nearest.
    """
    if modalities:
        policies = modal_policies(modalities, magnitude, dropout)
    else:
        policies = policies_for(is_rgb, magnitude)
    if name not in policies:
        raise unknown_name("augmentation policy", name, policies)
    return policies[name]
