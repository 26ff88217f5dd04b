"""One class for each image."""

__all__ = ["SceneTask"]

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Batch, build_method
from workshop_lib.methods.propagation import PropagatedStart, propagate_labels
from workshop_lib.models.predict import predict_mean
from workshop_lib.ranks import own_rows
from workshop_lib.recipe import Recipe
from workshop_lib.training.distributed import rank_zero_first
from workshop_lib.training.log import Row
from workshop_lib.training.views import open_views


class SceneTask:
    """Labels of images: see `Task`.

    Args:
        recipe: names method and views.
        scenes: images with one label each.
        split: which are labeled, unlabeled, validation.
        device: where the labels are kept.
    """

    best_by = "val_accuracy"

    def __init__(
        self, recipe: Recipe, scenes: Scenes, split: Split, device: torch.device
    ) -> None:
        if scenes.multi_label:
            raise WorkshopError(
                "images with several labels each cannot be trained on: the methods here"
                " choose one class per image. Keep the images of one label."
            )
        self.class_names = scenes.class_names
        self.recipe, self.split = recipe, split
        self.labels, self.val = scenes.labels.to(device), split.val.to(device)
        self.method = build_method(recipe, len(self.class_names))
        names = {*self.method.labeled_views, *self.method.views}
        with rank_zero_first():  # features are computed once, then found in the cache
            self.views = open_views(recipe, scenes, names, device)

    def draw(
        self,
        labeled: Tensor,
        unlabeled: Tensor,
        generator: torch.Generator,
        normalize: Normalize,
    ) -> Batch:
        """Make the views (B, C, H, W) and (mu*B, C, H, W); labels are (B,)."""

        def views(index: Tensor, names: tuple[str, ...]) -> tuple[Tensor, ...]:
            draw = self.views.draw
            return tuple(draw(index, name, generator, normalize) for name in names)

        return Batch(
            x_lab=views(labeled, self.method.labeled_views),
            y_lab=self.labels[own_rows(labeled)],
            x_unl=views(unlabeled, self.method.views),
            unlabeled_index=own_rows(unlabeled),
        )

    def truth(self, batch: Batch) -> Tensor:
        """Return the labels of the unlabeled images, (mu*B,)."""
        return self.labels[batch.unlabeled_index]

    def measure(self, average: nn.Module, model: nn.Module, norm: Normalize) -> Row:
        """Measure accuracy, and the log loss of the averaged weights."""
        truth = self.labels[self.val].cpu()
        views = self.views.inputs
        probs = predict_mean(average, norm, views, index=self.val)
        online = predict_mean(model, norm, views, index=self.val)
        picked = probs[torch.arange(len(truth)), truth]
        return {
            "val_accuracy": float((probs.argmax(1) == truth).double().mean()),
            "val_accuracy_online": float((online.argmax(1) == truth).double().mean()),
            "val_loss": float(-picked.clamp_min(1e-8).log().mean()),
        }

    def start(self, normalize: Normalize) -> PropagatedStart | None:
        """Let the labels flow to the unlabeled images, for the first steps."""
        if not self.recipe.propagation_steps:
            return None
        device = self.labels.device
        pool = self.split.unlabeled.to(device)
        known = torch.full_like(self.labels, -1)
        known[self.split.labeled] = self.labels[self.split.labeled]
        views = [normalize(view[pool]).flatten(1) for view in self.views.inputs]
        features = torch.stack(views).mean(dim=0)  # (n, D)
        guess, sure = propagate_labels(features, known[pool], len(self.class_names))
        weights = torch.zeros(len(known), device=device)
        weights[pool], known[pool] = sure, guess
        return PropagatedStart(self.method, known, weights).to(device)

    def after_validation(self, model: nn.Module, norm: Normalize, step: int) -> None:
        """Keep nothing: the log says it all."""

    def write(self, folder: Path) -> None:
        """Write nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: nothing changes."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load nothing."""
