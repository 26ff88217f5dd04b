"""Every knob of a training, on one screen."""

__all__ = ["PRESETS", "Recipe", "preset", "preset_name"]

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.recipe_checks import check_recipe


@dataclass(frozen=True)
class Recipe:
    """What is trained, on what, how, and for how long; `with_` makes a changed copy.

    The defaults are the FixMatch run of the quickstart: about 75 s on two CPU cores.
    Settings that differ from the paper (Sohn et al. 2020) say so.
    """

    # --- data
    # "mini_eo" (or "mini_eo:SEED"), "ucm", "eurosat", a folder per class, a .zip of
    # such a folder, or a .txt with "path label" on each line
    data: str = "mini_eo"
    bands: str = ""  # of multispectral images, by name: "B04,B03,B02"; empty for all
    # sensors and facts that are fused into one image: ("s2", "s1", "season"); see
    # data/modalities.py. Empty: the images alone
    modalities: tuple[str, ...] = ()
    size: int = 32  # side of the images in pixels; others are resized to it
    labels_per_class: int = 4  # 0 uses every label of the training part
    split_seed: int = 0  # which images are labelled, unlabelled, validation, test
    # where unlabelled images come from; "labeled" is the control without any
    pool: Literal["all", "labeled"] = "all"

    # --- task
    # one class per image, or one per pixel (Scenes.masks); labels are then the masks of
    # the labelled images, and labels_per_class counts tiles per class of scene
    task: Literal["classify", "segment"] = "classify"
    # segment: on labelled pixels cross_entropy, focal, dice or cross_entropy+dice
    mask_loss: str = "cross_entropy"
    # segment with an fcn: folder of a run that classifies with the same ResNet (such as
    # runs/resnet18), whose trunk it goes on from, or "imagenet" (downloaded); empty
    # for random weights
    start_from: str = ""
    rare_classes: float = 0.0  # segment: 0 all pixels count alike, 1 all classes
    cutmix: float = 0.5  # segment: share of strong views with a box of another tile

    # --- model
    # small_cnn, wrn-28-2 (any depth and width), resnet18; on features linear, mlp-256;
    # to segment unet-16 (any width), fcn-resnet18, fcn-resnet18:32 (one stride alone)
    model: str = "small_cnn"
    # where modalities meet: early, middle, late or shared; see models/fusion.py
    fusion: Literal["early", "middle", "late", "shared"] = "early"
    # chance that strong views lack a modality, so that the model can do without
    modality_dropout: float = 0.0
    # frozen backbone whose features are learnt from, computed once: efficientnet_lite0,
    # or with a network resnet18, resnet50, efficientnet_b0, vit_b_16; none: from pixels
    features: str = ""
    feature_size: int = 224  # side in pixels of the images that the backbone sees
    feature_views: int = 4  # stored views of each augmentation, per image
    # first steps, that learn labels which have flowed to similar images (on features)
    propagation_steps: int = 0
    # width of the projection head, 0 for none; None: what the method needs
    projection_dim: int | None = None

    # --- method
    # supervised, pseudo_label, mean_teacher, uda, fixmatch, flexmatch, freematch,
    # softmatch, adamatch, defixmatch, comatch, ccssl or ccssl_comatch; its class says
    # which of these knobs it reads
    method: str = "fixmatch"
    labeled_view: Literal["weak", "strong"] = "weak"  # augmentation of labelled images
    threshold: float = 0.8  # least confidence of a pseudo-label (paper: 0.95)
    alignment: bool = True  # distribution alignment of pseudo-labels (paper: no)
    # of the pseudo-label softmax, below 1 sharpens; None: the method's own (1; uda 0.4)
    temperature: float | None = None
    # weight of the loss on unlabelled images; None: the method's own (1; defixmatch
    # 0.5; mean_teacher 50, on a squared error)
    lambda_u: float | None = None
    # share of the steps in which lambda_u rises from 0 (pseudo_label, mean_teacher)
    ramp_up: float = 0.4
    # of running averages of predictions: thresholds, alignment (papers: 0.999)
    running_momentum: float = 0.99
    joint_forward: bool = False  # True: one forward for all views, as in the paper
    # --- method: contrast of embeddings (comatch, ccssl and ccssl_comatch)
    lambda_c: float = 1.0  # weight of the contrastive loss
    queue_batches: int = 5  # comatch: steps that its memory of images reaches back
    smoothing: float = 0.9  # comatch: own opinion against the memory's; 1 is all own
    graph_threshold: float = 0.8  # comatch: agreement that makes images neighbours
    graph_temperature: float = 0.2  # comatch: of its comparisons of embeddings
    contrast_temperature: float = 0.07  # ccssl: of its comparisons of embeddings
    push_threshold: float = 0.0  # ccssl: less sure images get no class (paper: 0.9)

    # --- optimisation
    steps: int = 2000  # optimiser steps (paper: 2**20)
    batch_size: int = 16  # labelled images per step, B (paper: 64)
    mu: int = 4  # unlabelled images per labelled one (paper: 7)
    # adamw, or sgd with Nesterov momentum (the paper's); others to compare them with
    optimizer: Literal[
        "adamw", "sgd", "plain_sgd", "momentum", "adagrad", "rmsprop", "adam"
    ] = "adamw"
    lr: float = 0.002  # peak learning rate (paper: 0.03 with sgd)
    weight_decay: float = 0.02  # not on norms and biases (paper: 5e-4 with sgd)
    momentum: float = 0.9  # of sgd
    warmup_steps: int = 30  # linear warm-up before the 7/16 cosine (paper: none)
    ema_decay: float = 0.99  # of the weights that are evaluated (paper: 0.999)

    # --- machine and bookkeeping
    seed: int = 0  # of initial weights, order of images and augmentation
    # number format; auto: half precision where the machine is faster in it
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    # less memory for a third more time: part of the forward pass is computed twice
    checkpointing: bool = False  # all numbers stay the same
    micro_batch: int = 0  # images at a time, 0 for all; batch norm sees so many
    eval_every: int = 200  # steps between validations (and checkpoints)

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", tuple(self.modalities))  # JSON has lists
        check_recipe(self)

    def with_(self, **changes: Any) -> "Recipe":
        """Return a copy with some knobs changed.

        Raises:
            WorkshopError: a name that is not a knob; lists the known and the nearest.
        """
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_name("recipe knob", name, known)
        return replace(self, **changes)

    def to_json(self) -> str:
        """Write the recipe as JSON with sorted keys: equal recipes give equal text."""
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Read what `to_json` wrote.

        Raises:
            WorkshopError: the text is damaged, or holds a knob that is not known.
        """
        try:
            knobs = json.loads(text)
        except ValueError as error:
            raise WorkshopError(
                f"this is no recipe ({error}): restore recipe.json, or train anew."
            ) from error
        return cls().with_(**knobs)


# What to change for the time at hand; "class" is the recipe as it stands above.
PRESETS: dict[str, dict[str, Any]] = {
    # A test that all parts work: 1 to 3 s per training, 20 to 50 % on MiniEO.
    "ci": {"steps": 60, "eval_every": 30},
    # MiniEO on two CPU cores: FixMatch 75 s, 88 to 93 %; supervised 25 s, 66 to 79 %.
    "class": {},
    # Maps from ten tiles of MiniEO, on two CPU cores; see docs/segmentation.md.
    "segment": {
        "task": "segment",
        "model": "unet-16",
        "labels_per_class": 1,
        "labeled_view": "strong",
        "threshold": 0.6,
        "batch_size": 8,
        "mu": 2,
        "eval_every": 250,
    },
    # Real photographs on two CPU cores, on the features of a frozen network (extra
    # `pretrained`): a minute for the features of 500 images, then seconds.
    "features": {
        "size": 160,
        "features": "efficientnet_lite0",
        "feature_size": 160,
        "feature_views": 6,
        "propagation_steps": 300,
        "model": "mlp-256",
        "labeled_view": "strong",
        "threshold": 0.9,
        "steps": 1000,
        "batch_size": 32,
        "mu": 7,
        "lr": 0.001,
        "weight_decay": 0.2,
        "eval_every": 250,
    },
    # Near the paper's setting (which has eight times the steps), for a GPU and a day.
    # Not run to the end by us: no figures to promise.
    "home": {
        "joint_forward": True,
        "model": "wrn-28-2",
        "threshold": 0.95,
        "alignment": False,
        "running_momentum": 0.999,
        "batch_size": 64,
        "mu": 7,
        "steps": 2**17,
        "optimizer": "sgd",
        "lr": 0.03,
        "weight_decay": 5e-4,
        "warmup_steps": 0,
        "ema_decay": 0.999,
        "eval_every": 2**11,
    },
}


def preset(name: str | None = None) -> Recipe:
    """Return the recipe for the time at hand.

    Args:
        name: "ci", "class", "features" or "home"; default the environment variable
            WORKSHOP_PRESET, or "class" where that is not set.

    Raises:
        WorkshopError: an unknown name; lists the known ones.
    """
    name = name or preset_name()
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return Recipe().with_(**PRESETS[name])


def preset_name() -> str:
    """Return the name in the environment variable WORKSHOP_PRESET, or "class"."""
    return os.environ.get("WORKSHOP_PRESET") or "class"
