"""Inputs of a training: sensors or features, targets, views, and the network they fit.

A frozen network gives the same features for the same view every time. So a handful of
augmented views per image are computed once and kept; a training then draws among them,
and a step costs what its small head costs: a thousandth.
"""

__all__ = ["Inputs", "initial_model", "open_features", "open_views", "read_inputs"]

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.augment import (
    BandNormalize,
    FeatureViewMaker,
    Normalize,
    ViewMaker,
    augmentations_for,
    to_float,
)
from workshop_lib.config import Config
from workshop_lib.data.cache import cached, image_digest
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import ELEVATION, sample_of, targets_of
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Method
from workshop_lib.models import HeadSpec, Model, build_model
from workshop_lib.models.heads import HeadWeights
from workshop_lib.models.pretrained import FeatureExtractor
from workshop_lib.ranks import rank_zero_first
from workshop_lib.sample import METADATA, Sample
from workshop_lib.training.log import Progress
from workshop_lib.training.step import choose_precision

_RULES = 4  # version of how features are computed; another one computes them anew
_BATCH = 64  # images through the backbone at a time


@dataclass(frozen=True)
class Inputs:
    """Everything a training reads of a data set, by name.

    Args:
        sensors: (N, C, H, W) each as stored, and "metadata" (N, M).
        targets: by head, (N, ...) each.
        class_names: of each head; empty for a number.
        features: of a frozen backbone, by view (V, N, D, h, w); empty for pixels.
    """

    sensors: Sample
    targets: dict[str, Tensor]
    class_names: dict[str, tuple[str, ...]]
    features: dict[str, Tensor] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each head: "dense", "multilabel", "regression" or "categorical"."""
        found = {}
        for name, target in self.targets.items():  # (N, H, W), (N, K) or (N,)
            single = "regression" if target.is_floating_point() else "categorical"
            found[name] = {3: "dense", 2: "multilabel"}.get(target.ndim, single)
        return found

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

    def on(self, device: torch.device, config: Config, views: list[str]) -> "Inputs":
        """Move everything to the device of a training; compute features, if asked for.

        Args:
            device: whatever is there already is not copied.
            config: `model.features` puts features in the place of images.
            views: of which features are needed; see `open_features`.
        """
        sensors, features = self.sensors, {}
        if config.model.features:
            with rank_zero_first():  # computed once, then found in the cache
                features = open_features(config, sensors, views, device)
            sensors = {"features": features["none"][0]}
        return replace(
            self,
            sensors={k: values.to(device) for k, values in sensors.items()},
            targets={k: values.to(device) for k, values in self.targets.items()},
            features=features,
        )


def read_inputs(config: Config, scenes: Dataset) -> Inputs:
    """Select the sensors, metadata and targets that a config names.

    Raises:
        WorkshopError: a sensor, fact or target that the data set does not have.
    """
    if not config.model.heads:
        raise WorkshopError("no head to train: give model.heads, such as ('scene',).")
    wanted = config.data.sensors or ("rgb" if scenes.is_rgb else "s2",)
    if ELEVATION in config.model.heads and "dem" in wanted:
        raise WorkshopError(
            "the sensor 'dem' holds the answer for the head 'elevation': leave one out."
        )
    sensors = sample_of(scenes, wanted, config.data.metadata)
    targets = targets_of(scenes, config.model.heads)
    classes, covers = scenes.class_names, scenes.mask_names
    names = {"scene": classes, "cover": covers, "covers": covers}
    return Inputs(sensors, targets, {name: names.get(name, ()) for name in targets})


def open_features(
    config: Config, sensors: Sample, views: Iterable[str], device: torch.device
) -> dict[str, Tensor]:
    """Return the features of augmented views, computed now or loaded from the cache.

    Each view of the whole data set is one file of the cache, so an interrupted
    computation continues where it was, and a method that asks for one view more costs
    only that. Validation and test images are among them (they are needed to evaluate);
    nothing here learns from any image.

    Args:
        config: `model.features` names the backbone, `feature_size` the side of the
            images that it sees, `feature_views` the number of versions of each view.
        sensors: {"rgb": (N, 3, H, W) uint8}.
        views: names of views that a training asks for; "none", a single version, and
            "weak", over which predictions are averaged, come with them.
        device: where to compute.

    Returns:
        For each view (V, N, D, 1, 1) half precision on the device, or, where the
        encoder goes on from the maps of the frozen stages, (V, N, D, h, w).

    Raises:
        WorkshopError: images that are not RGB, or a backbone that cannot be loaded.
    """
    settings = config.model
    stages = settings.skipped_stages
    images = sensors.get("rgb")
    if images is None or len(sensors) > 1:
        raise WorkshopError(
            f"features={settings.features!r} of {', '.join(sensors)}: the backbones"
            " have learned on photographs. Give RGB images, or train from pixels"
            " (features='')."
        )
    # The precision asked for, not what "auto" comes to: that is measured, and may come
    # out otherwise the next time, when the same images must give the same features.
    about = [_RULES, settings.features, settings.feature_size, config.run.precision]
    about += [stages] if stages else []
    content = image_digest(images)

    @cache  # loaded when the first view is missing
    def backbone() -> FeatureExtractor:
        return FeatureExtractor(settings.features, stages).to(device)

    found = {}
    for view in sorted({"none", "weak", *views}):
        versions = []
        for v in range(1 if view == "none" else settings.feature_views):
            key = json.dumps([*about, view, v, content])
            name = f"features-{view}-{v}-{hashlib.sha256(key.encode()).hexdigest()}"
            compute = partial(_compute, config, images, view, v, backbone, device)
            versions.append(cached(name, compute)["features"])
        shape = (len(versions), *versions[0].shape, 1, 1)[:5]
        found[view] = torch.stack(versions).view(shape).to(device)
    return found


def _compute(
    config: Config,
    images: Tensor,
    view: str,
    v: int,
    backbone: Callable[[], FeatureExtractor],
    device: torch.device,
) -> dict[str, Tensor]:
    """Send a version of a view of every image through the backbone."""
    seed = hashlib.sha256(f"{view}/{v}".encode()).digest()[:6]  # in whatever order
    generator = torch.Generator(device).manual_seed(int.from_bytes(seed, "big"))
    augment = augmentations_for(is_rgb=True)[view]
    size = config.model.feature_size
    precision = choose_precision(config.run.precision, device)
    label = f"{config.model.features}, {view} view {v + 1}"
    bar = Progress(len(images), label=label, unit="image")
    parts = []
    with closing(bar), torch.inference_mode():
        for batch in images.split(_BATCH):
            x = augment(to_float(batch.to(device)), generator)  # (B, 3, H, W)
            if x.shape[-2:] != (size, size):
                x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
            with precision.autocast():  # of the network alone: pixels stay float32
                parts.append(backbone()(x).half().cpu())  # (B, D) or (B, D, h, w)
            bar.tick(len(batch))
    return {"features": torch.cat(parts)}


def initial_model(
    config: Config, facts: dict[str, Any], *, load_pretrained: bool = True
) -> Model:
    """Build the network with the weights that its training starts from.

    They are drawn from the config's seed alone, or taken from the run that it names, so
    that a finished run can be compared with them. The caller's random numbers stay.

    Args:
        config: encoder, fusion, projection, pretraining, method and seed.
        facts: of `Inputs.facts`: sensors, metadata and heads.
        load_pretrained: False leaves the weights random, for those of a checkpoint.

    Raises:
        WorkshopError: an encoder that does not fit the heads; no such run to start
            from, or a network of another kind in it.
    """
    settings = config.model
    width, method = settings.projection_dim, config.method
    if width is None:
        width = 64 if method.needs_projection else 0
    weighting = settings.class_weighting
    choices = (settings.mask_loss, settings.label_thresholds, weighting)
    heads = {
        name: HeadSpec(about["kind"], about["num_classes"], *choices)
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
            projects_sensors=method.projects_sensors,
            pretrained=settings.init_from or None,
            load_pretrained=load_pretrained,
            freeze=0 if settings.features else settings.freeze,
            skip=settings.skipped_stages,
        )
    model.encoder.reads_metadata = not method.withholds_metadata
    given = config.optim.head_weights or (1.0,) * len(heads)
    if config.optim.learned_weights or any(weight != 1 for weight in given):
        model.head_weights = HeadWeights(heads, given, config.optim.learned_weights)
    return model


def open_views(
    config: Config, inputs: Inputs, method: Method, model: Model, index: Tensor
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
    if inputs.features:
        return FeatureViewMaker(inputs.features, inputs.targets, normalize, **views)
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
