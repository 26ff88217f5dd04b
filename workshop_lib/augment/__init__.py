"""Augmentation of whole batches, on whatever device the images are.

    from workshop_lib.augment import augmentations_for
    augmentations = augmentations_for(is_rgb=True)
    x_strong = augmentations["strong"](images, generator)   # (B, 3, H, W) in [0, 1]

Every augmentation takes float images (B, C, H, W) and a `torch.Generator` on their
device, and changes each image in its own way. `geometry`, `photometric`, `spectral` and
`occlusion` hold the operations; `rgb` and `spectral` the augmentations made of them;
`multimodal` those of several sensors, by a view's name; `views` makes the views of a
training; `normalize` comes last.
"""

__all__ = [
    "BandNormalize",
    "FeatureViewMaker",
    "Normalize",
    "SampleAugmentation",
    "ViewMaker",
    "Weak",
    "augmentations_for",
    "to_float",
]

from workshop_lib.augment.geometry import Weak
from workshop_lib.augment.multimodal import SampleAugmentation, augmentations_for
from workshop_lib.augment.normalize import BandNormalize, Normalize, to_float
from workshop_lib.augment.views import FeatureViewMaker, ViewMaker
