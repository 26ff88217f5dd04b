"""What a network says of stored images, and a finished run of its own or new ones.

Large images are read from one file, so there is nothing to choose between: tiling,
mapping and a look inside of a network take tensors rather than samples. For these
`single_sensor` gives the network as a plain module.
"""

__all__ = [
    "check_fits",
    "embed",
    "predict",
    "predict_heads",
    "predict_run",
    "single_sensor",
    "stored_views",
]

import copy
from collections.abc import Callable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from workshop_lib.augment import BandNormalize, Normalize
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import read_json
from workshop_lib.models import Model
from workshop_lib.models.heads import Head
from workshop_lib.models.model import PROJECTION
from workshop_lib.models.networks import SingleSensor
from workshop_lib.sample import Sample, images_at_a_time, interleaved, num_images
from workshop_lib.session import pick_device
from workshop_lib.training.inputs import open_features, read_inputs
from workshop_lib.training.run import Run, run_identity, what_differs

EMBEDDINGS = ("features", PROJECTION)
Normalizer = Callable[[Sample], Sample]  # stored form -> normalised floats

_TILES = 256  # whose probabilities are in memory at a time


def predict(
    model: Model, sensors: Sample, normalize: Normalizer, *, index: Tensor | None = None
) -> dict[str, Tensor]:
    """Compute what every head predicts, batch by batch, on the model's device.

    The model is in evaluation mode during the call (batch norm uses its running
    averages, so an image's result does not depend on its neighbours) and returns to its
    previous mode.

    Args:
        model: the network.
        sensors: N images by sensor as they are stored, uint8 or float, and metadata
            (N, M); on any device.
        normalize: fitted on the training images (`Normalize`).
        index: (n,) positions of the images to predict; None for all. Unlike indexing
            beforehand, never copies more than a batch.

    Returns:
        On the CPU, by head, float32: class probabilities (N, K) that sum to 1, of a
        dense head (N, K, H, W), of a multi-label head (N, 2, K) for absent and present;
        of a regression the numbers (N,). With `index` n rows.

    Raises:
        WorkshopError: there are no images.
    """
    heads = cast(dict[str, Head], dict(model.heads.items()))

    def answers(sample: Sample) -> dict[str, Tensor]:
        out = model(sample)
        return {k: head.probabilities(out[k]).float() for k, head in heads.items()}

    return _collect(answers, model, sensors, normalize, index)


def predict_mean(
    model: Model,
    views: Sequence[Sample],
    normalize: Normalizer,
    *,
    index: Tensor | None = None,
) -> dict[str, Tensor]:
    """Average the predictions over several views of the same images.

    Args:
        views: at least one, each as the `sensors` of `predict`.
        model, normalize, index: as of `predict`.

    Returns:
        As `predict`.

    Raises:
        WorkshopError: as `predict`.
    """
    found = [predict(model, view, normalize, index=index) for view in views]
    return {k: torch.stack([one[k] for one in found]).mean(dim=0) for k in found[0]}


def embed(
    model: Model,
    sensors: Sample,
    normalize: Normalizer,
    which: Literal["features", "projection"] = "features",
    *,
    index: Tensor | None = None,
) -> Tensor:
    """Compute one vector per image, batch by batch, under the conditions of `predict`.

    Args:
        model, sensors, normalize, index: as of `predict`.
        which: "features" are what scene heads read; "projection" the unit vectors that
            contrastive losses compare, where the model has such a head.

    Returns:
        (N, D) or (n, D) float32 on the CPU.

    Raises:
        WorkshopError: as `predict`; another name, or a model without a projection head.
    """
    if which not in EMBEDDINGS:
        raise unknown_name("embedding", which, EMBEDDINGS)
    head = model.projection if which == PROJECTION else nn.Identity()
    if head is None:
        raise WorkshopError(
            "this model has no projection head: train with projection_dim=64, or look"
            " at its features instead."
        )

    def vectors(sample: Sample) -> dict[str, Tensor]:
        found = head(model.features(sample).vector)
        return {which: found.float().flatten(1)}  # (B, D)

    return _collect(vectors, model, sensors, normalize, index)[which]


def predict_run(
    run: Run, scenes: Dataset | Sample, index: Tensor | None = None
) -> Tensor:
    """Predict images with the main head of a run, best weights by validation.

    Args:
        run: a finished training.
        scenes: images of the same sensors, or those images alone by sensor.
        index: (n,) positions of the images; None for all.

    Returns:
        Class probabilities (n, K), of pixels (n, K, H, W), of several labels (n, 2, K)
        for absent and present; or numbers (n,). On the CPU.

    Raises:
        WorkshopError: a run without labels, whose head knows nothing.
    """
    run.check_head()
    model, normalize = run.load_model()
    views = stored_views(run, scenes)
    found = predict_mean(model.to(pick_device()), views, normalize, index=index)
    return found[run.main_head]


def predict_heads(
    run: Run, model: Model, normalize: Normalize, views: list[Sample], index: Tensor
) -> dict[str, Tensor]:
    """Predict with every head; of pixels only the likeliest class is kept.

    Args:
        run: whose heads they are.
        model, normalize: of one of its checkpoints (`Run.load_model`).
        views: of `stored_views`.
        index: (n,) positions of the images.

    Returns:
        By head: (n, K) probabilities, of a dense head (n, H, W) uint8 classes, of a
        regression (n,) numbers.
    """
    heads, model = run.facts["heads"], model.to(pick_device())
    found: dict[str, list[Tensor]] = {}
    dense = any(about["kind"] == "dense" for about in heads.values())
    for some in index.split(_TILES) if dense else [index]:
        for name, probs in predict_mean(model, views, normalize, index=some).items():
            kind = heads[name]["kind"]
            if kind == "dense":
                probs = probs.argmax(dim=1).to(torch.uint8)  # (n, H, W)
            elif kind == "multilabel":
                probs = probs[:, 1]  # (n, K)
            found.setdefault(name, []).append(probs)
    return {name: torch.cat(parts) for name, parts in found.items()}


def single_sensor(
    run: Run,
    which: Literal["best", "last", "initial"] = "best",
    weights: Literal["ema", "online"] = "ema",
) -> tuple[SingleSensor, BandNormalize]:
    """Build the network of a run for its only sensor, with its main head.

    Args:
        run: a finished training.
        which, weights: of which checkpoint; see `Run.load_model`.

    Returns:
        The network in evaluation mode, and the normalisation of its images.

    Raises:
        WorkshopError: a run on several sensors, on metadata, or on frozen features.
    """
    sensors = list(run.facts["sensors"])
    if len(sensors) != 1 or run.metadata or run.config.model.features:
        raise WorkshopError(
            f"{run.folder} reads {', '.join([*sensors, *run.metadata])}, but this needs"
            " the pixels of one sensor: train without other sensors, metadata or frozen"
            " features."
        )
    (sensor,) = sensors
    model, normalize = run.load_model(which, weights)
    head = cast(Head, model.heads[run.main_head])
    bands = cast(BandNormalize, normalize.bands[sensor])
    return SingleSensor(model.encoder, head, sensor).eval(), bands


def stored_views(run: Run, scenes: Dataset | Sample) -> list[Sample]:
    """Return what a run's model reads of images, one sample per stored view.

    From pixels: the images themselves. With a frozen backbone: the features of the
    plain images and of the stored weak views, over which predictions are averaged,
    which costs nothing more than they have cost already.

    Args:
        run: a training from pixels or on features.
        scenes: images of its sensors, or {"rgb": (N, 3, H, W) uint8}.
    """
    if isinstance(scenes, Dataset):
        config = run.config.replace(metadata=run.metadata)
        scenes = read_inputs(config, scenes).sensors
    if not run.config.model.features:
        return [scenes]
    found = open_features(run.config, scenes, (), pick_device())
    views = [*found["none"], *found["weak"]]
    return [{"features": view} for view in views]


def check_fits(run: Run, scenes: Dataset, split: Split) -> None:
    """Refuse images, bands, classes or a split that a run was not trained on.

    Raises:
        WorkshopError: what differs, and what to give instead.
    """
    then = read_json(run.folder / "identity.json")
    other = what_differs(then, run_identity(run.config, scenes, split))
    if other:
        raise WorkshopError(
            f"{run.folder} was trained on {other}: what is test here may have been"
            " training there. Give the run's own data, bands and size, and the split"
            " saved in its folder (Split.load)."
        )
    if torch.isin(split.test, split.unlabeled).any():
        raise WorkshopError("test images are among the training images: split again.")


def _collect(
    compute: Callable[[Sample], dict[str, Tensor]],
    model: Model,
    sensors: Sample,
    normalize: Normalizer,
    index: Tensor | None,
) -> dict[str, Tensor]:
    """Apply `compute`, which calls the model, to normalised images; join the rows."""
    if index is None:
        index = torch.arange(num_images(sensors))
    if not len(index):
        raise WorkshopError("no images: give at least one of each sensor (N, C, H, W).")
    device = next(model.parameters()).device
    if isinstance(normalize, nn.Module):
        normalize = copy.deepcopy(normalize).to(device)  # the caller's stays in place
    found: list[dict[str, Tensor]] = []
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for rows in index.split(images_at_a_time(sensors)):
                part = {k: v[rows.to(v.device)].to(device) for k, v in sensors.items()}
                sample = {k: interleaved(v) for k, v in normalize(part).items()}
                answers = compute(sample)
                found.append({k: v.cpu() for k, v in answers.items()})  # or fill a GPU
    finally:
        model.train(training)  # which leaves frozen parts in evaluation
    return {k: torch.cat([one[k] for one in found]) for k in found[0]}
