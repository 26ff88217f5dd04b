"""FCN: a scene classifier without its end, and scores at three sizes."""

__all__ = ["STRIDES", "FCN"]

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.resnet import RESNETS, ResNet
from workshop_lib.models.segmenter import Segmenter, resize_to

STRIDES = (8, 16, 32)  # after the second, third and fourth group of a ResNet


class FCN(Segmenter):
    """A ResNet whose maps of three sizes are scored, enlarged and added.

    A classifier averages its last map away. Scored position by position, by a
    convolution of one pixel, it tells what is where, but in steps of 32 pixels; scores
    of the two maps before, of 16 and 8, add the detail. A fully connected layer is
    nowhere, so an image may have any size, odd ones too.

    Source: Long et al. 2015; the sum of three bilinear maps as in "semseg_vaihingen".
    The heads of a ResNet-50 have 21,522 parameters for six classes, like there. In all
    it is 23,529,554 where Keras counts 23,609,234: the 79,680 more are biases before
    batch normalisations, which do nothing there (26,560), and running means and
    variances, which torch does not call parameters (53,120).

    Args:
        name: of the trunk: "resnet18", 34, 50, 101 or 152.
        in_channels: bands of the images, C.
        num_classes: K.
        skips: which of the strides 8, 16, 32 are scored; the rest is switched off.

    Shape: (B, C, H, W) of any size -> `Output` of (B, K, H, W) and (B, K).

    Raises:
        WorkshopError: an unknown trunk, or skips other than some of 8, 16, 32.
    """

    def __init__(
        self,
        name: str = "resnet18",
        *,
        in_channels: int = 3,
        num_classes: int,
        skips: Sequence[int] = STRIDES,
    ) -> None:
        if not skips or not set(skips) <= set(STRIDES) or len(set(skips)) < len(skips):
            raise WorkshopError(
                f"skips={tuple(skips)}: give one, two or all of the strides 8, 16, 32."
            )
        resnet = ResNet(name, in_channels=in_channels, num_classes=1)
        super().__init__(
            _Trunk(resnet.trunk, name, num_classes, sorted(skips)),
            in_channels=in_channels,
            num_classes=num_classes,
        )


class _Trunk(nn.Module):
    def __init__(
        self, backbone: nn.Module, name: str, K: int, skips: Sequence[int]
    ) -> None:
        super().__init__()
        block, _ = RESNETS[name]
        width = {8: 128, 16: 256, 32: 512}
        for stride in STRIDES[STRIDES.index(max(skips)) + 1 :]:  # nobody looks at them
            setattr(backbone, f"layer{STRIDES.index(stride) + 2}", nn.Identity())
        self.backbone = backbone
        self.heads = nn.ModuleDict(
            {str(s): nn.Conv2d(width[s] * block.expansion, K, 1) for s in skips}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel. (B, C, H, W) -> (B, K, H, W)."""
        net: Any = self.backbone  # torchvision's ResNet, whose parts go by name
        maps = net.maxpool(net.relu(net.bn1(net.conv1(x))))  # (B, 64, H/4, W/4)
        maps = net.layer1(maps)
        total: Tensor | None = None
        layers = (net.layer2, net.layer3, net.layer4)
        for stride, layer in zip(STRIDES, layers, strict=True):
            maps = layer(maps)  # (B, D, H/stride, W/stride), rounded up
            if str(stride) in self.heads:
                scores = resize_to(self.heads[str(stride)](maps), x)
                total = scores if total is None else total + scores
        assert total is not None  # there is at least one head
        return total
