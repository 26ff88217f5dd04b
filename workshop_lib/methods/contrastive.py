"""Contrastive methods: a third view, and embeddings of unit length."""

__all__ = ["ContrastiveMethod"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.methods.base import (
    Batch,
    Outputs,
    TrainingSize,
    forward_views,
    heads_of,
)
from workshop_lib.methods.fixmatch import FixMatch, Guess


@dataclass(eq=False)
class ContrastiveMethod(FixMatch):
    """FixMatch, and a comparison of embeddings by the pseudo-labels of the scene.

    The weak view is asked for a pseudo-label, the strong one learns it, and the
    embeddings of the strong and of the contrastive view are compared. The comparison
    goes by one class per image, so it needs exactly one head with a class per scene;
    other heads are taught as by `FixMatch`.

    Args:
        lambda_c: weight of the contrastive part; 1. Too high for the learning rate, and
            the classes are not learned any more.
        others: see `FixMatch`.
    """

    views: ClassVar[tuple[str, ...]] = ("weak", "strong", "contrastive")
    needs_projection: ClassVar[bool] = True

    lambda_c: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.scene = ""  # the head whose pseudo-labels compare embeddings

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Find the head with a class per scene, and check for a projection head.

        Raises:
            WorkshopError: no such head or several, or a model without a projection
                head: its features are not of unit length.
        """
        super().setup(model, size)
        name = type(self).__name__
        scenes = [
            key
            for key, head in heads_of(model)
            if len(head.class_shape) == 1 and not head.dense
        ]
        if len(scenes) != 1:
            raise WorkshopError(
                f"{name} compares images by their class, and this model has"
                f" {len(scenes)} heads with a class per scene: for maps, several labels"
                " or numbers use FixMatch or one of its relatives."
            )
        if getattr(model, "projection", None) is None:
            raise WorkshopError(
                f"{name} compares embeddings and needs a model with a projection head:"
                " build it with projection_dim=64."
            )
        self.scene = scenes[0]

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield FixMatch's terms, then the contrastive one."""
        self.check_views(batch)
        (x,), (weak, strong, contrastive) = batch.labeled, batch.views
        (out_x, out_s, out_c), (out_w,) = forward_views(
            model, [x, strong, contrastive], [weak], joint=self.joint_forward
        )
        yield from self.supervised(model, out_x, batch.targets)
        guesses = self.guesses(model, out_w, out_x, batch)
        yield from self.unsupervised(model, guesses, out_w, out_s, batch)
        contrast = self.contrast(guesses[self.scene], out_s, out_c)
        for part, loss in contrast.items():
            yield part, self.lambda_c * loss

    def contrast(
        self, guess: Guess, out_s: Outputs, out_c: Outputs
    ) -> dict[str, Tensor]:
        """Return the contrastive terms of the strong and the contrastive view."""
        raise TypeError(f"{type(self).__name__} does not define contrast()")
