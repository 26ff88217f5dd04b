"""Networks by name."""

__all__ = ["ENCODERS", "HeadSpec", "build_model"]

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.class_heads import Categorical, MultiLabel
from workshop_lib.models.encoders import (
    Backbone,
    draw_seed,
    seeded,
    small_cnn,
    unet_encoder,
)
from workshop_lib.models.fusion import DecoderBuilder, Encoder
from workshop_lib.models.heads import Head, Regression
from workshop_lib.models.model import Model, ProjectionHead
from workshop_lib.models.networks import FCNDecoder, UNetDecoder
from workshop_lib.models.pretrained import (
    PRETRAINED,
    InputNormalization,
    feature_mlp,
    init_from,
    load_imagenet,
)
from workshop_lib.models.residual import cifar_net, wide_resnet
from workshop_lib.models.vit import small_vit

_NUMBER = r"([1-9]\d*)"
_TABLE: dict[str, Callable[..., Backbone]] = {
    "small_cnn": small_cnn,
    f"wrn-{_NUMBER}-{_NUMBER}": wide_resnet,
    f"residual-{_NUMBER}": cifar_net,
    f"plain-{_NUMBER}": partial(cifar_net, shortcuts=False),
    f"unet-{_NUMBER}": unet_encoder,
    f"vit-{_NUMBER}": small_vit,
    **PRETRAINED,
    "linear": feature_mlp,
    f"mlp-{_NUMBER}": feature_mlp,
}
# Names that errors list; numbers are examples.
ENCODERS = (
    *("small_cnn", "wrn-28-2", "wrn-28-8", "plain-20", "residual-20", "vit-64"),
    *PRETRAINED,
    *("linear", "mlp-256", "unet-16", "unet-64", "fcn-resnet18", "fcn-resnet50"),
)
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
        class_weighting: of labelled pixels (`Categorical`).
    """

    kind: Kind
    num_classes: int = 0
    loss: str = "cross_entropy"
    thresholds: tuple[float, float] | None = (0.05, 0.7)
    class_weighting: float = 0.0

    def build(self, encoder: Encoder) -> Head:
        """Build the head for an encoder.

        Raises:
            WorkshopError: an unknown kind.
        """
        D, K = encoder.width, self.num_classes
        match self.kind:
            case "categorical":
                return Categorical(D, K)
            case "dense":
                how: Any = {"loss": self.loss, "class_weighting": self.class_weighting}
                return Categorical(encoder.map_widths, K, dense=True, **how)
            case "multilabel":
                return MultiLabel(D, K, thresholds=self.thresholds)
            case "regression":
                return Regression(D)
        raise unknown_name("kind of head", self.kind, get_args(Kind))


def build_model(
    encoder: str,
    sensors: Mapping[str, int],
    heads: Mapping[str, HeadSpec],
    *,
    fusion: str = "early",
    metadata: int = 0,
    projection_dim: int = 0,
    projects_sensors: bool = False,
    pretrained: str | None = None,
    load_pretrained: bool = True,
    freeze: int = 0,
    skip: int = 0,
) -> Model:
    """Build a model from names.

    Random weights are drawn from one number of torch's global generator
    (`torch.manual_seed`), each part from a stream of its own, so that no option changes
    the initial weights of parts it does not concern. They are laid out channels-last,
    which convolutions on CPUs and tensor cores read fastest; results are the same.

    Args:
        encoder: "small_cnn", "wrn-DEPTH-WIDTH", "resnet18", 34, 50, 101 or 152,
            "efficientnet_lite0", "efficientnet_b0", "vit_b_16", "plain-DEPTH",
            "residual-DEPTH", "vit-WIDTH"; on features of a frozen backbone "linear" or
            "mlp-WIDTH"; with maps for dense heads "unet-WIDTH" (its own encoder),
            "unet-BACKBONE", "fcn-BACKBONE", or with some strides alone
            "fcn-resnet18:16,32".
        sensors: name -> channels.
        heads: name -> what it predicts; may be empty for self-supervision.
        fusion: where the sensors meet: "early", "middle", "late" or "shared".
        metadata: numbers M in the metadata vector; 0 for none.
        projection_dim: width P of the projection head; 0 leaves it out.
        projects_sensors: one projection for the features of each sensor by themselves.
        pretrained: what the encoder starts from: None for random weights, "imagenet",
            or the folder of a run (`init_from`). After "imagenet" a backbone that reads
            "rgb" alone normalises it itself: `encoder.unit_range` names the sensors
            whose images must stay in [0, 1].
        load_pretrained: False builds the same network and leaves its weights random,
            for those of a checkpoint.
        freeze: stages of the backbones that stay as they are; -1 for the whole encoder.
        skip: stages that are left out, as the one sensor, "features", holds the maps
            that they gave (`FeatureExtractor`).

    Raises:
        WorkshopError: an unknown name, an impossible depth, a dense head on an encoder
            without maps, or pretrained weights that do not exist or fit. What is
            missing in a run's weights is listed in a warning.

    >>> heads = {"scene": HeadSpec("categorical", 10)}
    >>> model = build_model("small_cnn", {"s2": 4, "s1": 2}, heads, fusion="late")
    >>> model({"s2": torch.zeros(5, 4, 32, 32)})["scene"].shape
    torch.Size([5, 10])
    """
    dense = [name for name, head in heads.items() if head.kind == "dense"]
    backbone, decoder = _parse(encoder)
    if dense and decoder is None:
        raise WorkshopError(
            f"encoder={encoder!r} gives no maps for the head {dense[0]!r}: use"
            f" 'unet-{encoder}', 'fcn-{encoder}' or 'unet-16'."
        )
    seed = draw_seed()
    imagenet = pretrained == "imagenet"
    built = Encoder(
        sensors,
        partial(
            build_backbone,
            backbone,
            pretrained=imagenet and load_pretrained,
            skip=skip,
        ),
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
        published = max((b.projection_hidden for b in built.each_backbone()), default=0)
        D = _width_of_sensor(built) if projects_sensors else built.width
        hidden, slope = (published, 0.0) if published else (D, 0.1)
        with seeded(seed, "projection"):
            projection = ProjectionHead(D, hidden, projection_dim, slope)
    model = Model(built, made, projection)
    if imagenet:
        _normalize_photographs(built, backbone)
    elif pretrained and load_pretrained:
        init_from(model, pretrained)
    model.freeze(freeze)
    return model.to(memory_format=torch.channels_last)


def build_backbone(
    name: str, channels: int, *, pretrained: bool = False, skip: int = 0
) -> Backbone:
    """Build a backbone from its name.

    Args:
        name: such as "small_cnn"; see `build_model`.
        channels: of its input.
        pretrained: whether to load ImageNet weights.
        skip: first stages, of photographs, that are left out.

    Raises:
        WorkshopError: an unknown name, an impossible depth, or `pretrained` without
            weights.
    """
    for pattern, build in _TABLE.items():
        if found := re.fullmatch(pattern, name):
            numbers = (int(number) for number in found.groups())
            backbone = build(3 if skip else channels, *numbers)
            if pretrained:
                load_imagenet(backbone, name)
            backbone.skip(skip)
            return backbone
    raise unknown_name("encoder", name, ENCODERS)


def _width_of_sensor(encoder: Encoder) -> int:
    """Return the length of one sensor's features.

    Raises:
        WorkshopError: a single sensor, or a fusion that mixes them.
    """
    S = len(encoder.sensors)
    if S < 2 or encoder.fusion not in ("late", "shared"):
        raise WorkshopError(
            f"sensors {', '.join(encoder.sensors)} with fusion={encoder.fusion!r}: to"
            " compare sensors give two or more, such as sensors=('s1', 's2'), and"
            " fusion='late'."
        )
    return encoder.width // S


def _parse(encoder: str) -> tuple[str, DecoderBuilder | None]:
    """Return the name of the backbone, and the decoder."""
    if fcn := re.fullmatch(r"fcn-([^:]+)(?::([\d,]+))?", encoder):
        skips = tuple(int(s) for s in (fcn[2] or "").split(",") if s)
        return fcn[1], partial(FCNDecoder, skips=skips)
    if encoder.startswith("unet-"):
        own = re.fullmatch(r"unet-\d+", encoder)
        return encoder if own else encoder.removeprefix("unet-"), UNetDecoder
    return encoder, None


def _normalize_photographs(encoder: Encoder, name: str) -> None:
    """Have a backbone that reads RGB alone normalise it as its training did."""
    if "features" in encoder.sensors:  # their backbone has done it
        encoder.unit_range = ("features",)
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
