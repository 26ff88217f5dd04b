"""What a training is about: classes of images, or classes of pixels.

The trainer knows steps, weights and numbers. What differs between the tasks is kept in
one object for each: what the labels are, how a batch is drawn with them, how the
validation is measured.
"""

__all__ = ["Task", "open_task"]

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.methods import Batch, Method
from workshop_lib.methods.propagation import PropagatedStart
from workshop_lib.recipe import Recipe
from workshop_lib.training.log import Row
from workshop_lib.training.pixel_task import PixelTask
from workshop_lib.training.scene_task import SceneTask
from workshop_lib.training.views import Views


class Task(Protocol):
    """What the trainer asks for.

    `class_names` are the K classes that the network tells apart; `best_by` the column
    of the log whose highest value chooses the best checkpoint.
    """

    class_names: tuple[str, ...]
    best_by: str

    @property
    def views(self) -> Views:
        """Where the network's inputs come from."""
        ...

    @property
    def method(self) -> Method:
        """The algorithm, which has been told of the data."""
        ...

    def draw(
        self,
        labeled: Tensor,
        unlabeled: Tensor,
        generator: torch.Generator,
        normalize: Normalize,
    ) -> Batch:
        """Make the views that the method asks for, of the images at these positions."""
        ...

    def truth(self, batch: Batch) -> Tensor:
        """Return what the pseudo-labels of the last batch should be: for the log."""
        ...

    def measure(self, average: nn.Module, model: nn.Module, norm: Normalize) -> Row:
        """Measure the averaged and the online weights on the validation images."""
        ...

    def start(self, normalize: Normalize) -> PropagatedStart | None:
        """Return what the first steps learn from instead, if the recipe says so."""
        ...

    def after_validation(self, model: nn.Module, norm: Normalize, step: int) -> None:
        """Keep what is to be shown of this moment later on."""
        ...

    def write(self, folder: Path) -> None:
        """Write what was kept."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        ...


def open_task(
    recipe: Recipe, scenes: Scenes, split: Split, device: torch.device
) -> Task:
    """Return the task of a recipe.

    Raises:
        WorkshopError: images that cannot be learnt from in this way; an unknown method.
    """
    if recipe.task == "segment":
        return PixelTask(recipe, scenes, split, device)
    return SceneTask(recipe, scenes, split, device)
