"""Models: sensors in, one output per head."""

__all__ = [
    "BACKBONES",
    "FCN",
    "ENCODERS",
    "Backbone",
    "Categorical",
    "Encoder",
    "Features",
    "Head",
    "HeadSpec",
    "Model",
    "MultiLabel",
    "PlainNet",
    "ProjectionHead",
    "Regression",
    "ResNetCIFAR",
    "SmallCNN",
    "UNet",
    "WideResNet",
    "build_model",
]

from workshop_lib.next.models.build import BACKBONES, ENCODERS, HeadSpec, build_model
from workshop_lib.next.models.encoders import Backbone
from workshop_lib.next.models.fusion import Encoder
from workshop_lib.next.models.heads import (
    Categorical,
    Features,
    Head,
    MultiLabel,
    Regression,
)
from workshop_lib.next.models.model import Model, ProjectionHead
from workshop_lib.next.models.networks import (
    FCN,
    PlainNet,
    ResNetCIFAR,
    SmallCNN,
    UNet,
    WideResNet,
)
