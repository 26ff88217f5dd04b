"""Predictions and embeddings of stored images, batch by batch."""

__all__ = ["EMBEDDINGS", "embed", "images_at_a_time", "predict", "predict_mean"]

import copy
from collections.abc import Callable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.heads import Head
from workshop_lib.models.model import PROJECTION, Model
from workshop_lib.sample import METADATA, Sample, num_images

EMBEDDINGS = ("features", PROJECTION)
Normalizer = Callable[[Sample], Sample]  # stored form -> normalised floats

_PIXELS = 256 * 64 * 64  # of all images of one forward pass


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


def images_at_a_time(sensors: Sample) -> int:
    """Return how many images to send through a network in one forward pass.

    256 up to 64 pixels; of larger ones as many as take the same memory, 20 at 224.
    """
    sides = [v.shape[-2] * v.shape[-1] for k, v in sensors.items() if k != METADATA]
    return max(1, min(256, _PIXELS // max(sides, default=1)))


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


def interleaved(images: Tensor) -> Tensor:
    """Lay images out as convolutions read them fastest."""
    if images.ndim != 4:
        return images
    return images.contiguous(memory_format=torch.channels_last)
