"""Near-duplicates: images of the same ground, though not one pixel need be equal.

Two steps. A perceptual hash is cheap enough for every pair of a set, and finds those
that may be alike. The hash alone would accuse wrongly: a lake with one bright corner
has the same 64 bits as a forest with one. So of these few, two closer looks decide,
either of which suffices:

- Phase correlation knows the same ground again when it is shifted, and is not deceived
  by what merely looks alike. (One bright spot on a dark sea fits any other, though: so
  tiny thumbnails must not differ much, either.)
- Plain correlation of these thumbnails finds copies that were compressed or blurred so
  much that the fine detail, on which the first relies, is gone.

What this does not find: ground that is turned, mirrored, seen at another scale, partly
under clouds, or shifted by more than a few hundredths of the width; copies of images
that have hardly any texture.
"""

__all__ = ["duplicate_groups", "find_near_duplicates"]

import math

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

# Bits in which the hashes of two images may differ. Unrelated images differ in 32 of 64
# on average; docs/near_duplicates.md shows pairs at several distances.
MAX_DISTANCE = 16
# Height of the peak of phase correlation, 0 to 1. In UC Merced and EuroSAT the same
# ground reached 0.57 to 1.00; runways and crossroads that only look alike, 0.51.
MIN_MATCH = 0.55
# And their thumbnails correlate at least so much: 0.77 and more where the ground is the
# same; 0.61 where images of 32 pixels have one bright spot each, which phases alone
# take for a match.
MIN_CORRELATION = 0.7
# Copies: so few bits, and so high a correlation. Compressed, blurred or noisy copies
# had a median above 0.98; the most alike of different places, 0.92.
COPY_DISTANCE = 8
COPY_CORRELATION = 0.96

_HASH_SIDE = 32  # of the thumbnail that is hashed, as in pHash
_MATCH_SIDE = 64  # of the thumbnails that are correlated
_TINY_SIDE = 16  # of those for copies
_SMALLEST = 16  # fewer pixels a side: the peak of chance comes near that of a match
_CHUNK = 256  # images at a time: the set may be a file larger than memory
_VALUES = 2**22  # of pixels that are floats at a time: 256 large images would be a GB
_ROWS = 1024  # of the matrix of distances at a time


def find_near_duplicates(
    images: Tensor,
    max_distance: int = MAX_DISTANCE,
    min_match: float = MIN_MATCH,
    min_correlation: float = MIN_CORRELATION,
) -> pd.DataFrame:
    """Find the pairs of images that show the same ground, best match first.

    Images without texture (a lake, one field) are never paired: nothing in them could
    tell one place from another. Images of fewer than 16 pixels a side are not looked
    at. Images are read in chunks.

    Args:
        images: (N, C, H, W), as `Dataset.images`.
        max_distance: bits in which the hashes may differ, 0 to 64. More find larger
            shifts, and take longer: two bits more are five times as many pairs. 64
            looks at every pair: the thing to do for some hundred images of a class.
        min_match: least height of the peak of phase correlation, 0 to 1.
        min_correlation: least correlation of the thumbnails, -1 to 1. It sinks with the
            shift: take -1 to find large ones.

    Returns:
        A row per pair: positions `first` < `second`; `distance`, the bits in which
        their hashes differ; `match`, the height of the peak of phase correlation;
        `correlation` of the thumbnails; and whether the second `is_copy` of the first,
        alike without any shift.
    """
    if min(images.shape[-2:]) < _SMALLEST:
        images = images[:0]
    first, second, distance = hamming_pairs(perceptual_hash(images), max_distance)
    columns = (first, second, distance, *_look_closer(images, first, second))
    names = ("first", "second", "distance", "match", "correlation")
    pairs = pd.DataFrame(dict(zip(names, columns, strict=True)))
    near = pairs["distance"] <= COPY_DISTANCE
    pairs["is_copy"] = near & (pairs["correlation"] >= COPY_CORRELATION)
    fits = (pairs["match"] >= min_match) & (pairs["correlation"] >= min_correlation)
    order = {"by": ["match", "first", "second"], "ascending": [False, True, True]}
    return pairs[fits | pairs["is_copy"]].sort_values(**order, ignore_index=True)


def duplicate_groups(pairs: pd.DataFrame, count: int) -> Tensor:
    """Number the images so that those of the same ground share a number.

    For `Split.random(groups=...)`, which keeps them in one subset.

    Args:
        pairs: with the columns first and second, as `find_near_duplicates` finds them.
        count: of all images.

    Shape: (count,) int64, the smallest position in each group.
    """
    ends = pairs["first"].to_numpy(int), pairs["second"].to_numpy(int)
    edges = coo_array((np.ones(len(pairs)), ends), shape=(count, count))
    _, group = connected_components(edges, directed=False)
    _, smallest = np.unique(group, return_index=True)
    return torch.from_numpy(smallest[group]).to(torch.int64)


def perceptual_hash(images: Tensor) -> Tensor:
    """Describe each image by 64 bits that survive compression, light and small noise.

    The signs of 64 low frequencies about their median, as in pHash (Zauner 2010,
    "Implementation and benchmarking of perceptual image hash functions"): the image is
    made grey and 32 x 32, and of its cosine transform the frequencies 1 to 8 in either
    direction are kept. Frequency 0, the brightness, says nothing of the place.

    Shape: (N, C, H, W) -> (N, 64) bool.
    """
    place = (torch.arange(_HASH_SIDE) + 0.5) * math.pi / _HASH_SIDE
    basis = torch.cos(torch.arange(1, 9)[:, None] * place)  # (8, 32), DCT-II
    found = []
    for part in torch.arange(len(images), device=images.device).split(_CHUNK):
        small = _thumbnails(images, (_HASH_SIDE, _HASH_SIDE), part)  # (n, 32, 32)
        waves = (basis @ small @ basis.T).flatten(1)  # (n, 64)
        found.append(waves > waves.median(dim=1, keepdim=True).values)
    return torch.cat(found)


def hamming_pairs(hashes: Tensor, max_distance: int) -> tuple[Tensor, Tensor, Tensor]:
    """Find all pairs of hashes that differ in at most `max_distance` bits.

    With bits written as -1 and 1, the product of two hashes is 64 minus twice their
    distance: all distances are one product of matrices, made a strip at a time.

    Shape: (N, 64) bool -> first, second, distance: (P,) int64 each, first < second.
    """
    width = hashes.shape[1]
    signs = hashes.float() * 2 - 1  # (N, 64)
    found = []
    for top in range(0, max(1, len(signs)), _ROWS):
        product = signs[top : top + _ROWS] @ signs[top:].T  # (rows, N - top)
        row, column = (product >= width - 2 * max_distance).nonzero(as_tuple=True)
        row, column = row[row < column], column[row < column]
        distance = ((width - product[row, column]) / 2).long()
        found.append(torch.stack([row + top, column + top, distance]))
    first, second, distance = torch.cat(found, dim=1).unbind()
    return first, second, distance


def phase_match(first: Tensor, second: Tensor) -> Tensor:
    """Measure how well the images of each pair fit, wherever one is shifted to.

    Phase correlation (Kuglin and Hines 1975): of the product of the two spectra only
    the phases are kept, so that every frequency has one vote on the shift. The same
    ground gives one sharp peak at the shift, near 1; chance spreads thinly over all
    shifts. Brightness and contrast do not matter.

    Shape: (P, H, W) float each -> (P,), 0 to 1.
    """
    spectrum = _phases(first) * _phases(second).conj()  # (P, H, W // 2 + 1)
    surface = torch.fft.irfft2(spectrum, s=first.shape[-2:])  # (P, H, W)
    return surface.flatten(1).amax(dim=1).clamp(0, 1)


def thumbnail_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Correlate the images of each pair, pixel on pixel.

    Values are cut at two standard deviations: one bright corner shall not decide.

    Shape: (P, H, W) float each -> (P,), -1 to 1; 0 for a constant image.
    """
    return (_standard(first) * _standard(second)).sum(dim=1)


def _standard(images: Tensor) -> Tensor:
    """Centre, cut and scale to length 1: (P, H, W) -> (P, H * W)."""
    values = images.flatten(1)
    nothing = 1e-5 * values.abs().amax(dim=1, keepdim=True) + 1e-12
    values = values - values.mean(dim=1, keepdim=True)
    deviation = values.square().mean(dim=1, keepdim=True).sqrt()
    values = (values / deviation.clamp(min=1e-12)).clamp(-2, 2)
    values = values - values.mean(dim=1, keepdim=True)
    values = values * (deviation > nothing)  # rounding errors are no texture
    return values / values.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _look_closer(
    images: Tensor, first: Tensor, second: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute phase match and thumbnail correlation of pairs of images: (P,) each."""
    fine = (min(_MATCH_SIDE, images.shape[-2]), min(_MATCH_SIDE, images.shape[-1]))
    match, alike = [torch.zeros(0)], [torch.zeros(0)]
    for a, b in zip(first.split(_CHUNK), second.split(_CHUNK), strict=True):
        # Each image is read once per chunk, however many pairs it is in.
        index, place = torch.cat([a, b]).unique(return_inverse=True)
        small = _thumbnails(images, fine, index.to(images.device))
        tiny = adaptive_avg_pool2d(small[:, None], _TINY_SIDE)[:, 0]
        i, j = place[: len(a)], place[len(a) :]
        match.append(phase_match(small[i], small[j]))
        alike.append(thumbnail_correlation(tiny[i], tiny[j]))
    return torch.cat(match), torch.cat(alike)


def _phases(images: Tensor) -> Tensor:
    """Take the spectrum with all amplitudes 1; where there is nothing, it stays 0."""
    height, width = images.shape[-2:]
    # A window, as the transform takes the left edge for the right one's neighbour.
    sides = (torch.hann_window(side, periodic=False) for side in (height, width))
    window = torch.outer(*sides)
    centred = images - images.mean(dim=(-2, -1), keepdim=True)
    spectrum = torch.fft.rfft2(centred * window)
    amplitude = spectrum.abs()
    # Rounding errors of a constant image have phases, too: they count for nothing.
    nothing = 1e-3 * images.abs().amax(dim=(-2, -1), keepdim=True) + 1e-12
    return spectrum / (amplitude + nothing)


def _thumbnails(images: Tensor, size: tuple[int, int], index: Tensor) -> Tensor:
    """Shrink the images of an index to grey by averaging: (n, *size).

    A few at a time are copied: the images may be a file larger than memory.
    """
    few = max(1, _VALUES // max(1, images.shape[1:].numel()))
    parts = []
    for few_of in index.split(few):
        grey = images[few_of].cpu().float().mean(dim=1, keepdim=True)  # (few, 1, H, W)
        parts.append(adaptive_avg_pool2d(grey, size)[:, 0])
    return torch.cat(parts)
