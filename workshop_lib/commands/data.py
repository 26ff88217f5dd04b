"""Commands about data and the machine."""

__all__ = ["data", "doctor", "split"]

from pathlib import Path

import pandas as pd
import tyro

from workshop_lib.data.open import open_scenes, open_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe

_PICTURES = ("png", "svg", "pdf", "jpg")


def data(
    data: tyro.conf.Positional[str] = "mini_eo",
    size: int = 32,
    picture: Path | None = None,
) -> None:
    """Say what is in a data set; optionally draw examples of every class.

    Example: workshop data mini_eo --picture classes.png

    Args:
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        size: side of the images in pixels.
        picture: write a picture with examples of every class.
    """
    kind = picture.suffix.lstrip(".").lower() if picture else ""
    if picture and kind not in _PICTURES:
        raise WorkshopError(
            f"picture {picture}: its name must end in .{', .'.join(_PICTURES)}."
        )
    scenes = open_scenes(Recipe(data=data, size=size))
    counts = scenes.labels.bincount(minlength=scenes.num_classes).tolist()
    print(pd.Series(counts, index=scenes.class_names, name="images").to_string())
    n, c, h, w = scenes.images.shape
    print(f"\n{n} images, {c} bands ({', '.join(scenes.bands)}), {h} x {w} pixels")
    for name, modality in scenes.modalities.items():
        print(f"also {name}: {tuple(modality.shape[1:])} per image")
    if scenes.metadata:
        print(f"facts of each image: {', '.join(scenes.metadata)}")
    if picture:
        _draw_samples(scenes, picture, kind)
        print(f"written: {picture}")


def split(
    data: tyro.conf.Positional[str] = "mini_eo",
    labels_per_class: int = 4,
    seed: int = 0,
    size: int = 32,
    save: Path | None = None,
) -> None:
    """Split a data set, audit the split, and optionally save it as lists of names.

    Example: workshop split FOLDER --labels-per-class 25 --seed 1 --save splits/seed1

    Args:
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        labels_per_class: labelled images of each class; 0 for all.
        seed: another seed draws another split, the same on every machine.
        size: side of the images in pixels.
        save: folder for labeled.txt, unlabeled.txt, val.txt, test.txt.
    """
    recipe = Recipe(
        data=data, size=size, labels_per_class=labels_per_class, split_seed=seed
    )
    scenes = open_scenes(recipe)
    parts = open_split(recipe, scenes)
    print(", ".join(f"{k} {v}" for k, v in parts.counts().items()))
    print(parts.audit(scenes))
    if save:
        parts.save(save, scenes)
        print(f"written: {save}")


def doctor() -> int:
    """Check Python, disk, memory and device, and say what to do where one falls short.

    Example: workshop doctor
    """
    from workshop_lib.doctor import main

    return main()


def _draw_samples(scenes: Scenes, path: Path, kind: str) -> None:
    from workshop_lib.figures import class_samples
    from workshop_lib.files import write_or_explain

    figure = class_samples(
        scenes.images, scenes.labels, scenes.class_names, scenes.bands
    )
    write_or_explain(path, lambda temporary: figure.savefig(temporary, format=kind))
