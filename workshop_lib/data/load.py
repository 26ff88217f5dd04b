"""From the `data` knob of a recipe to images: the embedded set, or one's own files."""

__all__ = ["describe_bands", "describe_data", "load_dataset", "make_split"]

from pathlib import Path

from workshop_lib.data.catalog import datasets
from workshop_lib.data.download import resolve
from workshop_lib.data.mini_eo import (
    CLASSES,
    COVERS,
    DEFAULT_BANDS,
    DEFAULT_SEED,
    mini_eo,
)
from workshop_lib.data.modalities import pack
from workshop_lib.data.read.ben_ge import (
    COVER_CODES,
    ben_ge,
    count_patches,
    is_ben_ge,
)
from workshop_lib.data.read.bigearthnet import CLASSES_19, S2_BANDS
from workshop_lib.data.read.folders import index_folder, index_zip
from workshop_lib.data.read.geotiff import GeoTiffReader, geotiffs, is_multiband
from workshop_lib.data.read.index import ImageIndex, index_names
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe

MINI_EO_COUNT = 4000  # patches of the embedded set in every training


def load_dataset(recipe: Recipe) -> Scenes:
    """Load the images that a recipe names; several modalities packed into one image.

    `data="mini_eo"` is the embedded data set, `"mini_eo:7"` the same from generator
    seed 7. Anything else is a folder that holds one folder of images per class, a
    `.zip` of such a folder, or a `.txt` with `path label` on each line. `"ucm"` and
    `"eurosat"` are found where `workshop data ucm get` puts them. GeoTIFFs of many
    bands are read as reflectance. A folder in the layout of ben-ge (or, to segment,
    `"ben_ge"`) gives its modalities, facts and land cover too.

    Raises:
        WorkshopError: no such data, or what is wrong with them.
    """
    scenes = _open_images(recipe)
    return pack(scenes, recipe.modalities) if recipe.modalities else scenes


def _open_images(recipe: Recipe, count: int = MINI_EO_COUNT) -> Scenes:
    name, _, seed = recipe.data.partition(":")
    if name == "mini_eo":
        if seed and not seed.isdecimal():
            raise WorkshopError(
                f"data={recipe.data!r}: write mini_eo:SEED with a whole number."
            )
        number = int(seed) if seed else DEFAULT_SEED
        bands = _bands(recipe) or DEFAULT_BANDS
        return mini_eo(count, seed=number, size=recipe.size, bands=bands)
    patches = _find_patches(recipe)
    if patches is not None:
        return ben_ge(patches, _bands(recipe) or S2_BANDS, size=recipe.size)
    index = _index(recipe.data)
    if is_multiband(index):
        return geotiffs(index, _bands(recipe), size=recipe.size)
    if recipe.bands:
        raise WorkshopError(
            f"bands={recipe.bands!r} but {recipe.data} holds pictures, which are red,"
            " green and blue: leave bands out."
        )
    return Scenes.from_index(index, size=recipe.size)


def describe_data(recipe: Recipe) -> tuple[int, int, int]:
    """Count images, bands and classes of a recipe's data without reading any image.

    The classes are those of the images, or with task="segment" those of the pixels.

    Raises:
        WorkshopError: no such data, no images of at least two classes, or no masks.
    """
    bands = _bands(recipe)
    maps = recipe.task == "segment"
    if recipe.data.partition(":")[0] == "mini_eo":
        channels = len(describe_bands(recipe) or bands or DEFAULT_BANDS)
        return MINI_EO_COUNT, channels, len(COVERS if maps else CLASSES)
    patches = _find_patches(recipe)
    if patches is not None:
        channels = len(describe_bands(recipe) or bands or S2_BANDS)
        classes = COVER_CODES if maps else CLASSES_19
        return count_patches(patches), channels, len(classes)
    if maps:
        raise WorkshopError(
            f"data={recipe.data!r} with task='segment': a folder of scenes holds no"
            " masks. MiniEO (data='mini_eo') and ben-ge do; tiles of your own are given"
            " to `train` as Scenes with masks."
        )
    index = _index(recipe.data)
    channels = 3
    if is_multiband(index):
        channels = len(GeoTiffReader(index, bands).bands)
    return len(index.entries), channels, len(index.class_names)


def describe_bands(recipe: Recipe) -> tuple[str, ...]:
    """Name the channels that the modalities of a recipe are packed into; () if none.

    Raises:
        WorkshopError: a modality that the data do not have.
    """
    if not recipe.modalities:
        return ()
    few = _open_images(recipe, count=len(CLASSES))  # of MiniEO a handful tells all
    return pack(few, recipe.modalities).bands


def make_split(recipe: Recipe, scenes: Scenes) -> Split:
    """Draw the split that a recipe names.

    Raises:
        WorkshopError: a class has too few images.
    """
    return Split.random(
        scenes, labels_per_class=recipe.labels_per_class, seed=recipe.split_seed
    )


def _bands(recipe: Recipe) -> tuple[str, ...] | None:
    if not recipe.bands:
        return None
    return tuple(band.strip() for band in recipe.bands.split(","))


def _find_patches(recipe: Recipe) -> Path | None:
    """Return the folder of data in the layout of ben-ge; None if they have another.

    By name only to segment: its patches have several labels each, but one land cover
    per pixel.
    """
    path = Path(recipe.data)
    if recipe.data == "ben_ge" and recipe.task == "segment" and not path.exists():
        path = resolve(recipe.data)
    return path if is_ben_ge(path) else None


def _index(data: str) -> ImageIndex:
    path = Path(data)
    info = datasets().get(data)
    if info and not path.exists():
        if info.layout != "classes":
            maps = " task='segment' learns its land cover." if data == "ben_ge" else ""
            raise WorkshopError(
                f"data={data!r}: {info.title} has no single class per image,"
                f" which trainings need; see `workshop data` for what has.{maps}"
            )
        path = resolve(data)
    if path.is_dir():
        return index_folder(path)
    if path.is_file() and path.suffix.lower() == ".zip":
        return index_zip(path)
    if path.is_file() and path.suffix.lower() == ".txt":
        return index_names(path)
    raise WorkshopError(
        f"data={data!r} is neither 'mini_eo' nor a folder with one folder of images per"
        " class, nor a .zip of such a folder, nor a .txt with 'path label' on each"
        " line: give one of these."
    )
