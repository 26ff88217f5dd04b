"""Inputs of a training: sensors, targets by head, views, and the network they fit."""

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
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import sample_of, targets_of
from workshop_lib.data.split import Split
from workshop_lib.data.tiles import class_weights
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Method
from workshop_lib.methods.base import heads_of
from workshop_lib.methods.propagation import (
    LabelPropagationWarmup,
    propagate_labels,
)
from workshop_lib.models import HeadSpec, Model, build_model
from workshop_lib.models.class_heads import Categorical
from workshop_lib.sample import METADATA, Sample


@dataclass(frozen=True)
class Inputs:
    """Everything a training reads of a data set, by name.

    Args:
        sensors: (N, C, H, W) each as stored, and "metadata" (N, M).
        targets: by head, (N, ...) each.
        class_names: of each head; empty for a number.
    """

    sensors: Sample
    targets: dict[str, Tensor]
    class_names: dict[str, tuple[str, ...]]

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each head: "dense", "multilabel", "regression" or "categorical"."""
        return {name: _kind(target) for name, target in self.targets.items()}

    def to(self, device: torch.device) -> "Inputs":
        """Move the tensors to a device; whatever is there already is not copied."""
        sensors = {k: v.to(device) for k, v in self.sensors.items()}
        targets = {k: v.to(device) for k, v in self.targets.items()}
        return replace(self, sensors=sensors, targets=targets)

    def facts(self) -> dict[str, Any]:
        """Return what it takes to build the network again, as JSON can hold it."""
        channels = {name: values.shape[1] for name, values in self.sensors.items()}
        heads = {
            name: {
                "kind": kind,
                "num_classes": len(self.class_names[name]),
                "classes": list(self.class_names[name]),
            }
            for name, kind in self.kinds.items()
        }
        metadata = channels.pop(METADATA, 0)
        return {"sensors": channels, "metadata": metadata, "heads": heads}


def read_inputs(config: Config, scenes: Dataset) -> Inputs:
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
    return Inputs(sensors, targets, {name: names.get(name, ()) for name in targets})


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
    choices = (settings.mask_loss, settings.label_thresholds)
    heads = {
        name: HeadSpec(about["kind"], about["num_classes"], *choices)
        for name, about in facts["heads"].items()
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.run.seed)
        return build_model(
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


def fit_heads(model: Model, inputs: Inputs, labeled: Tensor, weighting: float) -> None:
    """Show each head the labelled targets: how frequent are the classes?

    Args:
        model: whose heads are fitted, in place.
        inputs: with the targets of all images.
        labeled: (n,) positions of the labelled images.
        weighting: of pixels; 0 all pixels count alike, 1 all classes.
    """
    for name, head in heads_of(model):
        targets = inputs.targets[name][labeled]
        head.fit(targets)
        if isinstance(head, Categorical) and head.dense and weighting:
            known = targets[head.known(targets)].long()
            counts = known.bincount(minlength=head.num_classes).cpu().numpy()
            head.class_weights.copy_(class_weights(counts, weighting))


def open_views(
    config: Config,
    inputs: Inputs,
    method: Method,
    model: Model,
    index: Tensor,
    features: dict[str, Tensor] | None = None,
) -> ViewMaker | FeatureViewMaker:
    """Return what makes the views of a training: of images, or of their features.

    CutMix puts a box of one tile into another, which makes sense of pixels alone: with
    a head that predicts the whole image as well it is left out.

    Args:
        config: how images are augmented.
        inputs: on the device of the training.
        method: names the views.
        model: on the same device; a pretrained encoder normalises some sensors itself.
        index: (n,) positions of the images whose statistics are measured.
        features: by view, stored versions of each image, in place of images.
    """
    normalize = Normalize.fit(inputs.sensors, index)
    for name in model.encoder.unit_range:
        width = inputs.sensors[name].shape[1]
        normalize.bands[name] = BandNormalize(torch.zeros(width), torch.ones(width))
    normalize = normalize.to(index.device)
    views: dict[str, Any] = {
        "labeled_views": method.labeled_views,
        "unlabeled_views": method.views,
    }
    if features is not None:
        return FeatureViewMaker(features, inputs.targets, normalize, **views)
    kinds = set(inputs.kinds.values())
    return ViewMaker(
        inputs.sensors,
        inputs.targets,
        normalize,
        **views,
        dense="dense" in kinds,
        cutmix=config.data.cutmix if kinds == {"dense"} else 0.0,
        modality_dropout=config.data.modality_dropout,
    )


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
    if list(inputs.kinds.values()) != ["categorical"]:
        raise WorkshopError(
            "label propagation spreads one class per image: use propagation_steps=0"
            f" for the heads {', '.join(inputs.kinds)}."
        )
    (name,) = inputs.kinds
    labels = inputs.targets[name]
    pool = split.unlabeled.to(device)
    known = torch.full_like(labels, -1)
    known[split.labeled] = labels[split.labeled]
    seen = [view["features"].flatten(1) for view in views.plain(pool)]
    features = torch.stack(seen).mean(dim=0)  # (n, D)
    classes = len(inputs.class_names[name])
    guess, confidence = propagate_labels(features, known[pool], classes)
    weights = torch.zeros(len(known), device=device)
    weights[pool], known[pool] = confidence, guess
    return LabelPropagationWarmup(method, name, known, weights).to(device)


def _kind(target: Tensor) -> str:
    """Tell from a target (N, ...) what kind of head learns it."""
    if target.ndim == 3:
        return "dense"
    if target.ndim == 2:
        return "multilabel"
    return "regression" if target.is_floating_point() else "categorical"
