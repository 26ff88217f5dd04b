"""From images to class probabilities, or to the vectors they are read from."""

__all__ = ["EMBEDDINGS", "embed", "images_at_a_time", "predict", "predict_mean"]

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import image_chunks, to_float
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.heads import Classifier
from workshop_lib.session import is_out_of_memory

EMBEDDINGS = ("features", "projection")

_PIXELS = 256 * 64 * 64  # of all images of one forward pass


def predict(
    model: nn.Module,
    normalize: nn.Module,
    images: Tensor,
    batch_size: int | None = None,
    index: Tensor | None = None,
) -> Tensor:
    """Compute class probabilities, batch by batch, on the model's device.

    The model is in evaluation mode for the time of the call (batch norm uses its
    running averages, so an image's result does not depend on its neighbours) and is
    given back as it was.

    Args:
        model: `model(x)` returns an `Output` with logits (B, K).
        normalize: the `Normalize` that was fitted on the training images.
        images: (N, C, H, W) uint8, or float as in `Scenes.images`; on any device.
        batch_size: images per forward pass; None chooses by their size. Should memory
            run out, half as many are tried, and so on.
        index: (n,) positions of the images to look at; None for all. Unlike
            `images[index]`, never copies more than a batch.

    Returns:
        (N, K) or (n, K) float32 probabilities on the CPU; each row sums to 1.

    Raises:
        WorkshopError: there are no images, or they are not (N, C, H, W).
    """

    def probabilities(x: Tensor) -> Tensor:
        logits: Tensor = model(x).logits  # (B, K)
        return logits.float().softmax(dim=1)

    return _in_batches(probabilities, model, normalize, images, batch_size, index)


def predict_mean(
    model: nn.Module,
    normalize: nn.Module,
    views: Sequence[Tensor],
    batch_size: int | None = None,
    index: Tensor | None = None,
) -> Tensor:
    """Average the probabilities of `predict` over several views of the same images.

    Args:
        views: at least one, each (N, C, H, W).
        model, normalize, batch_size, index: as of `predict`.

    Returns:
        (N, K) float32 probabilities on the CPU; each row sums to 1.

    Raises:
        WorkshopError: as `predict`.
    """
    probs = [predict(model, normalize, view, batch_size, index) for view in views]
    return torch.stack(probs).mean(dim=0)  # (N, K)


def embed(
    model: nn.Module,
    normalize: nn.Module,
    images: Tensor,
    which: Literal["features", "projection"] = "features",
    batch_size: int | None = None,
    index: Tensor | None = None,
) -> Tensor:
    """Compute one vector per image, batch by batch, under the conditions of `predict`.

    Args:
        model: a `Classifier`, such as `build_model` returns.
        normalize: the `Normalize` that was fitted on the training images.
        images: (N, C, H, W) uint8, or float as in `Scenes.images`; on any device.
        which: "features" are what the classifier reads; "projection" the unit vectors
            that contrastive losses compare, where the model has such a head.
        batch_size: images per forward pass; None chooses by their size. Should memory
            run out, half as many are tried, and so on.
        index: (n,) positions of the images to look at; None for all.

    Returns:
        (N, D) or (n, D) float32 on the CPU.

    Raises:
        WorkshopError: there are no images, another name, a model without a projection
            head, or one that is no `Classifier`.
    """
    if which not in EMBEDDINGS:
        raise unknown_name("embedding", which, EMBEDDINGS)
    if not isinstance(model, Classifier):
        raise WorkshopError(
            f"a model of type {type(model).__name__} has no one vector per image: give"
            " a Classifier, as build_model returns."
        )
    if which == "projection" and model.projection is None:
        raise WorkshopError(
            "this model has no projection head: train with --projection-dim 64, or"
            " look at its features instead."
        )

    def vectors(x: Tensor) -> Tensor:
        found: Tensor = model.features(x) if which == "features" else model(x).embedding
        return found.float()  # (B, D)

    return _in_batches(vectors, model, normalize, images, batch_size, index)


def _in_batches(
    compute: Callable[[Tensor], Tensor],
    model: nn.Module,
    normalize: nn.Module,
    images: Tensor,
    batch_size: int | None,
    index: Tensor | None,
) -> Tensor:
    """Apply `compute`, which calls the model, to normalised images; join the rows."""
    if images.ndim != 4 or len(images if index is None else index) == 0:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: a model reads (N, C, H, W) with at"
            " least one image; add a dimension with images[None] for a single one."
        )
    size = images_at_a_time(images.shape[1:]) if batch_size is None else batch_size
    if size < 1:
        raise WorkshopError(f"batch_size={size}: use at least 1, usually 256.")
    parameter = next(model.parameters(), None)
    device = images.device if parameter is None else parameter.device
    normalize = copy.deepcopy(normalize).to(device)  # the caller's stays where it is

    def rows(size: int) -> Tensor:
        parts = []
        for batch in image_chunks(images, index, size):
            x = normalize(to_float(batch.to(device, non_blocking=True)))
            x = x.contiguous(memory_format=torch.channels_last)  # faster convolutions
            parts.append(compute(x))
        return torch.cat(parts).cpu()  # (N, K) or (N, D)

    with _evaluating(model), torch.inference_mode():
        while True:
            try:
                return rows(size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or size == 1:
                    raise
            size //= 2  # not in the except clause: the error holds what did not fit


def images_at_a_time(shape: Sequence[int]) -> int:
    """Return how many images of (C, H, W) to look at in one forward pass.

    256 up to 64 pixels; of larger ones as many as take the same memory, 20 at 224.
    """
    return max(1, min(256, _PIXELS // (shape[-2] * shape[-1])))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Switch every module to evaluation, and back each to what it was.

    `model.train()` afterwards would wake up layers that were frozen on purpose.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
