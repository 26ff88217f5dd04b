"""Models: sensors in, one output per head.

What builds a network is at hand here; backbones, decoders and heads in the modules.
"""

__all__ = ["FCN", "HeadSpec", "ImageNetwork", "Model", "build_model"]

from workshop_lib.models.build import HeadSpec, build_model
from workshop_lib.models.model import Model
from workshop_lib.models.networks import FCN, ImageNetwork
