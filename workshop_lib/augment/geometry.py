"""Geometry: dihedral moves, shifts, rotations, shears, zooms and crops, and the views.

Each function treats a whole batch at once and takes one parameter per image. A
parameter of zero returns that image bit for bit. Images may have any height, width and
number of bands; values are only moved or averaged, so their range is kept. `Weak` and
`ContrastiveView` draw the parameters.
"""

__all__ = ["ContrastiveView", "Weak", "affine", "dihedral", "move", "resized_crop"]

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.augment import base
from workshop_lib.augment.base import Augmentation, Params, Shape
from workshop_lib.errors import unknown_name

_SYMMETRIES = ("eight", "mirror", "none")
_LOG_RATIO = 0.2877  # of a crop's sides: 3:4 to 4:3


@dataclass(frozen=True)
class Weak(Augmentation):
    """Turn or mirror each image and shift it a little, with any number of bands.

    FixMatch takes pseudo-labels from this view, so it must not make recognition harder.
    The paper mirrors left and right only; for images from above all eight symmetries
    keep the label (`symmetries="eight"`).

    >>> images = torch.rand(2, 4, 32, 32)
    >>> Weak()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 4, 32, 32])
    """

    shift: float = 0.125  # largest shift as a fraction of the side (4 pixels of 32)
    symmetries: Literal["eight", "mirror", "none"] = "eight"  # mirror: left and right

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw a symmetry (B,) and a shift (B, 2) in pixels; see `move`."""
        B, _, *sides = shape
        which = _sample_dihedral(shape, self.symmetries, generator)
        reach = [int(side * self.shift) for side in sides]  # pixels, down and right
        shift = [base.integers(-r, r + 1, B, generator) for r in reach]
        return which, torch.stack(shift, dim=1)

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move the pixels. Shape: (B, C, H, W) -> the same."""
        which, shift = params
        return move(images, which, shift)


@dataclass(frozen=True)
class ContrastiveView(Augmentation):
    """A random crop, enlarged and turned; subclasses jitter its values (`jitter`).

    A network learns to embed two such views of one image alike, so it cannot rely on
    what differs between them: place, scale and color statistics.

    Source: SimCLR (Chen et al. 2020, appendix A). Ours differs: the jitter has a fixed
    order, and images from above take all eight symmetries.
    """

    magnitude: float = 1.0  # multiplies the ranges of the jitter
    area: tuple[float, float] = (0.2, 1.0)  # range of the crop's fraction of the image
    jitter_probability: float = 0.8
    gray_probability: float = 0.2
    symmetries: Literal["eight", "mirror", "none"] = "eight"

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw the crop's corner and size (B, 2), a symmetry (B,), then the jitter."""
        B = shape[0]
        fraction = base.uniform((B,), *self.area, generator)
        widest = _LOG_RATIO if self.area[0] < 1 else 0.0  # a whole image keeps its own
        ratio = torch.exp(base.uniform((B,), -widest, widest, generator))
        size = torch.stack([fraction / ratio, fraction * ratio], 1)  # (B, 2)
        size = size.sqrt().clamp(max=1)
        corner = base.uniform((B, 2), 0, 1, generator) * (1 - size)
        which = _sample_dihedral(shape, self.symmetries, generator)
        return corner, size, which, *self.sample_jitter(shape, generator)

    def sample_jitter(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw the strengths of the changes of values, a row per image."""
        raise NotImplementedError

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Crop and turn. Shape: (B, C, H, W) -> the same."""
        return resized_crop(images, *params[:3])


def _sample_dihedral(
    shape: Shape, symmetries: str, generator: torch.Generator
) -> Tensor:
    """Draw for each image one of the symmetries that keep its shape: (B,), 0 to 7.

    Raises:
        WorkshopError: an unknown kind of symmetries.
    """
    if symmetries not in _SYMMETRIES:
        raise unknown_name("kind of symmetries", symmetries, _SYMMETRIES)
    B, _, H, W = shape
    if symmetries == "none":
        return torch.zeros(B, dtype=torch.long, device=generator.device)
    if symmetries == "mirror":
        return 2 * base.integers(0, 2, B, generator)  # bit 2: left and right
    return base.integers(0, 8 if H == W else 4, B, generator)  # four of a rectangle


def dihedral(images: Tensor, which: Tensor) -> Tensor:
    """Turn and mirror each image: the eight symmetries of the square.

    A satellite looks straight down: no side of a scene is "up", so all eight keep the
    label, and they only move pixels, so nothing is blurred.

    Shape: `images` (B, C, H, W), `which` (B,) integers 0 to 7, read as bits:
    1 mirrors top and bottom, 2 mirrors left and right, 4 then swaps rows and columns.
    0 is the identity. Images that are not square ignore bit 4, which would change
    their shape.
    """
    return move(images, which, torch.zeros_like(which)[:, None].expand(-1, 2))


def move(images: Tensor, which: Tensor, shift: Tensor) -> Tensor:
    """Shift each image by whole pixels, then do `dihedral`, in one pass over them.

    The gap of a shift is filled with the mirror image: the same as padding by
    reflection and cropping at a random place, the weak augmentation of most
    semi-supervised papers. One pass keeps the weak view under a millisecond on a small
    CPU. Values are only moved, so integers are fine too: masks move by the same call.

    Shape: `images` (B, C, H, W), `which` (B,) as of `dihedral`, `shift` (B, 2) integer
    pixels (down, right).

    Raises:
        WorkshopError: not (B, C, H, W).
    """
    base.check_images(images, any_type=True)
    B, C, H, W = images.shape
    rows = torch.arange(H, device=images.device).expand(B, H)  # (B, H) source row
    columns = torch.arange(W, device=images.device).expand(B, W)  # (B, W)
    rows = torch.where((which & 1).bool()[:, None], H - 1 - rows, rows)
    columns = torch.where((which & 2).bool()[:, None], W - 1 - columns, columns)
    rows = _reflect(rows - shift[:, :1], H)
    columns = _reflect(columns - shift[:, 1:], W)
    down, right = rows * W, columns  # what a step down or right adds to the position
    if H == W:
        swap = (which & 4).bool()[:, None]
        down, right = torch.where(swap, right, down), torch.where(swap, down, right)
    return base.in_chunks(_gather_pixels, images, down, right)


def _gather_pixels(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Read, for each pixel, the position down (B, H) + right (B, W) of its image."""
    B, C, H, W = images.shape
    # Added as short integers: a third of the time on a CPU, and the index is as long.
    source = down.int()[:, :, None] + right.int()[:, None, :]  # (B, H, W)
    source = source.long().view(B, 1, H * W).expand(B, C, H * W)
    return images.reshape(B, C, H * W).gather(2, source).view(B, C, H, W)


def affine(
    images: Tensor,
    *,
    degrees: Tensor | None = None,
    shear: Tensor | None = None,
    shift: Tensor | None = None,
    zoom: Tensor | None = None,
) -> Tensor:
    """Turn, shear, shift and zoom each image about its center, in one interpolation.

    One bilinear interpolation blurs less, and costs less, than four. Outside of the
    image lies its mirror image: black corners would tell the network the angle.

    Args:
        images: (B, C, H, W).
        degrees: (B,) angle, counter-clockwise on the screen.
        shear: (B, 2) tangent of the slant of columns and of rows.
        shift: (B, 2) to the right and down, as a fraction of the width and height.
        zoom: (B,) natural logarithm of the magnification; 0.69 shows things twice as
            large.

    Returns:
        (B, C, H, W). Images whose parameters are all zero are returned bit for bit.
    """
    B, _, H, W = images.shape

    def given(values: Tensor | None, *shape: int) -> Tensor:
        return torch.zeros(shape, device=images.device) if values is None else values

    turn, log_zoom = torch.deg2rad(given(degrees, B)), given(zoom, B)
    slant, offset = given(shear, B, 2), given(shift, B, 2)
    parameters = torch.cat([turn[:, None], slant, offset, log_zoom[:, None]], 1)

    matrix = _matrix(turn, slant, log_zoom, H / W)  # (B, 2, 2)
    start = -2 * (matrix * offset[:, None]).sum(2, keepdim=True)  # (B, 2, 1)
    where = torch.cat([matrix, start], 2)  # (B, 2, 3)
    unchanged = (parameters == 0).all(1)
    return base.keep_unchanged(images, _sample(images, where), unchanged)


def resized_crop(images: Tensor, corner: Tensor, size: Tensor, which: Tensor) -> Tensor:
    """Cut a rectangle out of each image, enlarge it to the full size, and turn it.

    Args:
        images: (B, C, H, W).
        corner: (B, 2) top and left edge, as fractions of the image's height and width.
        size: (B, 2) height and width, the same. Corner 0 and size 1 is the whole image,
            returned bit for bit unless it is turned.
        which: (B,) what `dihedral` does to the enlarged rectangle; in the same
            interpolation it costs nothing.
    """
    B, _, H, W = images.shape
    mirrored = torch.stack([which & 2, which & 1], 1).bool()  # (B, 2): x, y
    scale = size.flip(1)  # (B, 2): width, height
    middle = 2 * corner.flip(1) + scale - 1  # (B, 2), in -1 to 1
    matrix = torch.diag_embed(torch.where(mirrored, -scale, scale))  # (B, 2, 2)
    if H == W:  # swap rows and columns: what ran to the right now runs down
        matrix = torch.where((which & 4).bool().view(B, 1, 1), matrix.flip(2), matrix)
    where = torch.cat([matrix, middle[:, :, None]], 2)  # (B, 2, 3)
    whole = (corner == 0).all(1) & (size == 1).all(1) & (which == 0)
    return base.keep_unchanged(images, _sample(images, where), whole)


def _matrix(turn: Tensor, slant: Tensor, log_zoom: Tensor, ratio: float) -> Tensor:
    """Return R(turn) @ shear / zoom: from where we write to where we read.

    Coordinates run from -1 to 1 along both sides, so unequal sides need their `ratio`,
    height over width.

    Shape: (B,), (B, 2), (B,) -> (B, 2, 2).
    """
    cos, sin, scale = torch.cos(turn), torch.sin(turn), torch.exp(-log_zoom)
    entries = (
        cos - sin * slant[:, 1],
        (cos * slant[:, 0] - sin) * ratio,
        (sin + cos * slant[:, 1]) / ratio,
        sin * slant[:, 0] + cos,
    )
    return (torch.stack(entries, 1) * scale[:, None]).view(-1, 2, 2)


def _sample(images: Tensor, where: Tensor) -> Tensor:
    """Read each image where its matrix points; its mirror image lies around it.

    Shape: (B, C, H, W), (B, 2, 3) -> (B, C, H, W). The pixel at (u, v) of the result
    is what lies at where @ (u, v, 1), coordinates x, y from -1 to 1.
    """
    B, _, H, W = images.shape
    # Half precision is too coarse for coordinates, and older torch lacks it on CPUs.
    wide = torch.promote_types(images.dtype, torch.float32)
    u, v = base.pixel_coordinates(images)
    along_u, along_v, start = where.to(wide).unsqueeze(1).unbind(3)  # (B, 1, 2) each
    # A row of the grid, x and y in turn: one sum over it is all that each row takes.
    across = u.to(wide).view(1, 1, W, 1)
    row = torch.addcmul(start[:, :, None], across, along_u[:, :, None])
    slope = along_v.repeat(1, 1, W)  # (B, 1, 2W)
    grid = torch.addcmul(row.flatten(2), v.to(wide), slope).view(B, H, W, 2)
    read = F.grid_sample(images.to(wide), grid, "bilinear", "reflection", False)
    return read.to(images.dtype)


def _reflect(index: Tensor, length: int) -> Tensor:
    """Fold any integer index into 0..length-1, mirrored at the first and last pixel."""
    period = max(1, 2 * (length - 1))
    index = index.remainder(period)
    return torch.minimum(index, period - index) if length > 1 else index
