"""All views of a step through the network, sparing what needs no gradient."""

__all__ = ["forward_views"]

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workshop_lib.models.output import Output


def forward_views(
    model: nn.Module,
    with_gradient: Sequence[Tensor],
    without_gradient: Sequence[Tensor] = (),
    joint: bool = False,
) -> tuple[list[Output], list[Output]]:
    """Run the views of one step through the model, at most two forward passes in all.

    Args:
        with_gradient: views that the network learns from: labeled, strong.
        without_gradient: views that are only asked for their answer: weak.
        joint: False runs the second kind in a pass of its own that keeps nothing for
            the backward pass: FixMatch saves a third of the arithmetic and half of the
            memory. True is the papers' single pass over all views. What differs is
            batch normalisation: jointly, all views share one set of batch statistics;
            apart, each of the two kinds has its own. Either way the model stays in its
            mode, and in training mode both kinds enter the running statistics (apart:
            one update each), on purpose: at evaluation images look like the weak view.

    A model that is to spare memory (`Classifier.save_memory`) may take each pass a few
    images at a time; their outputs, and so the loss, are those of the whole batch.

    Shape: each view (n, C, H, W), n may differ from view to view -> one `Output` per
    view, in the order given: `logits` (n, K), `embedding` (n, D). The outputs of
    `without_gradient` are cut from the graph either way.
    """
    if joint:
        outputs = _run(model, [*with_gradient, *without_gradient])
        asked = outputs[len(with_gradient) :]
        return outputs[: len(with_gradient)], [_detached(output) for output in asked]
    with torch.no_grad():
        answers = _run(model, without_gradient)
    # Mixed precision keeps the half-precision weights it has just made. Older torch
    # makes them without gradient here: used again below, they would learn nothing.
    torch.clear_autocast_cache()
    return _run(model, with_gradient), answers


def _run(model: nn.Module, views: Sequence[Tensor]) -> list[Output]:
    if not views:
        return []
    sizes = [len(view) for view in views]
    logits, embedding = model(torch.cat(list(views)))
    return [
        Output(*parts)
        for parts in zip(logits.split(sizes), embedding.split(sizes), strict=True)
    ]


def _detached(output: Output) -> Output:
    return Output(output.logits.detach(), output.embedding.detach())
