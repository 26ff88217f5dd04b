"""From a pooled feature to scores and, where asked for, to a point on the unit sphere.

Every classifier here is a trunk (images to one vector per image) and these heads, so
that a trunk can be exchanged, or trained elsewhere, without touching the rest.
"""

__all__ = ["Classifier", "ProjectionHead", "check_inputs"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.models.output import Output
from workshop_lib.models.recompute import in_parts, set_checkpointing

# Below this length a projection counts as zero. Not smaller: the gradient of the
# division grows with its inverse.
SHORTEST = 1e-6


class ProjectionHead(nn.Module):
    """Project a feature to a unit vector whose direction contrastive losses compare.

    Two linear layers with an activation between (the head g of Chen et al. 2020,
    SimCLR), then division by the length. A zero vector stays zero instead of becoming
    NaN.

    Args:
        in_features: length of the feature.
        hidden_features: length between the two layers; usually that of the feature.
        out_features: length of the projection; 64 and 128 are usual.
        slope: of the LeakyReLU between the layers; 0 is a plain ReLU.

    Shape: (B, in_features) -> (B, out_features), each row of length 1, in float32 or
    finer also under mixed precision.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        *,
        slope: float = 0.1,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.activation = nn.LeakyReLU(slope)
        self.fc2 = nn.Linear(hidden_features, out_features)

    def forward(self, feature: Tensor) -> Tensor:
        """Project `feature` (B, in_features) to unit vectors (B, out_features)."""
        z = self.fc2(self.activation(self.fc1(feature)))  # (B, out_features)
        # In half precision SHORTEST would round to zero and 0/0 come back.
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        return F.normalize(z, dim=1, eps=SHORTEST)


class Classifier(nn.Module):
    """A trunk that turns images into features, a linear layer that scores the classes.

    Args:
        trunk: maps (B, C, H, W) to features (B, D).
        in_channels: C, checked on every forward so that a band too many is told in
            words.
        feature_dim: D.
        num_classes: K.
        projection: optional head for contrastive methods; without it the embedding is
            the feature itself.

    Shape: images (B, C, H, W) float, normalised -> `Output` of logits (B, K) and
    embedding (B, D) or (B, projection's out_features).

    `micro_batch` is how many images go through the trunk at a time, 0 for all;
    `save_memory` sets it. `most_images` remembers the largest batch that went through
    it with gradient.
    """

    def __init__(
        self,
        trunk: nn.Module,
        *,
        in_channels: int,
        feature_dim: int,
        num_classes: int,
        projection: ProjectionHead | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.feature_dim = feature_dim
        self.num_classes = num_classes
        self.trunk = trunk
        self.classifier = nn.Linear(feature_dim, num_classes)
        self.projection = projection
        self.micro_batch = 0
        self.most_images = 0

    def save_memory(self, *, checkpointing: bool, micro_batch: int) -> None:
        """Choose how a batch goes through the trunk; weights and loss stay the same.

        Args:
            checkpointing: keep the borders of blocks for the backward pass, and compute
                again what is between them (`Blocks`). Changes no number.
            micro_batch: images at a time, 0 for all (`in_parts`). Batch normalisation
                in training then takes its statistics from so many.
        """
        self.micro_batch = micro_batch
        set_checkpointing(self.trunk, checkpointing)

    def forward(self, images: Tensor) -> Output:
        """Score `images` (B, C, H, W).

        Raises:
            WorkshopError: not a float batch of images, or with other channels than the
                model was built for.
        """
        feature = self.features(images)  # (B, D)
        logits = self.classifier(feature)  # (B, K)
        embedding = feature if self.projection is None else self.projection(feature)
        return Output(logits, embedding)

    def features(self, images: Tensor) -> Tensor:
        """Return what the classifier reads (B, D), also where there is a projection.

        Raises:
            WorkshopError: as `forward`.
        """
        check_inputs(images, self.in_channels)
        if torch.is_grad_enabled():
            self.most_images = max(self.most_images, len(images))
        return in_parts(self.trunk, images, self.micro_batch)  # (B, D)


def check_inputs(images: Tensor, in_channels: int) -> None:
    """Refuse what a network cannot read, so that a band too many is told in words.

    Raises:
        WorkshopError: not a float batch (B, in_channels, H, W).
    """
    if images.ndim != 4 or images.shape[1] != in_channels:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)} given to a model that reads"
            f" (B, {in_channels}, H, W): give a batch with {in_channels} channels, or"
            " build the model with another in_channels."
        )
    if not images.is_floating_point():
        raise WorkshopError(
            f"images of type {images.dtype} given to a model that reads normalised"
            " floats: apply to_float and Normalize of workshop_lib.augment first."
        )
