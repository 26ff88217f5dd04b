"""Photometric operations for photographs: light, color, sharpness, tone.

Each function takes a whole batch with values in [0, 1] and one strength per image,
returns the same shape and range, and changes nothing, bit for bit, where the strength
is 0. Except for color and hue any number of channels will do.

The names are those of RandAugment (Cubuk et al. 2020) and of Pillow, whose `factor`
is 1 + strength. Reflectances have their own operations in `augment.spectral`.
"""

__all__ = [
    "autocontrast",
    "brightness",
    "color",
    "color_jitter",
    "contrast",
    "equalize",
    "hue",
    "posterize",
    "sharpness",
    "solarize",
]

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.augment.base import check_images, keep_unchanged, per_image

_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue: Rec. 601


def luma(images: Tensor) -> Tensor:
    """Return how bright each pixel looks: Rec. 601 for RGB, else the mean over bands.

    Shape: (B, C, H, W) -> (B, 1, H, W).
    """
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, dim=1)
    of_red, of_green, of_blue = _LUMA
    return (of_red * red).add_(green, alpha=of_green).add_(blue, alpha=of_blue)


def brightness(images: Tensor, strength: Tensor) -> Tensor:
    """Multiply by 1 + strength; -1 is black. Shape: (B, C, H, W), (B,)."""
    return (images * (1 + per_image(strength, images))).clamp_(0, 1)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch distances from the mean luma by 1 + strength; -1 is flat gray.

    Shape: (B, C, H, W), (B,).
    """
    factor = 1 + per_image(strength, images)
    mean = luma(images).mean((2, 3), keepdim=True)  # (B, 1, 1, 1)
    return torch.lerp(mean, images, factor).clamp_(0, 1)


def color(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch distances from the pixel's own gray by 1 + strength; -1 is grayscale.

    Shape: (B, 3, H, W), (B,).
    """
    check_images(images, channels=3)
    factor = 1 + per_image(strength, images)
    return torch.lerp(luma(images), images, factor).clamp_(0, 1)


def hue(images: Tensor, strength: Tensor) -> Tensor:
    """Turn the colors about the gray axis by `strength` whole turns.

    One small matrix per image instead of the way to HSV and back, so saturated colors
    come out a little different from Pillow's; grays stay gray in both.

    Shape: (B, 3, H, W), (B,).
    """
    check_images(images, channels=3)
    return _mix(images, _hue_matrix(strength.to(images.dtype)), images.new_zeros(1))


def color_jitter(images: Tensor, *strengths: Tensor) -> Tensor:
    """Do `brightness`, `contrast`, `color`, `hue`, and blend with gray, in one pass.

    Each of them mixes the channels of a pixel, and contrast adds a gray; so all of them
    together are one matrix and one gray per image. What leaves [0, 1] on the way is
    cut off once, at the end, so strong changes lose less than one after the other.

    Shape: `images` (B, 3, H, W), the five strengths (B,) each.
    """
    check_images(images, channels=3)
    B = images.shape[0]
    bright, flat, pale, turn, gray = (
        strength.to(images.dtype).view(B, 1, 1) for strength in strengths
    )
    eye = torch.eye(3, dtype=images.dtype, device=images.device)
    # Filled where they are needed: a GPU would have to be waited for to copy them there
    weights = [images.new_full((3,), weight) for weight in _LUMA]
    luma_of = torch.stack(weights, dim=1)  # (3, 3), every row gives the gray
    paler = eye + pale * (eye - luma_of)  # (B, 3, 3)
    grayer = eye - gray * (eye - luma_of)
    light = (1 + bright) * (1 + flat)
    mixing = light * (grayer @ _hue_matrix(turn.view(B)) @ paler)
    mean = luma(images).mean((1, 2, 3)).view(B, 1, 1)
    # Gray stays gray in all that comes after contrast, so its share goes to the end.
    return _mix(images, mixing, -flat * (1 + bright) * mean)


def _hue_matrix(turns: Tensor) -> Tensor:
    """Return the rotation about (1, 1, 1), by Rodrigues' formula: (B,) -> (B, 3, 3)."""
    angle = 2 * math.pi * turns.view(-1, 1, 1)
    eye = torch.eye(3, dtype=turns.dtype, device=turns.device)
    cross = eye.roll(1, dims=0) - eye.roll(1, dims=1)  # the cross product's matrix
    # Written as a change, so that it is exactly the identity at angle 0
    change = (torch.cos(angle) - 1) * (eye - 1 / 3) + torch.sin(angle) * cross / 3**0.5
    return eye + change


def _mix(images: Tensor, mixing: Tensor, gray: Tensor) -> Tensor:
    """Multiply each pixel by its image's (3, 3) matrix, add its image's gray."""
    B, _, H, W = images.shape
    mixed = torch.baddbmm(gray, mixing, images.reshape(B, 3, H * W))  # (B, 3, H*W)
    return mixed.view(B, 3, H, W).clamp_(0, 1)


def sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch distances from a smoothed image by 1 + strength; -1 blurs, 1 sharpens.

    The smoothing is Pillow's: 3 x 3 weights of 1 with 5 in the middle; the outermost
    row and column stay as they are.

    Shape: (B, C, H, W), (B,).
    """
    weight = per_image(strength, images)
    if min(images.shape[2:]) < 3:
        return images.clone()  # nothing but border
    inner = images[:, :, 1:-1, 1:-1]
    three = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]  # (B, C, H-2, W)
    around = three[..., :-2] + three[..., 1:-1] + three[..., 2:]  # (B, C, H-2, W-2)
    detail = inner - (around + 4 * inner) / 13
    detail = F.pad(detail, (1, 1, 1, 1))  # (B, C, H, W), zero on the border
    return torch.addcmul(images, weight, detail).clamp_(0, 1)


def posterize(images: Tensor, strength: Tensor) -> Tensor:
    """Round each value down to fewer levels: `strength` bits of the eight are lost.

    Shape: (B, C, H, W), (B,) whole numbers; beyond 0 to 8 the nearer end counts.
    """
    bits = per_image(strength.clamp(0, 8), images).round()
    step = torch.exp2(bits)  # width of a level, in units of 1/255
    # The small term keeps 255 * (k / 255) from falling just below k.
    coarse = (images * 255).add_(1e-3).div_(step).floor_().mul_(step).div_(255)
    return keep_unchanged(images, coarse.clamp_(0, 1), bits.flatten() == 0)


def solarize(images: Tensor, strength: Tensor) -> Tensor:
    """Invert what is brighter than 1 - strength; 1 inverts all but black.

    Shape: (B, C, H, W), (B,); beyond 0 to 1 the nearer end counts.
    """
    bright = images > 1 - per_image(strength.clamp(0, 1), images)
    # |1 - x| inverts and |0 - x| keeps: quicker than a choice per pixel on a CPU.
    return (bright.to(images.dtype) - images).abs_()


def autocontrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch each channel to the full range; strength 1 entirely, 0 not at all.

    A channel of one single value stays as it is. Shape: (B, C, H, W), (B,).
    """
    weight = per_image(strength, images)
    low = images.amin((2, 3), keepdim=True)  # (B, C, 1, 1)
    span = images.amax((2, 3), keepdim=True) - low
    flat = span <= 0
    stretched = (images - low.masked_fill(flat, 0)).div_(span.masked_fill(flat, 1))
    return torch.lerp(images, stretched, weight).clamp_(0, 1)


def equalize(images: Tensor, strength: Tensor) -> Tensor:
    """Flatten each channel's histogram of 256 levels; strength 1 entirely, 0 not.

    Integer arithmetic as in Pillow's `ImageOps.equalize`, so that both agree exactly.

    Shape: (B, C, H, W), (B,).
    """
    # Here, not above: torchvision takes seconds to import, and few runs need it.
    from torchvision.transforms.v2.functional import equalize_image

    weight = per_image(strength, images)
    levels = (images * 255).round_().clamp_(0, 255).to(torch.uint8)
    flattened = equalize_image(levels).to(images.dtype) / 255
    return torch.lerp(images, flattened, weight).clamp_(0, 1)
