"""Networks by name."""

__all__ = [
    "MODEL_NAMES",
    "Classifier",
    "Output",
    "SEGMENTERS",
    "ProjectionHead",
    "Segmenter",
    "SmallCNN",
    "WideResNet",
    "build_model",
]

import re
from collections.abc import Sequence

import torch

from workshop_lib.channels import Group
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.feature_head import FEATURE_HEADS, feature_head
from workshop_lib.models.fusion import fuse
from workshop_lib.models.heads import Classifier, ProjectionHead
from workshop_lib.models.output import Output
from workshop_lib.models.plain_residual import PlainResidual
from workshop_lib.models.segmenter import Segmenter
from workshop_lib.models.segmenters import SEGMENTERS, build_segmenter
from workshop_lib.models.small_cnn import SmallCNN
from workshop_lib.models.wide_resnet import WideResNet

# Wide ResNets go by pattern, wrn-DEPTH-WIDTH; two stand here for all.
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
MODEL_NAMES: tuple[str, ...] = (
    "small_cnn",
    "wrn-28-2",
    "wrn-28-8",
    *RESNETS,
    "plain-20",
    "residual-20",
    *FEATURE_HEADS,
)

_WRN = re.compile(r"wrn-(\d+)-(\d+)")
_PLAIN = re.compile(r"(plain|residual)-(\d+)")


def build_model(
    name: str,
    *,
    in_channels: int,
    num_classes: int,
    projection_dim: int = 0,
    modalities: Sequence[Group] = (),
    fusion: str = "early",
) -> Classifier | Segmenter:
    """Build a network from its name, with random weights.

    The weights are drawn from torch's global generator (`torch.manual_seed`) and laid
    out channels-last, which convolutions on CPUs and tensor cores read fastest; results
    are the same. Wide ResNets get a batch-normalisation momentum of 0.1, not the
    paper's 0.001: in a run of a few thousand steps that would keep part of the initial
    statistics to the end.

    Args:
        name: "small_cnn", "wrn-DEPTH-WIDTH" (such as "wrn-28-2"), "resnet18", 34, 50,
            101 or 152; for features of a frozen backbone "linear" or "mlp-WIDTH"; for
            a lesson "plain-DEPTH" and "residual-DEPTH"; for maps "unet-WIDTH" or
            "fcn-RESNET" (`build_segmenter`).
        in_channels: bands of the images, C.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.
        modalities: which channels belong together (`channels.groups`); the named
            network is then the backbone of a fusion model.
        fusion: where the modalities meet: "early", "middle", "late" or "shared".

    Returns:
        A module whose forward maps normalised images (B, C, H, W) to an `Output`.

    Raises:
        WorkshopError: unknown name, impossible depth, or a size below its minimum.
    """
    if in_channels < 1 or num_classes < 1 or projection_dim < 0:
        raise WorkshopError(
            f"in_channels={in_channels}, num_classes={num_classes},"
            f" projection_dim={projection_dim}: expected at least 1, 1 and 0."
        )
    model: Classifier | Segmenter | None
    model = build_segmenter(
        name,
        in_channels=in_channels,
        num_classes=num_classes,
        modalities=modalities,
        fusion=fusion,
    )
    if model is not None:
        if projection_dim:
            raise WorkshopError(
                f"projection_dim={projection_dim} with model={name!r}: a network that"
                " scores pixels has no projection head."
            )
    elif modalities:
        model = fuse(
            fusion,
            modalities,
            lambda channels: _build(name, channels, num_classes, 0),
            num_classes=num_classes,
            projection_dim=projection_dim,
        )
    else:
        model = _build(name, in_channels, num_classes, projection_dim)
    return model.to(memory_format=torch.channels_last)


def _build(name: str, C: int, K: int, projection_dim: int) -> Classifier:
    if name == "small_cnn":
        return SmallCNN(in_channels=C, num_classes=K, projection_dim=projection_dim)
    if name in RESNETS:
        # Here, not above: torchvision takes seconds to import, and few runs need it.
        from workshop_lib.models.resnet import ResNet

        return ResNet(name, in_channels=C, num_classes=K, projection_dim=projection_dim)
    if wrn := _WRN.fullmatch(name):
        return WideResNet(
            depth=int(wrn[1]),
            width=int(wrn[2]),
            in_channels=C,
            num_classes=K,
            projection_dim=projection_dim,
            bn_momentum=0.1,
        )
    if found := _PLAIN.fullmatch(name):
        return PlainResidual(
            int(found[2]),
            found[1] == "residual",
            in_channels=C,
            num_classes=K,
            projection_dim=projection_dim,
        )
    head = feature_head(
        name, in_channels=C, num_classes=K, projection_dim=projection_dim
    )
    if head is not None:
        return head
    raise unknown_name("model", name, (*MODEL_NAMES, *SEGMENTERS))
