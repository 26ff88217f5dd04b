"""Any segmentation network as a function from patches to class probabilities."""

__all__ = ["network_digest", "pixel_predictor"]

import copy
import hashlib
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.evaluation.tiles.blend import Predict


def pixel_predictor(
    model: nn.Module, normalize: Normalize, device: torch.device
) -> Predict:
    """Wrap a network for `blended_strips`: a copy of it, in evaluation mode.

    Where the image has no data the network sees the mean of each band, which is 0 after
    normalisation.

    Args:
        model: maps (B, C, h, w) to logits (B, K, h, w), or to an `Output` with them.
        normalize: as fitted on the training images.
        device: where to compute.
    """
    model = copy.deepcopy(model).to(device).eval()  # the caller's stays as it is
    normalize = copy.deepcopy(normalize).to(device)

    def predict(patches: NDArray[Any], holes: NDArray[Any]) -> NDArray[Any]:
        x = normalize(to_float(torch.from_numpy(patches).to(device)))  # (B, C, h, w)
        if holes.any():
            x.masked_fill_(torch.from_numpy(holes).to(device)[:, None], 0)
        with torch.inference_mode():
            found = model(x.contiguous(memory_format=torch.channels_last))
            logits: Tensor = getattr(found, "logits", found)
            return logits.float().softmax(dim=1).cpu().numpy()

    return predict


def network_digest(model: nn.Module, normalize: nn.Module) -> str:
    """Hash layers and weights: the same network gives the same digest."""
    digest = hashlib.sha256(repr(model).encode())
    for module in (model, normalize):
        for name, values in module.state_dict().items():
            digest.update(name.encode())
            digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
