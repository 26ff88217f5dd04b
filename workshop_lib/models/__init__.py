"""Models: sensors in, one output per head."""

__all__ = [
    "FCN",
    "ENCODERS",
    "Backbone",
    "Categorical",
    "Encoder",
    "Features",
    "Head",
    "HeadSpec",
    "ImageNetwork",
    "Model",
    "MultiLabel",
    "PlainNet",
    "ProjectionHead",
    "Regression",
    "ResNetCIFAR",
    "build_model",
]

from workshop_lib.models.build import ENCODERS, HeadSpec, build_model
from workshop_lib.models.class_heads import Categorical, MultiLabel
from workshop_lib.models.encoders import Backbone
from workshop_lib.models.fusion import Encoder
from workshop_lib.models.heads import Features, Head, Regression
from workshop_lib.models.model import Model, ProjectionHead
from workshop_lib.models.networks import FCN, ImageNetwork, PlainNet, ResNetCIFAR
