"""What the training loop and a method agree on.

The loop draws images, makes the views a method asks for, and takes a step on the loss
it returns. It never knows which method it runs; a method never knows which data set.
"""

__all__ = ["Batch", "LossTerms", "Method"]

from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe

AnyMethod = TypeVar("AnyMethod", bound="Method")


@dataclass(frozen=True)
class Batch:
    """One step's images, augmented and normalised, in the views the method asked for.

    Shape: each of `x_lab` (B, C, H, W), one per name in `Method.labeled_views`; `y_lab`
    (B,); each of `x_unl` (mu*B, C, H, W), one per name in `Method.views`;
    `unlabeled_index` (mu*B,) the position of each unlabeled image in the data set, for
    methods that remember something per image.

    Of segmentation `y_lab` is (B, H, W) and `source` (mu*B, H, W) int64 tells which
    pixel of the weak views each pixel of the strong views shows: its position among all
    mu*B*H*W of them (of several ranks: of the global batch), or -1 where there is none
    to compare with.
    """

    x_lab: tuple[Tensor, ...]
    y_lab: Tensor
    x_unl: tuple[Tensor, ...] = ()
    unlabeled_index: Tensor | None = None
    source: Tensor | None = None


@dataclass(frozen=True)
class LossTerms:
    """The loss, and what the log shows of it.

    `total` is a scalar with gradient. `parts` holds detached scalars by name (`loss_x`,
    `loss_u`, `mask_rate`, ...). `pseudo_labels` (mu*B,) and `mask` (mu*B,), if given,
    let the log compare pseudo-labels with the truth, which the method never sees; of
    segmentation they are (mu*B*H*W,), pixels of the weak views.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    pseudo_labels: Tensor | None = None
    mask: Tensor | None = None


class Method(nn.Module):
    """A training algorithm: from a model and a batch of views to a loss.

    Subclasses state the views they need, the knobs they read, and implement `forward`.
    Whatever a method remembers between steps (running averages, thresholds, queues) is
    a registered buffer, so that checkpoints and devices come for free.

    `knobs` are the constructor's arguments that a recipe sets: names of its fields, or
    "num_classes". An argument that is not among them keeps its default.
    """

    labeled_views: tuple[str, ...] = ("weak",)
    views: tuple[str, ...] = ()
    knobs: tuple[str, ...] = ()
    projection_dim: int = 0  # of the head it needs; 0 for none

    @classmethod
    def from_recipe(
        cls: type[AnyMethod], recipe: Recipe, num_classes: int
    ) -> AnyMethod:
        """Build the method with the recipe's knobs; None leaves its own default."""
        known = {"num_classes": num_classes, **vars(recipe)}
        given = {name: known[name] for name in cls.knobs}
        return cls(**{k: value for k, value in given.items() if value is not None})

    def attach(self, model: nn.Module, num_images: int, num_unlabeled: int) -> None:
        """Get ready for a training; called once, before a checkpoint is loaded.

        The place for what depends on the network (a teacher is a copy of it) or on the
        data: `num_images` in the data set (a memory of one entry per image) and how
        many of them are drawn as unlabeled ones. Most methods need nothing.
        """

    def after_step(self, model: nn.Module) -> None:
        """Follow the network after the optimiser has moved it; most methods do not."""

    def views_of(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the labeled, then the unlabeled views, after counting them.

        Raises:
            WorkshopError: other views than `labeled_views` and `views` ask for.
        """
        for kind, given, names in (
            ("labeled", batch.x_lab, self.labeled_views),
            ("unlabeled", batch.x_unl, self.views),
        ):
            if len(given) != len(names):
                raise WorkshopError(
                    f"{len(given)} {kind} view(s) given: {type(self).__name__} needs"
                    f" {('none', 'one', 'two', 'three')[len(names)]},"
                    f" x_{kind[:3]}=({', '.join(names)})."
                )
        return (*batch.x_lab, *batch.x_unl)

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Compute the loss of one step."""
        raise TypeError(f"{type(self).__name__} does not define forward(model, batch)")
