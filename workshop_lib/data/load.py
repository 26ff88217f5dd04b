"""The data of a recipe, for what still runs on recipes; see `next.data.load`."""

__all__ = ["describe_bands", "describe_data", "load_dataset", "make_split"]

from workshop_lib.data.modalities import pack
from workshop_lib.data.read.ben_ge import COVER_CODES
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.next.data import load
from workshop_lib.next.settings import DataConfig
from workshop_lib.recipe import Recipe


def load_dataset(recipe: Recipe) -> Scenes:
    """Load the images that a recipe names; several modalities packed into one image.

    Raises:
        WorkshopError: no such data, or what is wrong with them.
    """
    _check_ben_ge(recipe)
    scenes = load.load_dataset(recipe.data, recipe.size, recipe.bands)
    return pack(scenes, recipe.modalities) if recipe.modalities else scenes


def describe_data(recipe: Recipe) -> tuple[int, int, int]:
    """Count images, bands and classes of a recipe's data without reading most images.

    The classes are those of the images, or with task="segment" those of the pixels.

    Raises:
        WorkshopError: no such data, no images of at least two classes, or no masks.
    """
    few, count = _describe(recipe)
    channels = len(describe_bands(recipe) or few.bands)
    if recipe.task != "segment":
        return count, channels, few.num_classes
    if few.masks is None:
        raise WorkshopError(
            f"data={recipe.data!r} with task='segment': a folder of scenes holds no"
            " masks. MiniEO (data='mini_eo') and ben-ge do; tiles of your own are given"
            " to `train` as Scenes with masks."
        )
    return count, channels, len(few.mask_names or COVER_CODES)


def describe_bands(recipe: Recipe) -> tuple[str, ...]:
    """Name the channels that the modalities of a recipe are packed into; () if none.

    Raises:
        WorkshopError: a modality that the data do not have.
    """
    if not recipe.modalities:
        return ()
    return pack(_describe(recipe)[0], recipe.modalities).bands


def make_split(recipe: Recipe, scenes: Scenes) -> Split:
    """Draw the split that a recipe names.

    Raises:
        WorkshopError: a class has too few images.
    """
    return Split.random(
        scenes, labels_per_class=recipe.labels_per_class, seed=recipe.split_seed
    )


def _describe(recipe: Recipe) -> tuple[Scenes, int]:
    _check_ben_ge(recipe)
    return load.describe(
        DataConfig(name=recipe.data, size=recipe.size, bands=recipe.bands)
    )


def _check_ben_ge(recipe: Recipe) -> None:
    if recipe.data == "ben_ge" and recipe.task != "segment":
        raise WorkshopError(
            "data='ben_ge' has several classes per image: task='segment' learns its"
            " land cover."
        )
