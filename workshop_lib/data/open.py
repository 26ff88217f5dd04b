"""From the `data` knob of a recipe to images: the embedded set, or a folder."""

__all__ = ["open_scenes"]

from pathlib import Path

from workshop_lib.data.mini_eo import DEFAULT_SEED, mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe


def open_scenes(recipe: Recipe) -> Scenes:
    """Load the images that a recipe names.

    `data="mini_eo"` is the embedded data set, `"mini_eo:7"` the same from generator
    seed 7; anything else is a folder that holds one folder of images per class.

    Raises:
        WorkshopError: no such folder, or what `Scenes.from_folder` finds wrong with it.
    """
    name, _, seed = recipe.data.partition(":")
    if name == "mini_eo":
        if seed and not seed.isdecimal():
            raise WorkshopError(
                f"data={recipe.data!r}: write mini_eo:SEED with a whole number."
            )
        return mini_eo(seed=int(seed) if seed else DEFAULT_SEED, size=recipe.size)
    if not Path(recipe.data).is_dir():
        raise WorkshopError(
            f"data={recipe.data!r} is neither 'mini_eo' nor a folder: give the folder"
            " that holds one folder of images per class."
        )
    return Scenes.from_folder(recipe.data, size=recipe.size)
