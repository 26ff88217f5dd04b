"""From the `data` knob of a recipe to images: the embedded set, or a folder."""

__all__ = ["describe_data", "open_scenes", "open_split"]

from pathlib import Path

from workshop_lib.data.listing import list_classes
from workshop_lib.data.mini_eo import CLASSES, DEFAULT_BANDS, DEFAULT_SEED, mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe

MINI_EO_COUNT = 4000  # patches of the embedded set in every training


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
        number = int(seed) if seed else DEFAULT_SEED
        return mini_eo(MINI_EO_COUNT, seed=number, size=recipe.size)
    if not Path(recipe.data).is_dir():
        raise WorkshopError(
            f"data={recipe.data!r} is neither 'mini_eo' nor a folder: give the folder"
            " that holds one folder of images per class."
        )
    return Scenes.from_folder(recipe.data, size=recipe.size)


def describe_data(recipe: Recipe) -> tuple[int, int, int]:
    """Count images, bands and classes of a recipe's data without reading any image.

    Raises:
        WorkshopError: no such folder, or one without a folder of images per class.
    """
    if recipe.data.partition(":")[0] == "mini_eo":
        return MINI_EO_COUNT, len(DEFAULT_BANDS), len(CLASSES)
    classes, _ = list_classes(Path(recipe.data))
    return sum(len(images) for images in classes.values()), 3, len(classes)


def open_split(recipe: Recipe, scenes: Scenes) -> Split:
    """Draw the split that a recipe names.

    Raises:
        WorkshopError: a class has too few images.
    """
    return Split.make(
        scenes, labels_per_class=recipe.labels_per_class, seed=recipe.split_seed
    )
