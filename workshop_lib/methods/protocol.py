"""What the training loop and a method agree on.

The loop draws images, makes the views a method asks for, and takes a step on the loss
it returns. It never knows which method it runs; a method never knows which data set.
"""

__all__ = ["Batch", "LossTerms", "Method"]

from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """One step's images, augmented and normalised, in the views the method asked for.

    Shape: each of `x_lab` (B, C, H, W), one per name in `Method.labeled_views`; `y_lab`
    (B,); each of `x_unl` (mu*B, C, H, W), one per name in `Method.views`;
    `unlabeled_index` (mu*B,) the position of each unlabeled image in the data set, for
    methods that remember something per image.
    """

    x_lab: tuple[Tensor, ...]
    y_lab: Tensor
    x_unl: tuple[Tensor, ...] = ()
    unlabeled_index: Tensor | None = None


@dataclass(frozen=True)
class LossTerms:
    """The loss, and what the log shows of it.

    `total` is a scalar with gradient. `parts` holds detached scalars by name (`loss_x`,
    `loss_u`, `mask_rate`, ...). `pseudo_labels` (mu*B,) and `mask` (mu*B,), if given,
    let the log compare pseudo-labels with the truth, which the method never sees.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    pseudo_labels: Tensor | None = None
    mask: Tensor | None = None


class Method(nn.Module):
    """A training algorithm: from a model and a batch of views to a loss.

    Subclasses state the views they need and implement `forward`. Whatever a method
    remembers between steps (running averages, thresholds, queues) is a registered
    buffer, so that checkpoints and devices come for free.
    """

    labeled_views: tuple[str, ...] = ("weak",)
    views: tuple[str, ...] = ()

    def attach(self, model: nn.Module, num_images: int) -> None:
        """Get ready for a training; called once, before a checkpoint is loaded.

        The place for what depends on the network (a teacher is a copy of it) or on the
        number of images in the data set (a memory of one entry per image). Most methods
        need nothing.
        """

    def after_step(self, model: nn.Module) -> None:
        """Follow the network after the optimiser has moved it; most methods do not."""

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Compute the loss of one step."""
        raise TypeError(f"{type(self).__name__} does not define forward(model, batch)")
