"""Where pixels go: symmetries, shifts, turns, shears, zooms and holes.

Each function treats a whole batch at once and takes one parameter per image. A
parameter of zero returns that image bit for bit. Images may have any height, width and
number of bands; values are only moved or averaged, so their range is kept.
"""

__all__ = [
    "affine",
    "count_symmetries",
    "crop",
    "cutout",
    "move",
    "random_resized_crop",
    "resized_crop",
    "symmetry",
]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.augment.per_image import (
    check_images,
    in_pieces,
    per_image,
    uniform,
)
from workshop_lib.errors import WorkshopError


def count_symmetries(images: Tensor) -> int:
    """Count the symmetries that keep the shape: 8 for squares, else 4."""
    return 8 if images.shape[2] == images.shape[3] else 4


def symmetry(images: Tensor, which: Tensor) -> Tensor:
    """Turn and mirror each image: the eight symmetries of the square.

    A satellite looks straight down: no side of a scene is "up", so all eight keep the
    label, and they only move pixels, so nothing is blurred.

    Shape: `images` (B, C, H, W), `which` (B,) integers 0 to 7, read as bits:
    1 mirrors top and bottom, 2 mirrors left and right, 4 then swaps rows and columns.
    0 is the identity. Images that are not square ignore bit 4, which would change
    their shape.
    """
    return move(images, which, None)


def crop(images: Tensor, shift: Tensor) -> Tensor:
    """Shift each image by whole pixels and fill the gap with its mirror image.

    The same as padding by reflection and cropping at a random place, the weak
    augmentation of most semi-supervised papers.

    Shape: `images` (B, C, H, W), `shift` (B, 2) integer pixels (down, right).
    """
    return move(images, None, shift)


def move(images: Tensor, which: Tensor | None, shift: Tensor | None) -> Tensor:
    """Do `crop`, then `symmetry`, in one pass over the pixels.

    One pass is what keeps the weak view under a millisecond on a small CPU. None for
    either leaves it out.

    Raises:
        WorkshopError: not (B, C, H, W), or parameters that do not fit the batch.
    """
    check_images(images)
    B, C, H, W = images.shape
    _check_rows(which, (B,), "which")
    _check_rows(shift, (B, 2), "shift")
    rows = torch.arange(H, device=images.device).expand(B, H)  # (B, H) source row
    columns = torch.arange(W, device=images.device).expand(B, W)  # (B, W)
    if which is not None:
        rows = torch.where((which & 1).bool()[:, None], H - 1 - rows, rows)
        columns = torch.where((which & 2).bool()[:, None], W - 1 - columns, columns)
    if shift is not None:
        rows = _mirror(rows - shift[:, :1], H)
        columns = _mirror(columns - shift[:, 1:], W)
    swap = torch.zeros(B, dtype=torch.bool, device=images.device)
    if which is not None and H == W:
        swap = (which & 4).bool()
    return in_pieces(_pick, images, rows, columns, swap)


def _pick(images: Tensor, rows: Tensor, columns: Tensor, swap: Tensor) -> Tensor:
    """Read rows (B, H) and columns (B, W); where `swap` (B,), exchange the two."""
    B, C, H, W = images.shape
    source = rows[:, :, None] * W + columns[:, None, :]  # (B, H, W) flat positions
    if H == W:
        swapped = source.transpose(1, 2)
        source = torch.where(swap[:, None, None], swapped, source)
    source = source.reshape(B, 1, H * W).expand(B, C, H * W)
    return images.reshape(B, C, H * W).gather(2, source).view(B, C, H, W)


def affine(
    images: Tensor,
    *,
    degrees: Tensor | None = None,
    shear: Tensor | None = None,
    shift: Tensor | None = None,
    zoom: Tensor | None = None,
) -> Tensor:
    """Turn, shear, shift and zoom each image about its centre, in one interpolation.

    One interpolation blurs less, and costs less, than four. What comes in from outside
    is the mirror image: black corners would tell the network the angle.

    Args:
        images: (B, C, H, W).
        degrees: (B,) angle, counter-clockwise on the screen.
        shear: (B, 2) tangent of the slant of columns and of rows.
        shift: (B, 2) to the right and down, as a fraction of the width and height.
        zoom: (B,) natural logarithm of the magnification; 0.69 shows things twice as
            large.

    Returns:
        (B, C, H, W), bilinear. Images whose parameters are all zero come back bit for
        bit.

    Raises:
        WorkshopError: not (B, C, H, W), or parameters that do not fit the batch.
    """
    check_images(images)
    B, _, H, W = images.shape
    turn = torch.deg2rad(_or_zero(degrees, (B,), "degrees", images))
    slant = _or_zero(shear, (B, 2), "shear", images)
    offset = _or_zero(shift, (B, 2), "shift", images)
    log_zoom = _or_zero(zoom, (B,), "zoom", images)
    parameters = torch.cat([turn[:, None], slant, offset, log_zoom[:, None]], 1)

    xx, xy, yx, yy = _matrix(turn, slant, log_zoom)  # each (B, 1, 1)
    u, v = _coordinates(images)
    u = u - 2 * offset[:, 0].view(B, 1, 1)  # (B, 1, W)
    v = v - 2 * offset[:, 1].view(B, 1, 1)  # (B, H, 1)
    # Coordinates run from -1 to 1 along both sides, so unequal sides need the ratio.
    x = xx * u + xy * (H / W) * v  # (B, H, W)
    y = yx * (W / H) * u + yy * v
    return _sample(images, x, y, unchanged=(parameters == 0).all(1))


def resized_crop(images: Tensor, corner: Tensor, size: Tensor) -> Tensor:
    """Cut a rectangle out of each image and enlarge it to the full size.

    Shape: `images` (B, C, H, W); `corner` (B, 2) top and left edge, and `size` (B, 2)
    height and width, both as fractions of the image's height and width. Corner 0 and
    size 1 is the whole image, returned bit for bit.

    Raises:
        WorkshopError: not (B, C, H, W), or parameters that do not fit the batch.
    """
    check_images(images)
    B = images.shape[0]
    _check_rows(corner, (B, 2), "corner")
    _check_rows(size, (B, 2), "size")
    u, v = _coordinates(images)
    top, left = corner[:, 0].view(B, 1, 1), corner[:, 1].view(B, 1, 1)
    x = 2 * (left + (u + 1) / 2 * size[:, 1].view(B, 1, 1)) - 1  # (B, 1, W)
    y = 2 * (top + (v + 1) / 2 * size[:, 0].view(B, 1, 1)) - 1  # (B, H, 1)
    whole = (corner == 0).all(1) & (size == 1).all(1)
    return _sample(images, x, y, unchanged=whole)


def random_resized_crop(
    images: Tensor, area: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Draw a crop's area, its aspect ratio (3:4 to 4:3) and its place, and enlarge it.

    Shape: (B, C, H, W) -> the same. `area` lowest and highest share of the image.
    """
    B = images.shape[0]
    share = uniform((B,), *area, generator)
    ratio = torch.exp(uniform((B,), -0.2877, 0.2877, generator))  # log(4/3) = 0.2877
    size = torch.stack([share / ratio, share * ratio], 1).sqrt().clamp(max=1)  # (B, 2)
    corner = uniform((B, 2), 0, 1, generator) * (1 - size)
    return in_pieces(resized_crop, images, corner, size)


def cutout(
    images: Tensor, centre: Tensor, size: Tensor, fill: float | None = None
) -> Tensor:
    """Hide a rectangle of each image, so that no single spot can carry the decision.

    Source: DeVries & Taylor 2017. Ours is a fraction of the sides, never a fixed number
    of pixels, so that it means the same at every image size.

    Args:
        images: (B, C, H, W).
        centre: (B, 2) row and column of the centre, as fractions of height and width.
            What reaches over the border is cut off there.
        size: (B,) sides of the rectangle as a fraction of the sides of the image; 0
            hides nothing.
        fill: value in the hole; None takes the image's own mean per band, which suits
            any unit.

    Raises:
        WorkshopError: not (B, C, H, W), or parameters that do not fit the batch.
    """
    check_images(images)
    B = images.shape[0]
    _check_rows(centre, (B, 2), "centre")
    u, v = _coordinates(images)
    half = per_image(size, images)[:, 0]  # (B, 1, 1): half of the span from -1 to 1
    middle_v, middle_u = (2 * centre - 1).unbind(1)
    inside_u = (u - middle_u.view(B, 1, 1)).abs() < half  # (B, 1, W)
    inside_v = (v - middle_v.view(B, 1, 1)).abs() < half  # (B, H, 1)
    hole = (inside_u & inside_v)[:, None]  # (B, 1, H, W)
    if fill is None:
        return torch.where(hole, images.mean((2, 3), keepdim=True), images)
    return images.masked_fill(hole, fill)


def _matrix(
    turn: Tensor, slant: Tensor, log_zoom: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return R(turn) @ shear / zoom: it leads from where we write to where we read."""
    cos, sin, scale = torch.cos(turn), torch.sin(turn), torch.exp(-log_zoom)
    entries = (
        cos - sin * slant[:, 1],
        cos * slant[:, 0] - sin,
        sin + cos * slant[:, 1],
        sin * slant[:, 0] + cos,
    )
    xx, xy, yx, yy = ((entry * scale).view(-1, 1, 1) for entry in entries)
    return xx, xy, yx, yy


def _coordinates(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixel centres' coordinates, -1 to 1: (1, 1, W) and (1, H, 1)."""
    H, W = images.shape[2:]
    u = (2 * torch.arange(W, device=images.device) + 1) / W - 1
    v = (2 * torch.arange(H, device=images.device) + 1) / H - 1
    return u.view(1, 1, W), v.view(1, H, 1)


def _sample(images: Tensor, x: Tensor, y: Tensor, unchanged: Tensor) -> Tensor:
    """Read images at coordinates that broadcast to (B, H, W); keep the unchanged."""
    B, _, H, W = images.shape
    grid = torch.stack([x.expand(B, H, W), y.expand(B, H, W)], dim=3)
    # Half precision is too coarse for coordinates, and older torch lacks it on CPUs.
    wide = torch.promote_types(images.dtype, torch.float32)
    sampled = F.grid_sample(
        images.to(wide),
        grid.to(wide),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    ).to(images.dtype)
    return torch.where(unchanged.view(B, 1, 1, 1), images, sampled)


def _mirror(index: Tensor, length: int) -> Tensor:
    """Fold any integer index into 0..length-1, mirrored at the first and last pixel."""
    period = max(1, 2 * (length - 1))
    index = index.remainder(period)
    return torch.minimum(index, period - index) if length > 1 else index


def _or_zero(
    values: Tensor | None, shape: tuple[int, ...], name: str, images: Tensor
) -> Tensor:
    _check_rows(values, shape, name)
    return torch.zeros(shape, device=images.device) if values is None else values


def _check_rows(values: Tensor | None, shape: tuple[int, ...], name: str) -> None:
    if values is not None and values.shape != shape:
        raise WorkshopError(
            f"{name} of shape {tuple(values.shape)}: this batch needs {shape}, one row"
            " per image."
        )
