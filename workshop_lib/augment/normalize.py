"""Normalization, the last step before the network: zero mean, unit spread per band."""

__all__ = ["BandNormalize", "Normalize", "to_float"]

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.sample import Sample

_FAR = 20  # standard deviations that no median of an image in the same units reaches
IMPOSSIBLE = 1000  # and no single pixel
_NARROW = 0.05  # standard deviations from the darkest to the brightest pixel
_CHUNK = 2**21  # pixel values at a time: as float64 all of them would not fit


def to_float(images: Tensor) -> Tensor:
    """Convert uint8 images to float32 in [0, 1]; floating point passes through.

    Images are stored as they come (a quarter of the memory) and converted per batch.

    Raises:
        WorkshopError: another integer type, whose range is unknown.
    """
    if images.dtype == torch.uint8:
        return images.float().div_(255)  # in place: one large copy less
    if images.is_floating_point():  # stored features have half precision
        return images.float() if images.dtype == torch.float16 else images
    raise WorkshopError(
        f"images of type {images.dtype}: expected uint8 (0..255) or floating point."
        " Divide by the largest possible value first, e.g. images.float() / 10000."
    )


class BandNormalize(nn.Module):
    """Subtract each band's mean and divide by its standard deviation.

    It belongs to the model rather than to the augmentation: prediction later needs
    the very numbers of the training images, so they are buffers and travel in the
    checkpoint.

    Args:
        mean: per band, in the unit of the float images.
        std: per band, same unit, above 0; 1 for a band that is constant.

    >>> two = torch.tensor([[0, 255]], dtype=torch.uint8).view(2, 1, 1, 1)
    >>> BandNormalize.fit(two).mean
    tensor([0.5000])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())

    @classmethod
    def fit(cls, images: Tensor, index: Tensor | None = None) -> "BandNormalize":
        """Measure mean and standard deviation over all pixels of the training images.

        Never give it validation or test images: their statistics are part of what the
        test has to keep from us. A constant band gets std 1. NaN is a missing value,
        left out of the statistics of its band and passed on by `forward`; a band
        without any value gets mean 0.

        Args:
            images: uint8 or floating point; the statistics are those of `to_float`.
            index: positions of the training images; None for all.

        Shape: images (N, C, H, W), or numbers (N, C); index (n,) int64.

        Raises:
            WorkshopError: no images, another shape, or infinite values.
        """
        none = images.numel() == 0 or (index is not None and len(index) == 0)
        if images.ndim not in (2, 4) or none:
            raise WorkshopError(
                f"images of shape {tuple(images.shape)}: expected (N, C, H, W) with at"
                " least one image."
            )
        mean, variance = _moments(images, index)
        broken = (~torch.isfinite(variance)).nonzero().flatten().tolist()
        if broken:
            raise WorkshopError(
                f"bands {broken} of the training images hold infinite values: replace"
                " them (e.g. torch.nan_to_num) or leave those images out."
            )
        std = variance.sqrt()
        # Rounding alone gives a constant band a spread of about 1e-16 of its mean.
        constant = std <= 1e-6 * mean.abs()
        return cls(mean, torch.where(constant, torch.ones_like(std), std))

    def check_units(self, images: Tensor) -> None:
        """Refuse images in other units than those of the training.

        The median of a band lies within a few standard deviations of its mean, or
        something is wrong: per cent instead of reflectance, a scale that was not
        applied. And where nearly all numbers were below 0, not all are above: radar
        as linear power instead of dB. Numbers that hardly differ were scaled twice.

        Shape: (n, C, h, w), some of the images, as they are stored.

        Raises:
            WorkshopError: a band that is too far off, or another number of bands.
        """
        bands = self(images).transpose(0, 1).flatten(1)  # (C, pixels)
        far = bands.nanmedian(dim=1).values.abs().nan_to_num().max()
        zero = -self.mean / self.std  # (C,)
        least = bands.nan_to_num(torch.inf, torch.inf).amin(dim=1)  # of no data: inf
        linear = (zero > 1) & (zero <= least) & least.isfinite()
        span = bands.nan_to_num(-torch.inf).amax(dim=1) - least  # (C,)
        narrow = ((span > 0) & (span < _NARROW)).all()  # 0: one colour only
        says = ""
        if far > _FAR:
            says = f"the median of a band is {far:.0f} standard deviations off"
        elif linear.any():
            says = "in a band nothing is below 0, as dB is"
        elif narrow:
            says = "its numbers hardly differ, as if they had been scaled twice"
        if says:
            raise WorkshopError(
                f"the image is in other units than the training images: {says}. Give it"
                " in theirs."
            )

    def forward(self, images: Tensor) -> Tensor:
        """Return normalized images.

        Shape: (B, C, H, W) or (B, C), uint8 or floating point -> floating point.

        Raises:
            WorkshopError: other integers (see `to_float`), or another number of bands.
        """
        images = to_float(images)
        if images.ndim not in (2, 4) or images.shape[1] != len(self.mean):
            raise WorkshopError(
                f"images of shape {tuple(images.shape)}: the statistics are those of"
                f" {len(self.mean)} bands, so (B, {len(self.mean)}, H, W) is expected."
            )
        along_bands = (1, -1, 1, 1)[: images.ndim]
        mean = self.mean.to(images.dtype).view(along_bands)
        std = self.std.to(images.dtype).view(along_bands)
        return (images - mean).div_(std)  # in place: one large copy less


class Normalize(nn.Module):
    """Normalize samples: every sensor, and metadata, by statistics of its own.

    NaN, a value that is missing, passes through. After normalization 0 is the mean of
    the training images, the most harmless value to put there.

    Args:
        bands: the statistics by sensor; "metadata" has one pair per number.

    >>> sample = {"s1": torch.rand(8, 2, 4, 4), "metadata": torch.rand(8, 3)}
    >>> normalized = Normalize.fit(sample, torch.arange(4))(sample)
    >>> {name: tuple(values.shape) for name, values in normalized.items()}
    {'s1': (8, 2, 4, 4), 'metadata': (8, 3)}
    """

    def __init__(self, bands: Mapping[str, BandNormalize]) -> None:
        super().__init__()
        self.bands = nn.ModuleDict(dict(bands))

    @classmethod
    def fit(cls, sensors: Sample, index: Tensor | None = None) -> "Normalize":
        """Measure the statistics of the training images.

        Args:
            sensors: of all images, stored as uint8 or floating point; see
                `workshop_lib.data.samples.sensors_of`.
            index: (n,) positions of the training images; None for all.

        Raises:
            WorkshopError: no images, or infinite values.
        """
        return cls({k: BandNormalize.fit(v, index) for k, v in sensors.items()})

    def forward(self, sample: Sample) -> Sample:
        """Return a normalized sample, of all sensors or of some of them.

        Raises:
            WorkshopError: a sensor without statistics, or with other bands.
        """
        normalized = {}
        for name, values in sample.items():
            if name not in self.bands:
                raise unknown_name("sensor", name, self.bands)
            normalized[name] = self.bands[name](values)
        return normalized


def _moments(images: Tensor, index: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and variance per band, chunk by chunk. (N, C, ...) -> (C,), (C,)"""
    along_bands, but_bands = (1, -1, 1, 1)[: images.ndim], (0, 2, 3)[: images.ndim - 1]
    # Wide enough that adding up a billion pixels loses nothing; MPS has no float64.
    wide = torch.float32 if images.device.type == "mps" else torch.float64
    if index is None:
        index = torch.arange(len(images))
    # `images[index]` would copy them all at once, and a set may be larger than memory.
    parts = index.to(images.device).split(max(1, _CHUNK // images[0].numel()))
    total = images.new_zeros(images.shape[1], dtype=wide)  # (C,)
    missing = torch.zeros_like(total)
    for part in parts:
        values = to_float(images[part]).to(wide)
        missing += values.isnan().sum(but_bands)
        total += values.nansum(but_bands)
    pixels = len(index) * images.shape[2:].numel()
    count = (pixels - missing).clamp(min=1)  # (C,)
    mean = total / count
    squares = torch.zeros_like(total)
    # A second pass: exact for tiny spreads too
    for part in parts:
        centered = to_float(images[part]).to(wide) - mean.view(along_bands)
        squares += centered.square().nansum(but_bands)
    return mean, squares / count
