"""ResNet: torchvision's trunk, our heads."""

__all__ = ["RESNETS", "ResNet"]

import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from workshop_lib.errors import unknown_name
from workshop_lib.models.heads import Classifier, ProjectionHead
from workshop_lib.models.recompute import Blocks

# Kind of block, and how many in each of the four groups (He et al. 2015, table 1)
RESNETS: dict[str, tuple[type[BasicBlock | Bottleneck], list[int]]] = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, [3, 8, 36, 3]),
}

# As in CoMatch's ResNets, whatever the depth; between the layers a plain ReLU.
PROJECTION_HIDDEN = 2048


class ResNet(Classifier):
    """Residual network with torchvision's layout (He et al. 2015).

    The trunk's names and shapes are torchvision's, so that weights learnt on other
    images load into `model.trunk` as they are (all but `fc`). Its stem divides the side
    by 4 before the first block and the whole by 32: made for 224 pixels, at home from
    64; of a 32-pixel image one position remains.

    Args:
        name: "resnet18", "resnet34", "resnet50", "resnet101" or "resnet152".
        in_channels: bands of the images, C.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.

    Shape: (B, C, H, W) of any size -> `Output` of (B, K) and (B, 512 or 2048, or
    projection_dim).

    Raises:
        WorkshopError: unknown name; lists the known ones and the nearest.
    """

    def __init__(
        self,
        name: str = "resnet18",
        *,
        in_channels: int = 3,
        num_classes: int,
        projection_dim: int = 0,
    ) -> None:
        if name not in RESNETS:
            raise unknown_name("ResNet", name, RESNETS)
        block, counts = RESNETS[name]
        feature_dim = 512 * block.expansion
        super().__init__(
            _trunk(block, counts, in_channels),
            in_channels=in_channels,
            feature_dim=feature_dim,
            num_classes=num_classes,
            projection=ProjectionHead(
                feature_dim, PROJECTION_HIDDEN, projection_dim, slope=0.0
            )
            if projection_dim
            else None,
        )


def _trunk(
    block: type[BasicBlock | Bottleneck], counts: list[int], in_channels: int
) -> nn.Module:
    trunk: nn.Module = torchvision.models.ResNet(block, counts, num_classes=1)
    trunk.add_module("fc", nn.Identity())  # the feature itself comes out
    for name in ("layer1", "layer2", "layer3", "layer4"):
        trunk.add_module(name, Blocks(*getattr(trunk, name)))
    if in_channels != 3:
        trunk.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(trunk.conv1.weight, mode="fan_out", nonlinearity="relu")
    return trunk
