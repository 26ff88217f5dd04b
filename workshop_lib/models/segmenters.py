"""Networks that score pixels, by name."""

__all__ = ["SEGMENTERS", "build_segmenter"]

import re
from collections.abc import Sequence

from workshop_lib.channels import Group
from workshop_lib.models.fusion_maps import fuse_maps
from workshop_lib.models.segmenter import Segmenter
from workshop_lib.models.unet import UNet

SEGMENTERS = ("unet-16", "unet-64", "fcn-resnet18", "fcn-resnet50")

_UNET = re.compile(r"unet-(\d+)")
_FCN = re.compile(r"fcn-(resnet\d+)(?::([\d,]+))?")


def build_segmenter(
    name: str,
    *,
    in_channels: int,
    num_classes: int,
    modalities: Sequence[Group] = (),
    fusion: str = "early",
) -> Segmenter | None:
    """Build a network that scores pixels, or return None where the name is of none.

    Args:
        name: "unet-WIDTH", "fcn-RESNET" (such as "fcn-resnet18"), or with some of the
            three strides alone "fcn-resnet18:32" or "fcn-resnet18:16,32".
        in_channels: bands of the images, C.
        num_classes: K.
        modalities: which channels belong together (`channels.groups`); what a patch
            lacks is then filled.
        fusion: where the modalities meet: "early", "middle", "late" or "shared".

    Raises:
        WorkshopError: a width or strides that do not exist; an unknown fusion, or one
            that has nothing to fuse (`fuse_maps`).
    """
    unet, fcn = _UNET.fullmatch(name), _FCN.fullmatch(name)
    if unet is None and fcn is None:
        return None

    def network(channels: int) -> Segmenter:
        if unet is not None:
            return UNet(
                in_channels=channels, num_classes=num_classes, width=int(unet[1])
            )
        # Here, not above: torchvision takes seconds to import, and few runs need it.
        from workshop_lib.models.fcn import FCN, STRIDES

        assert fcn is not None
        skips = [int(s) for s in fcn[2].split(",") if s] if fcn[2] else STRIDES
        return FCN(fcn[1], in_channels=channels, num_classes=num_classes, skips=skips)

    if not modalities:
        return network(in_channels)
    return fuse_maps(fusion, modalities, network, num_classes=num_classes)
