"""Small heads on features that a frozen backbone has computed."""

__all__ = ["FEATURE_HEADS", "feature_head"]

import re

from torch import nn

from workshop_lib.models.heads import Classifier, ProjectionHead

FEATURE_HEADS = ("linear", "mlp-256")

_MLP = re.compile(r"mlp-(\d+)")


def feature_head(
    name: str, *, in_channels: int, num_classes: int, projection_dim: int = 0
) -> Classifier | None:
    """Build a head that classifies features; None if the name is no head's.

    Half of the hidden values are dropped at random in training: with a handful of
    labels a head soon relies on the few that happen to tell these images apart.

    Args:
        name: "linear", or "mlp-WIDTH" with one hidden layer.
        in_channels: length D of the feature.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.

    Shape: (B, D, 1, 1), a feature as an image of one pixel -> `Output` of (B, K) and
    (B, D, the hidden width, or projection_dim).
    """
    mlp = _MLP.fullmatch(name)
    if name != "linear" and (mlp is None or int(mlp[1]) < 1):
        return None
    width = int(mlp[1]) if mlp else in_channels
    layers: list[nn.Module] = [nn.Flatten()]  # (B, D)
    if mlp:
        layers += [nn.Linear(in_channels, width), nn.ReLU(), nn.Dropout(0.5)]
    return Classifier(
        nn.Sequential(*layers),
        in_channels=in_channels,
        feature_dim=width,
        num_classes=num_classes,
        projection=ProjectionHead(width, width, projection_dim)
        if projection_dim
        else None,
    )
