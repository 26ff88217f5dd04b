"""Backbones: images in, a pyramid of feature maps out, fine to coarse.

A backbone is a list of stages, each of which reads the maps of the one before. Scene
heads read the last maps, pooled to one vector; decoders (`models.networks`) read all of
them. A new backbone is a function that returns a `Backbone`, and one line in the table
of `models.build`. Here are the small ones.

Stages can trade time for memory. In training a network keeps the output of every layer,
for every image, until the backward pass has used it; for a batch of large images that
is nearly all of the memory. Keeping only the borders of blocks needs a fraction of it
and costs a second forward pass: a third more arithmetic per step.
"""

__all__ = ["Backbone", "Decoder", "MetadataShift", "pool", "small_cnn", "unet_encoder"]

import warnings
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

# torch 2.4 recomputes through a function that it calls deprecated itself
warnings.filterwarnings(
    "ignore", r"`torch\.cpu\.amp\.autocast", FutureWarning, r"torch\.utils\.checkpoint"
)

EMBEDDING = 32  # numbers that all metadata of an image become
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def recompute(module: nn.Module, x: Any) -> Any:
    """Return `module(x)` and keep nothing but `x` for the backward pass.

    The backward pass runs the module once more, with the same dropout, and gives the
    same gradients to the last bit. Batch normalisation counts a batch once: running
    statistics do not change during the second run.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), running_statistics_fixed(module)

    return checkpoint(module, x, use_reentrant=False, context_fn=contexts)


class CheckpointedSequential(nn.Sequential):
    """Modules in sequence that can keep only their borders for the backward pass.

    `checkpointing` switches that on and changes no number. Without gradient nothing is
    kept anyway.

    Args:
        segment: number of modules between two borders; 0 for all of them.
    """

    checkpointing: bool = False

    def __init__(self, *modules: Any, segment: int = 1) -> None:
        super().__init__(*modules)
        self.segment = segment

    def forward(self, x: Tensor) -> Tensor:
        """Apply all modules."""
        if not (self.checkpointing and torch.is_grad_enabled()):
            return super().forward(x)
        size = self.segment or len(self)
        for first in range(0, len(self), size):
            x = recompute(self[first : first + size], x)
        return x


@contextmanager
def running_statistics_fixed(module: nn.Module, on: bool = True) -> Iterator[None]:
    """Let batch normalisation use a batch's statistics without recording them."""
    layers = [m for m in module.modules() if on and isinstance(m, _BATCH_NORMS)]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        # 0 x new + 1 x old. Without running averages torch would keep other tensors
        # than the first time, and complain.
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count


class MetadataShift(nn.Module):
    """A shift for every channel of every stage of a backbone, read off the embedding.

    Starts small rather than at zero, so that the embedding learns from the first step.

    Shape: (B, 32) -> one (B, width, 1, 1) for each stage, of `Backbone.widths`.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.layer = nn.Linear(EMBEDDING, sum(widths))
        with torch.no_grad():
            self.layer.weight.mul_(0.1)
            self.layer.bias.zero_()

    def forward(self, embedding: Tensor) -> list[Tensor]:
        """Return the shifts of all stages."""
        shifts: Tensor = self.layer(embedding)
        return list(shifts[:, :, None, None].split(self.widths, dim=1))


class Backbone(nn.Module):
    """A list of stages whose outputs form a pyramid.

    Args:
        stages: each maps the previous stage's maps to its own.
        widths: channels of each stage's output, fine to coarse.
        strides: input pixels per output position and axis; empty where the output is a
            vector as an image of one pixel, which no decoder can use.
        projection_hidden: hidden width of the projection head the network was
            published with, which then has a plain ReLU; 0 takes the feature's width.

    `token` is the width of the token in which metadata enters a transformer (`ViT`); 0
    where it shifts the maps. `input_stride` is the number of pixels per position of
    what it reads: 1, or more where other stages come first (`skip`).

    Shape: (B, C, H, W) -> list of (B, widths[k], H / strides[k], W / strides[k]),
    rounded up or down as the network does.
    """

    token: int = 0
    input_stride: int = 1

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
                next stage reads it (`MetadataShift`); empty for none.
        """
        pyramid: list[Tensor] = []
        x = self.normalize(x)
        for k, stage in enumerate(self.stages):
            x = stage(x)
            if shifts:
                x = x + shifts[k]
            pyramid.append(x)
        return pyramid

    def metadata_entry(self) -> nn.Module:
        """Build what makes `shifts` of the embedded metadata."""
        return MetadataShift(self.widths)

    def skip(self, stages: int) -> None:
        """Remove the first so many stages: it then reads the maps that they give."""
        if stages:
            self.input_stride = self.strides[stages - 1]
        self.stages = self.stages[stages:]
        self.widths, self.strides = self.widths[stages:], self.strides[stages:]

    def truncate(self, stages: int) -> None:
        """Remove the stages after the first so many, which then cost nothing."""
        self.stages = self.stages[:stages]
        self.widths, self.strides = self.widths[:stages], self.strides[:stages]


class Decoder(nn.Module):
    """Maps of several sizes in, maps for dense heads out.

    `widths` holds the channels of each level that comes out, fine to coarse; `stages`
    is the number of levels of the pyramid that it reads.

    Shape: a pyramid -> a tuple of maps (B, widths[k], h, w), fine to coarse.
    """

    widths: tuple[int, ...]
    stages: int


def pool(maps: Tensor) -> Tensor:
    """Average maps over all positions. Shape: (B, D, h, w) -> (B, D)."""
    return F.adaptive_avg_pool2d(maps, 1).flatten(1)


def stages_of(network: nn.Module, groups: Sequence[Sequence[str]]) -> list[nn.Module]:
    """Split a ready-made network into stages: its parts of the given names."""
    parts = dict(network.named_children())
    return [
        nn.Sequential(OrderedDict((k, parts[k]) for k in names)) for names in groups
    ]


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


def small_cnn(channels: int) -> Backbone:
    """Build a network small enough to be trained in class on two CPU cores.

    Six convolutions in three pairs. A 32-pixel image takes a thirtieth of the
    arithmetic of a WRN-28-2, because the first convolution already halves the image and
    the wide layers only see 4 x 4 positions. Three halvings suit 24 to 96 pixels.

    Args:
        channels: bands of the images, C.
    """
    widths, stages = (24, 48, 96), list[nn.Module]()
    # The first convolution halves at once: full resolution would cost as much as the
    # rest. The last pair keeps 4 x 4 positions of a 32-pixel image for the pooling.
    for width, (one, two) in zip(widths, ((2, 2), (1, 2), (1, 1)), strict=True):
        layers = conv_bn_act(channels, width, one) + conv_bn_act(width, width, two)
        stages.append(CheckpointedSequential(*layers, segment=0))
        channels = width
    return Backbone(stages, widths, (4, 8, 8))


def conv_bn_act(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    """Build a convolution of 3 x 3 with its normalisation and a LeakyReLU."""
    return [
        # No bias: the normalisation that follows would subtract it again.
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.1, inplace=True),  # nothing else reads its input
    ]


def unet_encoder(channels: int, width: int) -> Backbone:
    """Build the U-Net's own encoder: three levels, from the image's full size down.

    Args:
        channels: bands of the images, C.
        width: channels at full size; twice and four times as many below. 16 suits two
            CPU cores (0.12 million parameters with its decoder), 64 a GPU (1.9
            million).
    """
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
    one, two = conv_bn_act(before, after), conv_bn_act(after, after)
    one[-1], two[-1] = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    return CheckpointedSequential(*one, *two, segment=0)


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
