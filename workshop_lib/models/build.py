"""Networks by name."""

__all__ = ["BACKBONES", "ENCODERS", "HeadSpec", "build_backbone", "build_model"]

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import torch

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.decoders import FCNDecoder, UNetDecoder
from workshop_lib.models.encoders import (
    Backbone,
    draw_seed,
    feature_mlp,
    seeded,
    small_cnn,
    unet_encoder,
)
from workshop_lib.models.fusion import DecoderBuilder, Encoder
from workshop_lib.models.heads import Categorical, Head, MultiLabel, Regression
from workshop_lib.models.model import (
    Model,
    ProjectionHead,
    init_from,
    run_weights,
)
from workshop_lib.models.pretrained import (
    PRETRAINED,
    InputNormalization,
    load_imagenet,
)
from workshop_lib.models.resnet import plain_net, resnet_cifar
from workshop_lib.models.wide_resnet import wide_resnet

IMAGENET = "imagenet"


_TABLE: dict[str, Callable[..., Backbone]] = {
    "small_cnn": small_cnn,
    r"wrn-(\d+)-(\d+)": wide_resnet,
    r"residual-(\d+)": resnet_cifar,
    r"plain-(\d+)": plain_net,
    r"unet-(\d+)": unet_encoder,
    **{name: network.build for name, network in PRETRAINED.items()},
    "linear": feature_mlp,
    r"mlp-(\d+)": feature_mlp,
}
# Names that errors and `--help` list; patterns stand for any number.
BACKBONES: tuple[str, ...] = (
    *("small_cnn", "wrn-28-2", "wrn-28-8"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("plain-20", "residual-20", "linear", "mlp-256"),
    *("efficientnet_lite0", "efficientnet_b0", "vit_b_16"),
)
ENCODERS = (*BACKBONES, "unet-16", "unet-64", "fcn-resnet18", "fcn-resnet50")


Kind = Literal["categorical", "dense", "multilabel", "regression"]


@dataclass(frozen=True)
class HeadSpec:
    """What a head predicts, as plain values.

    Args:
        kind: "categorical" (a class per scene), "dense" (a class per pixel),
            "multilabel" (any number of labels per scene) or "regression" (a number).
        num_classes: K; not for a regression.
        loss: of labelled pixels (`Categorical`).
        thresholds: of a multi-label head's confidence (`MultiLabel`).
    """

    kind: Kind
    num_classes: int = 0
    loss: str = "cross_entropy"
    thresholds: tuple[float, float] | None = (0.05, 0.7)

    def build(self, encoder: Encoder) -> Head:
        """Build the head for an encoder.

        Raises:
            WorkshopError: an unknown kind, or too few classes.
        """
        if self.kind not in get_args(Kind):
            raise unknown_name("kind of head", self.kind, get_args(Kind))
        if self.kind != "regression" and self.num_classes < 1:
            raise WorkshopError(
                f"a {self.kind} head of num_classes={self.num_classes}: expected at"
                " least 1."
            )
        match self.kind:
            case "categorical":
                return Categorical(encoder.width, self.num_classes)
            case "dense":
                return Categorical(
                    encoder.map_widths, self.num_classes, dense=True, loss=self.loss
                )
            case "multilabel":
                return MultiLabel(
                    encoder.width, self.num_classes, thresholds=self.thresholds
                )
            case "regression":
                return Regression(encoder.width)


def build_model(
    encoder: str,
    sensors: Mapping[str, int],
    heads: Mapping[str, HeadSpec],
    *,
    fusion: str = "early",
    metadata: int = 0,
    projection_dim: int = 0,
    pretrained: str | None = None,
    load_pretrained: bool = True,
    freeze: int = 0,
) -> Model:
    """Build a model from names.

    Random weights are drawn from one number of torch's global generator
    (`torch.manual_seed`), each part from a stream of its own, so that no option changes
    the initial weights of parts it does not concern. They are laid out channels-last,
    which convolutions on CPUs and tensor cores read fastest; results are the same.

    Args:
        encoder: "small_cnn", "wrn-DEPTH-WIDTH", "resnet18", 34, 50, 101 or 152,
            "efficientnet_lite0", "efficientnet_b0", "vit_b_16", "plain-DEPTH",
            "residual-DEPTH"; on features of a frozen backbone "linear" or "mlp-WIDTH";
            with maps for dense heads "unet-WIDTH" (its own encoder), "unet-BACKBONE",
            "fcn-BACKBONE", or with some strides alone "fcn-resnet18:16,32".
        sensors: name -> channels.
        heads: name -> what it predicts; may be empty for self-supervision.
        fusion: where the sensors meet: "early", "middle", "late" or "shared".
        metadata: numbers M in the metadata vector; 0 for none.
        projection_dim: width P of the projection head; 0 leaves it out.
        pretrained: what the encoder starts from: None for random weights, "imagenet",
            or the folder of a run (`init_from`). After "imagenet" a backbone that reads
            "rgb" alone normalises it itself: `encoder.unit_range` names the sensors
            whose images must stay in [0, 1].
        load_pretrained: False builds the same network and leaves its weights random,
            for those of a checkpoint.
        freeze: stages of the backbones that stay as they are; -1 for the whole encoder.

    Raises:
        WorkshopError: an unknown name, an impossible depth, a size below its minimum, a
            dense head on an encoder without maps, or pretrained weights that do not
            exist or fit. What is missing in a run's weights is listed in a warning.

    >>> heads = {"scene": HeadSpec("categorical", 10)}
    >>> model = build_model("small_cnn", {"s2": 4, "s1": 2}, heads, fusion="late")
    >>> model({"s2": torch.zeros(5, 4, 32, 32)})["scene"].shape
    torch.Size([5, 10])
    """
    if any(c < 1 for c in sensors.values()) or metadata < 0 or projection_dim < 0:
        raise WorkshopError(
            f"sensors={dict(sensors)}, metadata={metadata},"
            f" projection_dim={projection_dim}: expected at least 1 channel per sensor,"
            " 0 and 0."
        )
    dense = [name for name, head in heads.items() if head.kind == "dense"]
    backbone, decoder = _parse(encoder)
    if dense and decoder is None:
        raise WorkshopError(
            f"encoder={encoder!r} gives no maps for the head {dense[0]!r}: use"
            f" 'unet-{encoder}', 'fcn-{encoder}' or 'unet-16'."
        )
    seed = draw_seed()
    imagenet = pretrained == IMAGENET and load_pretrained
    built = Encoder(
        sensors,
        partial(build_backbone, backbone, full_name=encoder, pretrained=imagenet),
        fusion=fusion,
        metadata=metadata,
        decoder=decoder if dense else None,
        seed=seed,
    )
    made: dict[str, Head] = {}
    for name, spec in heads.items():
        with seeded(seed, f"head {name}"):
            made[name] = spec.build(built)
    projection = None
    if projection_dim:
        with seeded(seed, "projection"):
            projection = _projection(built, projection_dim)
    model = Model(built, made, projection)
    if pretrained == IMAGENET:
        _normalize_photographs(built, backbone)
    elif pretrained and load_pretrained:
        _start_from(model, pretrained)
    model.freeze(freeze)
    return model.to(memory_format=torch.channels_last)


def build_backbone(
    name: str, channels: int, *, full_name: str = "", pretrained: bool = False
) -> Backbone:
    """Build a backbone from its name.

    Args:
        name: such as "small_cnn"; see `build_model`.
        channels: of its input.
        full_name: with the decoder, for the message.
        pretrained: whether to load ImageNet weights.

    Raises:
        WorkshopError: an unknown name, an impossible depth or width, or `pretrained`
            without weights.
    """
    for pattern, build in _TABLE.items():
        if found := re.fullmatch(pattern, name):
            backbone = build(channels, *(int(number) for number in found.groups()))
            if pretrained:
                load_imagenet(backbone, name)
            return backbone
    raise unknown_name("encoder", full_name or name, ENCODERS)


def _parse(encoder: str) -> tuple[str, DecoderBuilder | None]:
    """Return the name of the backbone, and the decoder."""
    if fcn := re.fullmatch(r"fcn-([^:]+)(?::([\d,]+))?", encoder):
        skips = tuple(int(s) for s in (fcn[2] or "").split(",") if s)
        return fcn[1], partial(FCNDecoder, skips=skips)
    if encoder.startswith("unet-"):
        own = re.fullmatch(r"unet-\d+", encoder)
        return encoder if own else encoder.removeprefix("unet-"), UNetDecoder
    return encoder, None


def _start_from(model: Model, folder: str) -> None:
    odd = init_from(model, run_weights(folder))
    if odd:
        warnings.warn(
            f"{folder} has no counterpart for {', '.join(odd)}: these start from random"
            " weights.",
            stacklevel=3,
        )


def _normalize_photographs(encoder: Encoder, name: str) -> None:
    """Have a backbone that reads RGB alone normalise it as its training did."""
    late = encoder.fusion == "late"
    alone = late or (encoder.fusion == "early" and len(encoder.sensors) == 1)
    if encoder.sensors.get("rgb") != 3 or not alone:
        return
    normalize = InputNormalization(name)
    encoder.backbones["rgb" if late else "all"].add_module("normalize", normalize)
    encoder.unit_range = ("rgb",)
    if encoder.missing:
        value = encoder.missing.get_parameter("rgb.value")
        value.data.copy_(normalize.mean.flatten())


def _projection(encoder: Encoder, dim: int) -> ProjectionHead:
    published = [b.projection_hidden for b in encoder.each_backbone()]
    hidden = max(published, default=0)
    if hidden:
        return ProjectionHead(encoder.width, hidden, dim, slope=0.0)
    return ProjectionHead(encoder.width, encoder.width, dim)
