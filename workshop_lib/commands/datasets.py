"""Commands about data, notebooks and the machine."""

__all__ = ["data", "doctor", "notebooks", "split"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from workshop_lib.data.catalog import DatasetInfo, data_folder, datasets, find_dataset
from workshop_lib.errors import WorkshopError
from workshop_lib.files import check_output

if TYPE_CHECKING:
    from workshop_lib.data.dataset import Dataset

_PICTURES = (".png", ".svg", ".pdf", ".jpg")


def data(
    data: tyro.conf.Positional[str] = "mini_eo",
    action: tyro.conf.Positional[Literal["info", "get", "check", "split"]] = "info",
    size: int = 32,
    picture: Path | None = None,
    root: Path | None = None,
    given: Annotated[tuple[Path, ...], tyro.conf.arg(name="from")] = (),
    any_version: bool = False,
    keep: bool = False,
    labels_per_class: int = 4,
    seed: int = 0,
    save: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Say what is in a data set; get, check or split one that is known by name.

    Example: workshop data ucm get

    Known: ucm, eurosat, eurosat:bands, eurosat:100, ben_ge, bigearthnet,
    bigearthnet:v1, vaihingen, landsat, mini_eo. `info` draws a picture, too:
    `workshop data mini_eo --picture classes.png`.

    Args:
        data: one of these names, "mini_eo:SEED", or a folder with one folder per class.
        action: info says what it is; get downloads it; check compares what is there
            with what should be; split writes lists of names.
        size: side of the images in pixels, for info.
        picture: write a picture with examples of every class, for info.
        root: folder of this data set; default data/NAME, or $WORKSHOP_DATA/NAME.
        given: files that you have already, instead of a download.
        any_version: take these files even if their checksum is not the known one.
        keep: keep the downloaded archive after it is unpacked.
        labels_per_class: labelled images of each class, for split; 0 for all.
        seed: another seed draws another split.
        save: folder for the lists of names; default splits/NAME-LABELS-seedSEED.
        overwrite: replace what is there, even if this command did not write it.
    """
    info = datasets().get("mini_eo" if data.startswith("mini_eo") else data)
    if given and action != "get":
        raise WorkshopError("--from goes with get: workshop data NAME get --from FILE")
    if action == "get":
        from workshop_lib.data.download import get

        get(find_dataset(data).name, root, given, any_version, keep)
        print(f"next: workshop data {data} check")
    elif action == "check":
        return _check(data, info, root)
    elif action == "split":
        folder = Path(data).name if info is None else data.replace(":", "-")
        save = save or Path("splits") / f"{folder}-{labels_per_class}-seed{seed}"
        if info is None or info.layout == "made":
            split(data, labels_per_class, seed, save=save, overwrite=overwrite)
        else:
            _split_public(info, root, labels_per_class, seed, save, overwrite)
    else:
        if picture:
            check_output(picture, ends=_PICTURES, overwrite=overwrite)
        _show(data, info, root, size, picture)
    return 0


def _show(
    name: str,
    info: DatasetInfo | None,
    root: Path | None,
    size: int,
    picture: Path | None,
) -> None:
    """Print what is known of a data set, and what is in it if it is at hand."""
    if info:
        print(info.describe(data_folder(name, root)))
    if info and info.layout != "made":
        if not picture:
            return
        from workshop_lib.data.catalog import resolve

        name = str(resolve(name, root))
    import pandas as pd

    scenes = _open(name, size)
    counts = scenes.class_counts().tolist()
    print(pd.Series(counts, index=scenes.class_names, name="images").to_string())
    n, c, h, w = scenes.images.shape
    print(f"\n{n} images, {c} bands ({', '.join(scenes.bands)}), {h} x {w} pixels")
    for name, modality in scenes.modalities.items():
        print(f"also {name}: {tuple(modality.shape[1:])} per image")
    if scenes.metadata:
        print(f"facts of each image: {', '.join(scenes.metadata)}")
    if picture:
        from workshop_lib.plots import class_samples
        from workshop_lib.plots.style import write_figure

        write_figure(picture, class_samples(scenes))
        print(f"written: {picture}")


def _check(name: str, info: DatasetInfo | None, root: Path | None) -> int:
    """Print what is there and what is wrong; return 1 where something is."""
    if info and info.layout == "made":
        scenes = _open(name)  # whose parts are checked as it is made
        print(f"{len(scenes):,} images in {scenes.num_classes} classes\ncomplete")
        return 0
    from workshop_lib.data.verify import check_integrity

    report = check_integrity(data_folder(name, root) if info else Path(name), info)
    print(report)
    return int(bool(report.faults))


def _split_public(
    info: DatasetInfo,
    root: Path | None,
    labels_per_class: int,
    seed: int,
    save: Path,
    overwrite: bool,
) -> None:
    """Split a public data set by its labels alone, without reading its images."""
    from workshop_lib.data.verify import split_source

    parts, scenes = split_source(info, root, labels_per_class, seed)
    print(", ".join(f"{part} {n}" for part, n in parts.counts().items()))
    parts.save(save, scenes, overwrite)
    print(f"written: {save}")
    if info.layout == "classes":
        print(f"next: workshop train --data {info.name} --split-folder {save}")


def split(
    data: tyro.conf.Positional[str] = "mini_eo",
    labels_per_class: int = 4,
    seed: int = 0,
    size: int = 32,
    save: Path | None = None,
    label_fraction: float | None = None,
    block_km: float = 0.0,
    buffer_km: float = 0.0,
    predefined: Literal["", "ucm", "eurosat"] = "",
    overwrite: bool = False,
) -> None:
    """Split a data set, audit the split, and optionally save it as lists of names.

    Example: workshop split FOLDER --labels-per-class 25 --seed 1 --save splits/seed1

    Args:
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        labels_per_class: labelled images of each class; 0 for all.
        seed: another seed draws another split, the same on every machine.
        size: side of the images in pixels.
        save: folder for labeled.txt, unlabeled.txt, val.txt, test.txt.
        label_fraction: labelled part of each class (0.1 for 10 %) instead of a number.
        block_km: keep blocks of the map of this width whole; 0 for none.
        buffer_km: with blocks, leave out training images this near to the others.
        predefined: take the split that comes with the library.
        overwrite: replace what is there, even if this command did not write it.
    """
    from workshop_lib.data.split import Split

    scenes = _open(data, size)
    if predefined:
        parts = Split.predefined(scenes, predefined, labels_per_class, seed)
    elif block_km:
        parts = Split.by_block(
            scenes, block_km, buffer_km, labels_per_class, seed=seed,
            label_fraction=label_fraction,
        )  # fmt: skip
    else:
        parts = Split.random(
            scenes, labels_per_class, seed=seed, label_fraction=label_fraction
        )
    print(", ".join(f"{k} {v}" for k, v in parts.counts().items()))
    print(parts.audit(scenes))
    if save:
        parts.save(save, scenes, overwrite)
        print(f"written: {save}")


def notebooks(
    folder: Path = Path("notebooks"), check: bool = False, overwrite: bool = False
) -> int:
    """Build the learner's notebooks and those with solutions from FOLDER/src.

    Example: workshop notebooks --check

    Needs the extra `test`: pip install -e '.[test]'

    Args:
        folder: holds src/NN_topic.py; gets NN_topic.ipynb and solutions/NN_topic.ipynb.
        check: write nothing; list what differs from its source (exit code 1).
        overwrite: also replace notebooks that have been edited or run, answers
            included; else the new one is written beside them, NN_topic.new.ipynb.
    """
    from workshop_lib.files import write_text

    try:
        from workshop_lib.course.notebooks import build_all, is_edited

        built = build_all(folder)
    except ModuleNotFoundError as error:
        if error.name not in ("jupytext", "nbformat"):
            raise
        raise WorkshopError(
            f"{error.name} is not installed: pip install -e '.[test]'"
        ) from None
    there = {path: path.read_bytes() for path in built if path.exists()}
    stale = [p for p, text in built.items() if there.get(p) != text.encode()]
    if check:
        orphans = {p for p in folder.glob("**/[0-9][0-9]_*.ipynb")} - set(built)
        orphans = {p for p in orphans if ".ipynb_checkpoints" not in p.parts}
        lines = [f"{path}: not what its source says: make notebooks" for path in stale]
        lines += [f"{path}: has no source: delete it" for path in sorted(orphans)]
        print("\n".join(lines) or f"{len(built)} notebooks, all as their sources say.")
        return int(bool(lines))
    for path in stale:
        beside = path.with_suffix(".new.ipynb")
        mine = path in there and not overwrite and is_edited(there[path])
        write_text(beside if mine else path, built[path])
        print(
            f"written: {beside}, as {path} has been edited or run"
            if mine
            else f"written: {path}"
        )
    print(f"{len(built)} notebooks, {len(built) - len(stale)} of them as before.")
    return 0


def doctor() -> int:
    """Check Python, disk, memory and device, and say what to do where one falls short.

    Example: workshop doctor
    """
    from workshop_lib.doctor import diagnose, exit_code, table

    checks = diagnose()
    print(table(checks))
    return exit_code(checks)


def _open(data: str, size: int = 32) -> "Dataset":
    from workshop_lib.data.load import load_dataset

    return load_dataset(data, size)
