"""Backbones: images in, a pyramid of feature maps out, fine to coarse.

A backbone is a list of stages, each of which reads the maps of the one before. Scene
heads read the last maps, pooled to one vector; decoders (`models.decoders`) read all of
them. A new backbone is a function that returns a `Backbone`, and one line in the table
of `models.build`. Here are the small ones.
"""

__all__ = [
    "Backbone",
    "double_conv",
    "draw_seed",
    "feature_mlp",
    "pool",
    "seeded",
    "set_channels",
    "small_cnn",
    "unet_encoder",
]

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.models.checkpointing import CheckpointedSequential


class Backbone(nn.Module):
    """A list of stages whose outputs form a pyramid.

    Args:
        stages: each maps the previous stage's maps to its own.
        widths: channels of each stage's output, fine to coarse.
        strides: input pixels per output position and axis; empty where the output is a
            vector as an image of one pixel, which no decoder can use.
        projection_hidden: hidden width of the projection head the network was
            published with, which then has a plain ReLU; 0 takes the feature's width.

    Shape: (B, C, H, W) -> list of (B, widths[k], H / strides[k], W / strides[k]),
    rounded up or down as the network does.
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        widths: Sequence[int],
        strides: Sequence[int],
        projection_hidden: int = 0,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.widths, self.strides = tuple(widths), tuple(strides)
        self.projection_hidden = projection_hidden
        self.normalize: nn.Module = nn.Identity()  # of a pretrained network's input

    def forward(self, x: Tensor, shifts: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the maps of all stages.

        Args:
            x: images (B, C, H, W).
            shifts: for each stage (B, widths[k], 1, 1), added to its output before the
                next stage reads it (`metadata.MetadataShift`); empty for none.
        """
        pyramid: list[Tensor] = []
        x = self.normalize(x)
        for k, stage in enumerate(self.stages):
            x = stage(x)
            if shifts:
                x = x + shifts[k]
            pyramid.append(x)
        return pyramid

    def truncate(self, stages: int) -> None:
        """Remove the stages after the first so many, which then cost nothing."""
        self.stages = self.stages[:stages]
        self.widths, self.strides = self.widths[:stages], self.strides[:stages]


def pool(maps: Tensor) -> Tensor:
    """Average maps over all positions. Shape: (B, D, h, w) -> (B, D)."""
    return F.adaptive_avg_pool2d(maps, 1).flatten(1)


def set_channels(convolution: nn.Conv2d, channels: int) -> None:
    """Make the first convolution of a ready-made network read so many channels."""
    if channels == convolution.in_channels:
        return
    convolution.in_channels = channels
    out, _, *kernel = convolution.weight.shape
    convolution.weight = nn.Parameter(
        convolution.weight.new_empty(out, channels, *kernel)
    )
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")


def small_cnn(channels: int, widths: Sequence[int] = (24, 48, 96)) -> Backbone:
    """Build a network small enough to be trained in class on two CPU cores.

    Six convolutions in three pairs. A 32-pixel image takes a thirtieth of the
    arithmetic of a WRN-28-2, because the first convolution already halves the image and
    the wide layers only see 4 x 4 positions. Three halvings suit 24 to 96 pixels.

    Args:
        channels: bands of the images, C.
        widths: channels of each pair of convolutions.
    """
    stages: list[nn.Module] = []
    last = len(widths) - 1
    for k, width in enumerate(widths):
        # The first one halves at once: full resolution would cost as much as the rest.
        layers = _conv_bn_act(channels, width, stride=2 if k == 0 else 1)
        # The last pair keeps 4 x 4 positions of a 32-pixel image for the pooling.
        layers += _conv_bn_act(width, width, stride=1 if k == last else 2)
        stages.append(CheckpointedSequential(*layers, segment=0))
        channels = width
    halvings = [min(k + 2, len(widths)) for k in range(len(widths))]
    return Backbone(stages, widths, [2**n for n in halvings])


def _conv_bn_act(before: int, width: int, stride: int) -> list[nn.Module]:
    return [
        # No bias: the normalisation that follows would subtract it again.
        nn.Conv2d(before, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(0.1, inplace=True),  # nothing else reads its input
    ]


def feature_mlp(channels: int, hidden: int = 0) -> Backbone:
    """Build what classifies the features of a frozen backbone: nothing, or one layer.

    Half of the hidden values are dropped at random in training: with a handful of
    labels a head quickly relies on the few that happen to separate these images.

    Args:
        channels: length D of the feature, given as an image of one pixel (B, D, 1, 1).
        hidden: width of the hidden layer; 0 for a linear classifier.

    Raises:
        WorkshopError: a negative width.
    """
    if hidden < 0:
        raise WorkshopError(f"mlp-{hidden}: give a hidden width of at least 1.")
    if not hidden:
        return Backbone([nn.Identity()], [channels], ())
    layers = [nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(0.5)]
    layers.append(nn.Unflatten(1, (hidden, 1, 1)))
    return Backbone([nn.Sequential(*layers)], [hidden], ())


def unet_encoder(channels: int, width: int) -> Backbone:
    """Build the U-Net's own encoder: three levels, from the image's full size down.

    Args:
        channels: bands of the images, C.
        width: channels at full size; twice and four times as many below. 16 suits two
            CPU cores (0.12 million parameters with its decoder), 64 a GPU (1.9
            million).

    Raises:
        WorkshopError: a width below 1.
    """
    if width < 1:
        raise WorkshopError(f"a U-Net of width {width}: give at least 1, as unet-16.")
    widths = (width, 2 * width, 4 * width)
    stages: list[nn.Module] = []
    for k, (before, after) in enumerate(zip((channels, *widths), widths, strict=False)):
        block = double_conv(before, after)
        # No row of an odd size is lost
        pooled = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), block)
        stages.append(pooled if k else block)
    return Backbone(stages, widths, (1, 2, 4))


def double_conv(before: int, after: int) -> CheckpointedSequential:
    """Build two convolutions of 3 x 3, each with normalisation and ReLU."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [
            nn.Conv2d(channels, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return CheckpointedSequential(*layers, segment=0)


def draw_seed() -> int:
    """Draw a seed from torch's global generator (`torch.manual_seed`)."""
    drawn = torch.randint(2**31, (), device="cpu")  # wherever the weights are made
    # Fake tensors hold no number, and their weights none either
    return int(drawn) if type(drawn) is Tensor else 0


@contextmanager
def seeded(seed: int, part: str) -> Iterator[None]:
    """Draw the weights of one part of a network from a random stream of its own.

    So the same seed gives a backbone the same weights with or without metadata, another
    sensor, a projection head or one more task.
    """
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(zlib.crc32(f"{seed} {part}".encode()))
    try:
        yield
    finally:
        torch.set_rng_state(state)
