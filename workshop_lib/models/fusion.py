"""Where sensors meet in a network: at the pixels, on the way, or at the end.

    early    all channels stacked; one backbone reads them
    middle   a stem for each sensor; their maps stacked; one backbone
    late     a backbone for each sensor; their maps side by side
    shared   a stem for each sensor, one backbone that all of them go through; their
             maps side by side

Maps are put side by side at every level of the pyramid, so scenes and pixels are fused
by the same code, over any backbone and any decoder.

Metadata (place, date, climate) has no pixels, is not flipped or cropped, and means the
same everywhere in the image. So it enters as a vector and shifts every channel of every
stage (the additive half of FiLM, Perez et al. 2018): early shifts let the network read
the same pixels differently in winter, which a shift of the pooled features alone
cannot; the last one moves the scores directly. A transformer reads it as one more token
(`MetadataToken`).
"""

__all__ = ["DecoderBuilder", "Encoder"]

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.encoders import (
    EMBEDDING,
    Backbone,
    Decoder,
    conv_bn_act,
    draw_seed,
    pool,
    running_statistics_fixed,
    seeded,
)
from workshop_lib.models.heads import Features
from workshop_lib.sample import METADATA, Sample

FUSIONS = ("early", "middle", "late", "shared")
STEM = 24  # maps that a stem makes of a sensor, in which form sensors share a backbone


class LearnedMissingValue(nn.Module):
    """A learned value per channel where a sensor is missing; at first the mean.

    As the value is learned, a network can tell "missing" from "as usual".

    Shape: (B, C, H, W), NaN or not -> the same without NaN.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Replace NaN."""
        value = self.value.to(x.dtype).view(1, -1, 1, 1)
        return torch.where(x.isnan(), value, x)


class MetadataEmbedding(nn.Module):
    """Two layers on all metadata, with a learned value for each unknown number.

    Numbers are normalised, so 0 is the mean of the training images and where each
    learned value starts. A sample without metadata gets the learned values throughout.

    Half of the embedding is dropped at random in training: date and place identify a
    labelled image, and a network that has few of them would memorise those. Measured
    with 25 labels per class on MiniEO, 30 numbers, of which most say nothing about the
    class: accuracy 0.87 without metadata, 0.86 with, and 0.81 without the dropout.

    Args:
        numbers: M, of the metadata vector.
        token: width D of a transformer's token, which has GELU and no dropout, as in
            Bernhard et al. 2024; 0 for 32 numbers that shift maps.

    Shape: sample with "metadata" (B, M), NaN where unknown, or without it -> (B, 32),
    or (B, D).
    """

    def __init__(self, numbers: int, token: int = 0) -> None:
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(numbers))
        width = token or EMBEDDING
        one, two = nn.Linear(numbers, width), nn.Linear(width, width)
        shift = [one, nn.LeakyReLU(0.1), two, nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*([one, nn.GELU(), two] if token else shift))
        self.dropout = nn.Dropout(0.0 if token else 0.5)

    def forward(self, sample: Sample, batch: int) -> Tensor:
        """Embed the metadata of `batch` images."""
        numbers = sample.get(METADATA)
        if numbers is None:  # nothing that could be memorised
            return self.layers(self.missing.expand(batch, -1))
        missing = self.missing.to(numbers.dtype)
        numbers = torch.where(numbers.isnan(), missing, numbers)
        return self.dropout(self.layers(numbers))  # (B, 32) or (B, D)


# (widths of a pyramid, its strides, number of pyramids side by side) -> decoder
DecoderBuilder = Callable[[Sequence[int], Sequence[int], int], Decoder]


class Encoder(nn.Module):
    """Sensors and metadata in, `Features` out: backbones, their fusion, a decoder.

    Args:
        sensors: name -> channels, in the order in which they are stacked.
        backbone: builds a backbone for a number of channels.
        fusion: "early", "middle", "late" or "shared".
        metadata: numbers M in the metadata vector; 0 for none.
        decoder: builds a decoder for a pyramid; None gives no maps. Stages that it
            does not read are removed.
        seed: of the random weights, part by part (`seeded`); None draws one from
            torch's global generator.

    Without sensors the features are the embedded metadata alone. Learned missing values
    exist where there is more than one source. `width` is D of the features' vector.
    `reads_metadata` set to False puts the learned values in the place of all metadata,
    whatever a sample holds.

    Shape: sample of (B, C, H, W) per sensor and "metadata" (B, M) -> `Features`.

    Raises:
        WorkshopError: an unknown fusion; a decoder without maps.
    """

    reads_metadata: bool = True

    def __init__(
        self,
        sensors: Mapping[str, int],
        backbone: Callable[[int], Backbone],
        *,
        fusion: str = "early",
        metadata: int = 0,
        decoder: DecoderBuilder | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise unknown_name("fusion", fusion, FUSIONS)
        seed = draw_seed() if seed is None else seed
        self.sensors, self.fusion = dict(sensors), fusion
        self.missing, self.stems = nn.ModuleDict(), nn.ModuleDict()
        if len(sensors) + bool(metadata) > 1:
            self.missing.update({k: LearnedMissingValue(c) for k, c in sensors.items()})
        reads = {"all": sum(sensors.values())} if sensors else {}
        if fusion == "late":
            reads = self.sensors
        elif fusion != "early" and sensors:
            for name, channels in sensors.items():
                with seeded(seed, f"stem {name}"):
                    self.stems[name] = nn.Sequential(*conv_bn_act(channels, STEM))
            reads = {"all": STEM * (len(sensors) if fusion == "middle" else 1)}
        self.backbones = nn.ModuleDict()
        for name, channels in reads.items():
            with seeded(seed, f"backbone {name}"):
                self.backbones[name] = backbone(channels)
        self.unit_range: tuple[str, ...] = ()  # sensors that a backbone normalises
        # Pyramids that lie side by side in the fused one
        copies = len(sensors) if fusion in ("late", "shared") else 1
        parts = self.each_backbone()
        self.decoder: Decoder | None = None
        if decoder is not None:
            if not parts or not parts[0].strides:
                raise WorkshopError(
                    "this encoder gives a vector, no maps: for a head that scores"
                    " pixels choose another, such as 'unet-16', and give it a sensor."
                )
            with seeded(seed, "decoder"):
                self.decoder = decoder(parts[0].widths, parts[0].strides, copies)
            for part in parts:
                part.truncate(self.decoder.stages)
        self.width = copies * parts[0].widths[-1] if parts else EMBEDDING
        self.metadata: MetadataEmbedding | None = None
        self.shifts = nn.ModuleDict()
        if metadata:
            with seeded(seed, "metadata"):
                token = parts[0].token if parts else 0
                self.metadata = MetadataEmbedding(metadata, token)
                for name, part in zip(self.backbones, parts, strict=True):
                    self.shifts[name] = part.metadata_entry()

    @property
    def map_widths(self) -> tuple[int, ...]:
        """Channels of each level of the maps, for dense heads; () without a decoder."""
        return self.decoder.widths if self.decoder is not None else ()

    @property
    def backbone(self) -> Backbone:
        """The backbone that all sensors go through; late fusion has `backbones`."""
        return cast(Backbone, self.backbones["all"])

    def each_backbone(self) -> list[Backbone]:
        """Return all backbones: one, or with late fusion one for each sensor."""
        return [cast(Backbone, part) for part in self.backbones.values()]

    def forward(self, sample: Sample) -> Features:
        """Encode a sample.

        Raises:
            WorkshopError: no known sensor, or images that are not normalised floats
                (B, C, H, W) of one size, with the channels the model was built for.
        """
        read = self.sensors or (METADATA,)
        first = next((sample[name] for name in read if name in sample), None)
        if first is None:
            raise WorkshopError(
                f"a sample with {', '.join(sample) or 'nothing'} given to a model that"
                f" reads {', '.join(read)}: give at least one of these."
            )
        embedding = None
        if self.metadata is not None:
            known = sample if self.reads_metadata else {}
            embedding = self.metadata(known, len(first))
        if not self.sensors:
            return Features(cast(Tensor, embedding), None, (1, 1), embedding)
        images = {
            name: self._images(sample.get(name), name, first) for name in self.sensors
        }
        pyramid = self._pyramid(images, embedding, absent=images.keys() - sample.keys())
        maps = None if self.decoder is None else self.decoder(pyramid)
        last = len(self.each_backbone()[0].widths) - 1
        # The level that heads read, and of a transformer its metadata token
        vector, *token = [pool(level) for level in pyramid[last:]]
        context = None if embedding is None else [vector, *token][-1]
        return Features(vector, maps, (first.shape[-2], first.shape[-1]), context)

    def _pyramid(
        self, images: dict[str, Tensor], embedding: Tensor | None, absent: set[str]
    ) -> list[Tensor]:
        """Return the fused pyramid, level by level (B, widths[k], h, w).

        A sensor that the whole batch lacks stays out of the running statistics, or real
        images would be normalised by those of its absence.
        """

        def shifts(name: str) -> list[Tensor]:
            return [] if embedding is None else self.shifts[name](embedding)

        if self.fusion == "late":
            pyramids = []
            for name, x in images.items():
                with running_statistics_fixed(self.backbones[name], name in absent):
                    pyramids.append(self.backbones[name](x, shifts(name)))
            return [torch.cat(level, 1) for level in zip(*pyramids, strict=True)]
        for name, layers in self.stems.items():
            with running_statistics_fixed(layers, name in absent):
                images[name] = layers(images[name])
        stack = list(images.values())
        if self.fusion != "shared":
            joined = torch.cat(stack, 1) if len(stack) > 1 else stack[0]
            return list(self.backbone(joined, shifts("all")))
        # In one batch: batch normalisation then sees the same mixture of sensors in
        # training as in its running averages.
        repeated = [s.repeat(len(stack), 1, 1, 1) for s in shifts("all")]
        pyramid = self.backbone(torch.cat(stack), repeated)  # each (sensors * B, ...)
        return [torch.cat(level.chunk(len(stack)), 1) for level in pyramid]

    def _images(self, x: Tensor | None, name: str, like: Tensor) -> Tensor:
        """Return a sensor's images without gaps, (B, C, H, W)."""
        channels, size = self.sensors[name], like.shape[2:]
        if x is None:
            x = like.new_full((len(like), channels, *size), torch.nan)
        if x.ndim != 4 or x.shape[1] != channels or x.shape[2:] != size:
            raise WorkshopError(
                f"{name} images of shape {tuple(x.shape)} given to a model that reads"
                f" (B, {channels}, H, W), all sensors of one size: resize them when"
                " loading, or build the model for other sensors."
            )
        if not x.is_floating_point():
            raise WorkshopError(
                f"{name} images of type {x.dtype} given to a model that reads"
                " normalised floats: apply Normalize of workshop_lib.augment first."
            )
        return self.missing[name](x) if self.missing else x
