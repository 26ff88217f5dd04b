"""Settings of a training in four sections: data, model, optimisation, run."""

__all__ = ["SECTIONS", "DataConfig", "ModelConfig", "OptimConfig", "RunConfig"]

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, Literal

import tyro

from workshop_lib.errors import WorkshopError

_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class DataConfig:
    """Images, how they are split, and how they are augmented."""

    # data set: "mini_eo" (or "mini_eo:SEED"), "mini_eo_places" (where the place says
    # more than the pixels), "ucm", "eurosat", "ben_ge", a folder with
    # one folder of images per class, a .zip of such a folder, a .txt with "path label"
    # on each line, or a .csv "name,labels" with ";" between several labels
    name: Annotated[str, tyro.conf.arg(name="data")] = "mini_eo"
    size: int = 32  # side of the images in pixels; others are resized to it
    bands: str = ""  # of multispectral images: "B04,B03,B02"; empty for all
    sensors: tuple[str, ...] = ()  # such as ("s2", "s1", "dem"); empty: the images
    # facts of each image for the encoder: ("date", "place", "climate")
    metadata: tuple[str, ...] = ()
    # random: class by class; block and region: whole places; longitude: the east to the
    # test; predefined: published, or by lists *train.csv, *val.csv, *test.csv of names
    split: Literal["random", "block", "region", "longitude", "predefined"] = "random"
    labels_per_class: int = 4  # 0 uses every label of the training part
    label_fraction: float = 0.0  # labelled part of each class (0.01: 1 %) in its place
    # several heads: labelled images of each class that have the target of each head, 0
    # for all; empty: all labelled images have all targets
    labels_per_head: tuple[int, ...] = ()
    split_seed: int = 0  # which images are labelled, unlabelled, validation, test
    block_km: float = 50.0  # split="block": side of a block on the map
    buffer_km: float = 0.0  # split="block": images this near to another part left out
    test_regions: tuple[int, ...] = ()  # split="region": numbers of the regions
    unlabeled_from: Literal["all", "labeled"] = "all"  # "labeled": control without any
    cutmix: float = 0.5  # maps: fraction of strong views with a box of another tile
    modality_dropout: float = 0.0  # chance that a strong view lacks a sensor

    def __post_init__(self) -> None:
        _as_tuples(self, "sensors", "metadata", "test_regions", "labels_per_head")
        _within(self, "size", least=1)
        _within(self, "labels_per_class", least=0)
        _within(self, "label_fraction", least=0, most=1)
        _within(self, "split_seed", least=0, most=_LARGEST_SEED)
        _within(self, "cutmix", least=0, most=1)
        _within(self, "modality_dropout", least=0, below=1)
        if self.split == "region" and not self.test_regions:
            raise WorkshopError(
                "split='region' without test_regions: give the numbers of the regions"
                " to test in, such as test_regions=(4,)."
            )

    @property
    def main_labels(self) -> int:
        """Labels per class of the main head, the first; 0 for all."""
        return next(iter(self.labels_per_head), 0) or self.labels_per_class


@dataclass(frozen=True)
class ModelConfig:
    """The network: encoder, heads, and the weights it starts from."""

    # small_cnn, wrn-28-2, vit-64, resnet18, efficientnet_lite0; on features linear,
    # mlp-256; for maps unet-16, unet-BACKBONE, fcn-resnet18
    encoder: str = "small_cnn"
    heads: tuple[str, ...] = ("scene",)  # what to predict: targets of the data
    fusion: Literal["early", "middle", "late", "shared"] = "early"  # of sensors
    projection_dim: int | None = None  # None: what the method needs; 0 for none
    # "imagenet" (downloaded, or of efficientnet_lite0 from its package), or the folder
    # of a run, whose encoder is taken over; empty for random weights
    init_from: str = ""
    # stages of the encoder that are not trained; -1 for all. Where `features` names the
    # encoder too, their maps are computed once
    freeze: int = 0
    # on labelled pixels: cross_entropy, focal, dice or cross_entropy+dice
    mask_loss: str = "cross_entropy"
    class_weighting: float = 0.0  # of pixels: 0 all pixels equal, 1 all classes equal
    label_thresholds: tuple[float, float] = (0.05, 0.7)  # several labels per image
    # frozen backbone whose features are computed once: efficientnet_lite0, or with a
    # network resnet18, resnet50, efficientnet_b0, vit_b_16; empty: from pixels
    features: str = ""
    feature_size: int = 224  # side in pixels of the images that the backbone sees
    feature_views: int = 4  # stored views of each augmentation, per image

    def __post_init__(self) -> None:
        _as_tuples(self, "heads", "label_thresholds")
        _within(self, "feature_views", least=1)
        _within(self, "class_weighting", least=0, most=1)
        if self.features:
            _within(self, "feature_size", least=32)
        on_features = self.encoder.split("-")[0] in ("linear", "mlp")
        if bool(self.features) != (on_features or self.skipped_stages > 0):
            raise WorkshopError(
                f"encoder={self.encoder!r} with features={self.features!r}: on features"
                " train encoder='linear' or 'mlp-256', or the last stages of the same"
                " backbone (freeze=4 and its name twice); on pixels any other."
            )

    @property
    def skipped_stages(self) -> int:
        """Frozen stages of the encoder whose maps are computed once; 0 for none."""
        return self.freeze if self.features == self.encoder else 0


@dataclass(frozen=True)
class OptimConfig:
    """Steps, batches and the optimiser."""

    steps: int = 2000  # optimiser steps (FixMatch's paper: 2**20)
    batch_size: int = 16  # labelled images per step, B (paper: 64)
    mu: int = 4  # unlabelled images per labelled one (paper: 7)
    # adamw, or sgd with Nesterov momentum (the paper's); others to compare them with
    optimizer: Literal[
        "adamw", "sgd", "plain_sgd", "momentum", "adagrad", "rmsprop", "adam"
    ] = "adamw"
    lr: float = 0.002  # peak learning rate (paper: 0.03 with sgd)
    encoder_lr: float = 1.0  # the encoder's learning rate as a fraction of lr
    weight_decay: float = 0.02  # not on norms and biases (paper: 5e-4 with sgd)
    sgd_momentum: float = 0.9  # of the optimisers sgd and momentum
    warmup_steps: int = 30  # linear warm-up before the 7/16 cosine (paper: none)
    ema_decay: float = 0.99  # of the weights that are evaluated (paper: 0.999)
    head_weights: tuple[float, ...] = ()  # of each head's loss; empty: 1
    learned_weights: bool = False  # of the heads' losses, by their uncertainty
    # first steps, on labels that are spread over pretrained features
    propagation_steps: int = 0

    def __post_init__(self) -> None:
        _as_tuples(self, "head_weights")
        _within(self, "steps", "batch_size", "mu", least=1)
        _within(self, "encoder_lr", "weight_decay", "warmup_steps", least=0)
        _within(self, "propagation_steps", least=0)
        _within(self, "sgd_momentum", "ema_decay", least=0, below=1)
        if not self.lr > 0:
            raise WorkshopError(
                f"lr={self.lr}: it must be above 0; usual are 0.002 with adamw and 0.03"
                " with sgd."
            )


@dataclass(frozen=True)
class RunConfig:
    """Machine and bookkeeping."""

    seed: int = 0  # of initial weights, order of images and augmentation
    eval_every: int = 200  # steps between validations (and checkpoints)
    # number format; auto: half precision where the machine is faster in it
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    checkpointing: bool = False  # less memory for a third more time; same numbers
    micro_batch: int = 0  # images at a time, 0 for all; batch norm sees that many

    def __post_init__(self) -> None:
        _within(self, "eval_every", least=1)
        _within(self, "seed", least=0, most=_LARGEST_SEED)
        if self.micro_batch < 0 or self.micro_batch == 1:
            raise WorkshopError(
                f"micro_batch={self.micro_batch}: use 0 for the whole batch, or at"
                " least 2 images, or batch normalisation has no variance."
            )


SECTIONS = {
    "data": DataConfig,
    "model": ModelConfig,
    "optim": OptimConfig,
    "run": RunConfig,
}


def _within(
    section: Any, *names: str, least: float, most: float = inf, below: float = inf
) -> None:
    """Refuse settings out of range, by name and value."""
    for name in names:
        value = getattr(section, name)
        if not (least <= value <= most and value < below):
            end = f" to {most}" if most < inf else " or more"
            end = f" to below {below}" if below < inf else end
            raise WorkshopError(f"{name}={value}: give {least}{end}.")


def _as_tuples(section: Any, *names: str) -> None:
    """Turn lists, which JSON has instead of tuples, into tuples."""
    for name in names:
        object.__setattr__(section, name, tuple(getattr(section, name)))
