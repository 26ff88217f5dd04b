"""Networks that score pixels, by name."""

__all__ = ["SEGMENTERS", "build_segmenter"]

import re
from collections.abc import Sequence

from torch import nn

from workshop_lib.channels import Group
from workshop_lib.errors import WorkshopError
from workshop_lib.models.fusion import Fill
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
        modalities: of a packed image; what a patch lacks is then filled.
        fusion: "early"; for maps there is no other.

    Raises:
        WorkshopError: another fusion, a width or strides that do not exist.
    """
    found: Segmenter
    if unet := _UNET.fullmatch(name):
        found = UNet(
            in_channels=in_channels, num_classes=num_classes, width=int(unet[1])
        )
    elif fcn := _FCN.fullmatch(name):
        # Here, not above: torchvision takes seconds to import, and few runs need it.
        from workshop_lib.models.fcn import FCN, STRIDES

        skips = [int(s) for s in fcn[2].split(",") if s] if fcn[2] else STRIDES
        found = FCN(
            fcn[1], in_channels=in_channels, num_classes=num_classes, skips=skips
        )
    else:
        return None
    if modalities:
        if fusion != "early":
            raise WorkshopError(
                f"fusion={fusion!r} with model={name!r}: networks that score pixels"
                " read all modalities stacked; use fusion='early'."
            )
        found.trunk = nn.Sequential(Fill(in_channels), found.trunk)
    return found
