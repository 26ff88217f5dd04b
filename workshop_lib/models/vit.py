"""Vision transformers: an image as a sequence of patches, metadata as one token more.

A transformer compares every patch with every other from the first layer on, where a
convolution sees its neighbours alone. What has no pixels needs no place of its own in
it: the date and the place of an image are one more token in the sequence, which every
patch can look at and which looks at every patch.
"""

__all__ = ["MetadataToken", "ViT", "small_vit", "vit_b_16"]

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.models.encoders import Backbone, CheckpointedSequential, set_channels


class MetadataToken(nn.Module):
    """The token in which metadata enters a transformer, at a position of its own.

    Args:
        width: D, of the tokens.

    Shape: embedded metadata (B, D) -> [(B, D, 1, 1)], as `ViT` takes it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, embedding: Tensor) -> list[Tensor]:
        """Add the position."""
        return [(embedding + self.position)[:, :, None, None]]


class ViT(Backbone):
    """A vision transformer of torchvision, with room for a token of metadata.

    It gives vectors, no maps: the last layer's output at the class token, which heads
    read, and after it that at the metadata token, if there is one. An image of any size
    is resized to the one size that the positions of the patches were learned for.

    Args:
        network: a `torchvision.models.VisionTransformer`.
        channels: bands of the images, C.

    Shape: (B, C, H, W) -> one (B, D, 1, 1), with metadata two of them.
    """

    def __init__(self, network: Any, channels: int) -> None:
        network.add_module("heads", nn.Identity())
        set_channels(network.conv_proj, channels)
        blocks = OrderedDict(network.encoder.layers.named_children())
        network.encoder.layers = CheckpointedSequential(blocks)
        stage = nn.ModuleDict({"network": network})
        super().__init__([stage], [network.hidden_dim], ())
        self.token = network.hidden_dim

    def forward(self, x: Tensor, shifts: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the outputs at the class token and at the metadata token.

        Args:
            x: images (B, C, H, W).
            shifts: the metadata token (B, D, 1, 1); empty for none.
        """
        network: Any = cast(nn.ModuleDict, self.stages[0])["network"]
        size, encoder = (network.image_size, network.image_size), network.encoder
        x = self.normalize(x)
        if x.shape[2:] != size:
            x = F.interpolate(x, size, mode="bilinear", antialias=True)
        patches = network.conv_proj(x).flatten(2).transpose(1, 2)  # (B, P, D)
        first = network.class_token.expand(len(x), -1, -1)
        tokens = torch.cat([first, patches], dim=1) + encoder.pos_embedding
        more = [token.flatten(1)[:, None] for token in shifts]  # (B, 1, D)
        tokens = encoder.dropout(torch.cat([tokens, *more], dim=1))
        tokens = encoder.ln(encoder.layers(tokens))  # (B, 1 + P, D) or (B, 2 + P, D)
        asked = (0, -1) if more else (0,)
        return [tokens[:, k, :, None, None] for k in asked]

    def metadata_entry(self) -> nn.Module:
        """Build what gives the metadata token its position."""
        return MetadataToken(self.token)


def small_vit(channels: int, width: int) -> Backbone:
    """Build a vision transformer small enough to be trained from scratch in class.

    Four blocks over 8 x 8 patches, whatever the size of the image: a patch is 4 pixels
    wide at 32 pixels, 8 at 64. With no idea of what is near what, it needs more labels
    or more unlabelled images than a convolution does.

    Source: Dosovitskiy et al. 2021, arXiv:2010.11929, with normalisation before each
    layer; the metadata token is that of Bernhard et al. 2024, arXiv:2404.18583.

    Args:
        channels: bands of the images, C.
        width: D, of the tokens; 64 suits two CPU cores.
    """
    from torchvision.models import VisionTransformer

    # Sides of image and patch, blocks, heads, widths of the tokens and between layers
    sizes = 64, 8, 4, math.gcd(width, 4), width, 2 * width
    return ViT(VisionTransformer(*sizes), channels)


def vit_b_16(channels: int) -> Backbone:
    """Build torchvision's ViT-B/16: patches of 16 pixels, images of 224.

    Its weights are those of photographs; the metadata token is new and learned anew.

    Args:
        channels: bands of the images, C.
    """
    from torchvision import models

    return ViT(models.vit_b_16(weights=None), channels)
