"""From images to class probabilities."""

__all__ = ["predict"]

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import to_float
from workshop_lib.errors import WorkshopError


def predict(
    model: nn.Module, normalize: nn.Module, images: Tensor, batch_size: int = 256
) -> Tensor:
    """Compute class probabilities, batch by batch, on the model's device.

    The model is in evaluation mode for the time of the call (batch norm uses its
    running averages, so an image's result does not depend on its neighbours) and is
    given back as it was.

    Args:
        model: `model(x)` returns an `Output` with logits (B, K).
        normalize: the `Normalize` that was fitted on the training images.
        images: (N, C, H, W) uint8, or float as in `Scenes.images`; on any device.
        batch_size: images per forward pass; lower it if memory runs out.

    Returns:
        (N, K) float32 probabilities on the CPU; each row sums to 1.

    Raises:
        WorkshopError: there are no images, or they are not (N, C, H, W).
    """
    if images.ndim != 4 or len(images) == 0:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: predict needs (N, C, H, W) with at"
            " least one image; add a dimension with images[None] for a single one."
        )
    if batch_size < 1:
        raise WorkshopError(f"batch_size={batch_size}: use at least 1, usually 256.")
    parameter = next(model.parameters(), None)
    device = images.device if parameter is None else parameter.device
    normalize = copy.deepcopy(normalize).to(device)  # the caller's stays where it is
    parts = []
    with _evaluating(model), torch.inference_mode():
        for batch in images.split(batch_size):
            x = normalize(to_float(batch.to(device, non_blocking=True)))
            x = x.contiguous(memory_format=torch.channels_last)  # faster convolutions
            logits = model(x).logits  # (B, K)
            parts.append(logits.float().softmax(dim=1))
        return torch.cat(parts).cpu()  # (N, K)


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
