"""Inputs of a training: stored sensors, targets by head, and what the heads are."""

__all__ = [
    "Inputs",
    "fit_heads",
    "initial_model",
    "open_views",
    "propagated_labels",
    "read_inputs",
]

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from workshop_lib.augment import (
    BandNormalize,
    FeatureViewMaker,
    Normalize,
    ViewMaker,
)
from workshop_lib.config import Config
from workshop_lib.data.dataset import sample_of, targets_of
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.data.tiles import class_weights
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Method
from workshop_lib.methods.propagation import (
    LabelPropagationWarmup,
    propagate_labels,
)
from workshop_lib.models import HeadSpec, Model, build_model
from workshop_lib.models.heads import Categorical
from workshop_lib.sample import METADATA, Sample


@dataclass(frozen=True)
class Inputs:
    """Everything a training reads of a data set, by name.

    Args:
        sensors: (N, C, H, W) each as stored, and "metadata" (N, M).
        targets: by head, (N, ...) each.
        heads: what each head predicts.
        class_names: of each head; empty for a number.
    """

    sensors: Sample
    targets: dict[str, Tensor]
    heads: dict[str, HeadSpec]
    class_names: dict[str, tuple[str, ...]]

    @property
    def channels(self) -> dict[str, int]:
        """Number of channels of each sensor, without the metadata."""
        return {k: v.shape[1] for k, v in self.sensors.items() if k != METADATA}

    @property
    def metadata(self) -> int:
        """Length of the metadata vector, M; 0 without."""
        return self.sensors[METADATA].shape[1] if METADATA in self.sensors else 0

    @property
    def dense(self) -> bool:
        """Whether some head predicts pixels."""
        return any(head.kind == "dense" for head in self.heads.values())

    def to(self, device: torch.device) -> "Inputs":
        """Move the tensors to a device; whatever is there already is not copied."""
        sensors = {k: v.to(device) for k, v in self.sensors.items()}
        targets = {k: v.to(device) for k, v in self.targets.items()}
        return replace(self, sensors=sensors, targets=targets)

    def facts(self) -> dict[str, Any]:
        """Return what it takes to build the network again, as JSON can hold it."""
        return {
            "sensors": self.channels,
            "metadata": self.metadata,
            "heads": {
                name: {
                    "kind": head.kind,
                    "num_classes": head.num_classes,
                    "classes": list(self.class_names.get(name, ())),
                }
                for name, head in self.heads.items()
            },
        }


def read_inputs(config: Config, scenes: Scenes) -> Inputs:
    """Select the sensors, metadata and targets that a config names.

    Raises:
        WorkshopError: a sensor, fact or target that the data set does not have; lists
            those it has.
    """
    if not config.model.heads:
        raise WorkshopError("no head to train: give model.heads, such as ('scene',).")
    wanted = config.data.sensors or ("rgb" if scenes.is_rgb else "s2",)
    sensors = sample_of(scenes, wanted, config.data.metadata)
    targets = targets_of(scenes, config.model.heads)
    names = {"scene": scenes.class_names, "cover": scenes.mask_names}
    class_names = {name: tuple(names.get(name, ())) for name in targets}
    heads = {
        name: head_spec(config, target, len(class_names[name]))
        for name, target in targets.items()
    }
    return Inputs(sensors, targets, heads, class_names)


def head_spec(config: Config, target: Tensor, num_classes: int) -> HeadSpec:
    """Tell from a target what kind of head learns it."""
    settings = config.model
    if target.ndim == 3:
        return HeadSpec("dense", num_classes, loss=settings.mask_loss)
    if target.ndim == 2:
        low, high = settings.label_thresholds
        return HeadSpec("multilabel", num_classes, thresholds=(low, high))
    if target.is_floating_point():
        return HeadSpec("regression")
    return HeadSpec("categorical", num_classes)


def initial_model(
    config: Config, facts: dict[str, Any], *, load_pretrained: bool = True
) -> Model:
    """Build the network with the weights that its training starts from.

    They are drawn from the config's seed alone, or taken from the run that it names: a
    finished run can be compared with what it was before training. The caller's random
    numbers stay as they are.

    Args:
        config: encoder, fusion, projection, pretraining and seed.
        facts: of `Inputs.facts`: sensors, metadata and heads.
        load_pretrained: False leaves the weights random, for those of a checkpoint.

    Raises:
        WorkshopError: an encoder that does not fit the heads; no such run to start
            from, or a network of another kind in it.
    """
    settings = config.model
    width = settings.projection_dim
    if width is None:
        width = 64 if config.method.needs_projection else 0
    heads = {
        name: HeadSpec(
            about["kind"],
            about["num_classes"],
            loss=settings.mask_loss if about["kind"] == "dense" else "cross_entropy",
            thresholds=(settings.label_thresholds[0], settings.label_thresholds[1]),
        )
        for name, about in facts["heads"].items()
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        model = build_model(
            settings.encoder,
            facts["sensors"],
            heads,
            fusion=settings.fusion,
            metadata=facts["metadata"],
            projection_dim=width,
            pretrained=settings.init_from or None,
            load_pretrained=load_pretrained,
            freeze=settings.freeze,
        )
    return model


def fit_heads(model: Model, inputs: Inputs, labeled: Tensor, weighting: float) -> None:
    """Tell each head what the labelled targets are like.

    Args:
        weighting: of pixels; 0 all pixels count alike, 1 all classes.
    """
    for name, head in model.heads.items():
        targets = inputs.targets[name][labeled]
        head.fit(targets)  # type: ignore[operator]
        if isinstance(head, Categorical) and head.dense and weighting:
            known = targets[head.known(targets)].long()
            counts = known.bincount(minlength=head.num_classes).cpu().numpy()
            head.class_weights.copy_(class_weights(counts, weighting))


def open_views(
    config: Config,
    inputs: Inputs,
    method: Method,
    normalize: Normalize,
    features: dict[str, Tensor] | None = None,
) -> ViewMaker | FeatureViewMaker:
    """Return what makes the views of a training: of images, or of their features.

    CutMix puts a box of one tile into another, which makes sense of pixels alone: with
    a head that predicts the whole image as well it is left out.
    """
    if features is not None:
        return FeatureViewMaker(
            features,
            inputs.targets,
            normalize,
            labeled_views=method.labeled_views,
            unlabeled_views=method.views,
        )
    pixels_alone = all(head.kind == "dense" for head in inputs.heads.values())
    return ViewMaker(
        inputs.sensors,
        inputs.targets,
        normalize,
        labeled_views=method.labeled_views,
        unlabeled_views=method.views,
        dense=inputs.dense,
        cutmix=config.data.cutmix if pixels_alone else 0.0,
        modality_dropout=config.data.modality_dropout,
    )


def fit_normalize(model: Model, sensors: Sample, index: Tensor) -> Normalize:
    """Measure the training images' statistics; a pretrained encoder keeps its own."""
    normalize = Normalize.fit(sensors, index)
    for name in model.encoder.unit_range:
        channels = sensors[name].shape[1]
        normalize.bands[name] = BandNormalize(
            torch.zeros(channels), torch.ones(channels)
        )
    return normalize


def propagated_labels(
    method: Method,
    inputs: Inputs,
    views: ViewMaker | FeatureViewMaker,
    split: Split,
    device: torch.device,
) -> LabelPropagationWarmup:
    """Spread the labels to the unlabelled images, for the first steps of a training.

    Raises:
        WorkshopError: other heads than one class per scene.
    """
    ((name, head),) = inputs.heads.items()
    if head.kind != "categorical":
        raise WorkshopError(
            "label propagation spreads one class per image: use propagation_steps=0"
            f" for the head {name!r}."
        )
    labels = inputs.targets[name]
    pool = split.unlabeled.to(device)
    known = torch.full_like(labels, -1)
    known[split.labeled] = labels[split.labeled]
    seen = [view["features"].flatten(1) for view in views.plain(pool)]
    features = torch.stack(seen).mean(dim=0)  # (n, D)
    guess, confidence = propagate_labels(features, known[pool], head.num_classes)
    weights = torch.zeros(len(known), device=device)
    weights[pool], known[pool] = confidence, guess
    return LabelPropagationWarmup(method, name, known, weights).to(device)
