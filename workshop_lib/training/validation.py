"""Figures of a model on some images, head by head."""

__all__ = ["validate"]

import torch
from torch import Tensor

from workshop_lib.augment.views import FeatureViewMaker, ViewMaker
from workshop_lib.models import Model
from workshop_lib.models.heads import Head

_PIXELS = 256 * 64 * 64  # of all images of one forward pass


@torch.inference_mode()
def validate(
    model: Model, maker: ViewMaker | FeatureViewMaker, index: Tensor
) -> dict[str, dict[str, float]]:
    """Measure every head on the images of an index, in evaluation mode.

    Batch normalisation uses its running averages, so that an image's result does not
    depend on its neighbours. Where an image has several stored views, the predicted
    probabilities are averaged.

    Args:
        maker: gives images as validation sees them (`plain`), and has the targets.
        index: (n,) positions of the images.

    Returns:
        Metrics by head and name; see `Head.metrics`.
    """
    training, totals = model.training, dict[str, dict[str, Tensor]]()
    model.eval()
    for part in index.split(_images_at_a_time(maker)):
        views = [model(view) for view in maker.plain(part)]
        for name, head in model.heads.items():
            assert isinstance(head, Head)
            out = _mean(head, [view[name] for view in views])
            counts = head.tally(out, maker.targets[name].index_select(0, part))
            kept = totals.setdefault(name, {})
            for key, value in counts.items():
                kept[key] = kept[key] + value if key in kept else value
    model.train(training)
    found = {}
    for name, head in model.heads.items():
        assert isinstance(head, Head)
        cpu = {key: value.cpu() for key, value in totals[name].items()}
        found[name] = head.metrics(cpu)
    return found


def _mean(head: Head, outs: list[Tensor]) -> Tensor:
    """Average the predictions of several views, in the form of one view's scores."""
    if len(outs) == 1:
        return outs[0]
    if not head.class_shape:
        return torch.stack(outs).mean(0)
    probs = torch.stack([head.probabilities(out) for out in outs]).mean(0)
    log = probs.clamp_min(torch.finfo(probs.dtype).tiny).log()
    return log[:, 1] - log[:, 0] if len(head.class_shape) == 2 else log


def _images_at_a_time(maker: ViewMaker | FeatureViewMaker) -> int:
    if isinstance(maker, FeatureViewMaker):
        return 4096
    return max(1, min(256, _PIXELS // (maker.size[0] * maker.size[1])))
