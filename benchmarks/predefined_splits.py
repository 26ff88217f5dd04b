"""Draw the splits that come with the library, and pack them.

    python -m benchmarks.predefined_splits ../shared/data

Takes the names of the images from the archives of UC Merced and EuroSAT (only names are
read) and writes {ucm,eurosat}.zip in workshop_lib/data/predefined_splits/. Everybody
gets the same: the draw depends on names and seeds alone.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import torch
import tyro

from benchmarks.page import run_command
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.near_duplicates import duplicate_groups
from workshop_lib.data.read.index import index_images
from workshop_lib.data.split import Split
from workshop_lib.data.split_files import FOLDER, LABELS, SEEDS, rows_of, stem
from workshop_lib.files import write_or_explain


@dataclass(frozen=True)
class Plan:
    """How the splits of one data set are drawn."""

    archive: str
    val: float  # shares of each class
    test: float
    together: tuple[tuple[str, str], ...]  # same ground: benchmarks.near_duplicates


PLANS = {
    "ucm": Plan(
        "UCMerced_LandUse.zip",
        val=0.1,
        test=0.5,
        together=(
            ("airplane01", "airplane02"), ("tenniscourt37", "tenniscourt44"),
            ("sparseresidential52", "sparseresidential55"),
        ),
    ),
    "eurosat": Plan(
        "EuroSAT_RGB.zip",
        val=0.2,
        test=0.2,
        together=(
            ("Highway_1931", "Highway_1979"), ("Highway_291", "Highway_513"),
            ("River_111", "River_1680"), ("River_1113", "River_1779"),
            ("River_2330", "River_676"), ("River_322", "River_815"),
            ("River_492", "River_597"),
        ),
    ),
}  # fmt: skip


def names_in(archive: Path) -> list[str]:
    """List the images of an archive of class folders, as `stem` writes them, sorted."""
    return sorted(stem(entry.name) for entry in index_images(archive).entries)


def draw(names: Sequence[str], plan: Plan) -> dict[str, str]:
    """Draw every seed: the content of each names file, by its path in the zip."""
    classes = sorted({name.split("/")[0] for name in names})
    numbers = torch.tensor([classes.index(name.split("/")[0]) for name in names])
    scenes = Dataset.without_pixels(names, numbers, classes)
    where = {name.split("/")[-1]: i for i, name in enumerate(names)}
    pairs = pd.DataFrame(plan.together, columns=["first", "second"]).map(where.get)
    groups = duplicate_groups(pairs, len(names))
    texts = {}
    for seed in SEEDS:
        for labels in LABELS:
            split = Split.random(
                scenes, labels, plan.val, plan.test, seed, groups=groups
            )
            parts = {
                f"labeled_{labels}": split.labeled,
                "train": split.unlabeled,
                "val": split.val,
                "test": split.test,
            }
            for part, rows in rows_of(parts, scenes).items():
                text = "".join(f"{row}\n" for row in sorted(rows))
                texts[f"seed{seed}/{part}.txt"] = text
    return texts


def pack(texts: Mapping[str, str]) -> bytes:
    """Zip text files; with the same zlib, the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in sorted(texts):
            info = zipfile.ZipInfo(name)  # dated 1980
            info.create_system = 3  # the same from Windows, too
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, texts[name], compresslevel=9)
    return buffer.getvalue()


def main(folder: tyro.conf.Positional[Path]) -> None:
    """Write both zips.

    Args:
        folder: holds the two archives, which `workshop data NAME get` fetches.
    """
    for name, plan in PLANS.items():
        content = pack(draw(names_in(folder / plan.archive), plan))
        path = FOLDER / f"{name}.zip"
        write_or_explain(path, partial(Path.write_bytes, data=content))
        print(f"written: {path}, {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    run_command(main, __doc__)
