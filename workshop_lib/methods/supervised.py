"""The baseline: learn from the labeled images and from nothing else."""

__all__ = ["Supervised"]

from torch import nn

from workshop_lib.losses.consistency import supervised_loss
from workshop_lib.methods.protocol import Batch, LossTerms, Method


class Supervised(Method):
    """Cross-entropy on labeled images: what every other method has to beat.

    The network sees the few labeled images again and again, each time in another view.
    With four labels per class it soon knows them by heart, and only the augmentation
    makes it learn more than that. The gain of a semi-supervised method is its
    distance from the better of the two labeled views, with the same labels and steps.

        L = 1/B sum_b H(y_b, softmax(f(view(x_b))))

    Args:
        labeled_view: augmentation of the labeled images. "weak" (flips and shifts) is
            FixMatch's own treatment of them; "strong" (colour, geometry, cutout) is
            usually the better baseline when labels are few. To compare FixMatch with
            "weak" alone flatters it: part of its gain is then only augmentation.
    """

    knobs = ("labeled_view",)

    def __init__(self, *, labeled_view: str = "weak") -> None:
        super().__init__()
        self.labeled_views = (labeled_view,)

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of `batch.x_lab[0]` (B, C, H, W) against `batch.y_lab` (B,).

        The only part is `loss_x`.

        Raises:
            WorkshopError: other views than one labeled.
        """
        (x,) = self.views_of(batch)
        logits = model(x).logits  # (B, K)
        loss_x = supervised_loss(logits, batch.y_lab)
        return LossTerms(total=loss_x, parts={"loss_x": loss_x.detach()})
