"""Supervised training: the baseline that learns from labelled images alone."""

__all__ = ["Supervised"]

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from workshop_lib.methods.base import Batch, Method


@dataclass(eq=False)
class Supervised(Method):
    """Cross-entropy on labelled images: the baseline for every other method.

    The network sees the few labelled images again and again, each time in another view.
    With four labels per class it soon memorises them, and only the augmentation makes
    it learn more than that. The gain of a semi-supervised method is its distance from
    the better of the two labelled views, with the same labels and steps.

        L = 1/B sum_b H(y_b, softmax(f(view(x_b))))

    Args:
        labeled_view: "weak" (flips and shifts) is FixMatch's own treatment of labelled
            images; "strong" (colour, geometry, cutout) is usually the better baseline
            when labels are few. To compare FixMatch with "weak" alone flatters it: part
            of its gain is then only augmentation.
    """

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield one supervised term per head."""
        self.check_views(batch)
        yield from self.supervised(model, model(batch.labeled[0]), batch.targets)
