"""Maps from few labelled tiles of MiniEO: methods, optimisers, losses, pretraining.

    python -m benchmarks.segmentation                       ten and thirty tiles
    python -m benchmarks.segmentation --study choices       networks, optimisers, losses
    python -m benchmarks.segmentation --seeds 0 1 --data mini_eo:11
    python -m benchmarks.segmentation --write-docs          put the table into the page

Stops and resumes: finished runs in runs/bench/segmentation/ are loaded. Prints mean and
deviation over the seeds, and each method's distance from the better supervised
baseline, split by split. Tune on `--data mini_eo:11` (its runs have a folder of their
own).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmarks import page
from workshop_lib.config import Config
from workshop_lib.experiments.baselines import baseline_config
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.files import read_json
from workshop_lib.presets import preset

PAGE = Path("docs/segmentation.md")
TILES = {1: 10, 3: 30}  # labels per class of scene -> tiles: MiniEO has ten classes
BASELINES = ("supervised", "supervised_strong")
METHODS = (*BASELINES, "fixmatch", "freematch")
# Learning rates, chosen by validation on a seed that is not reported.
OPTIMIZERS = {
    **{"plain_sgd": 0.1, "momentum": 0.03, "sgd": 0.03, "adagrad": 0.01},
    **{"rmsprop": 0.001, "adam": 0.002, "adamw": 0.002},
}
LOSSES = ("focal", "dice", "cross_entropy+dice")


def methods(base: Config) -> dict[str, Config]:
    """Return the baselines and the semi-supervised methods."""
    return {name: baseline_config(name, base) for name in METHODS}


def choices(base: Config) -> dict[str, Config]:
    """Return one change at a time of strong supervision."""
    strong = baseline_config("supervised_strong", base)
    found = {
        f"optimizer {name}": strong.replace(optimizer=name, lr=lr)
        for name, lr in OPTIMIZERS.items()
    }
    found |= {f"loss {name}": strong.replace(mask_loss=name) for name in LOSSES}
    networks = ("unet-16", "fcn-resnet18", "unet-resnet18", "unet-small_cnn")
    return found | {f"network {n}": strong.replace(encoder=n) for n in networks}


STUDIES = {"methods": methods, "choices": choices}


def run(
    study: str, seeds: Sequence[int], labels: Sequence[int], data: str, folder: Path
) -> pd.DataFrame:
    """Train every config of a study on every seed; return a row per training."""
    base = preset(task="segment", data=data)
    rows = sweep(STUDIES[study](base), seeds, folder / study, labels=labels)
    found = [read_json(Path(one) / "evaluation.json") for one in rows["folder"]]
    rows["rare"] = [min(v for v in e["scores"]["iou"] if v is not None) for e in found]
    return rows.assign(tiles=rows["labels_per_class"].map(TILES))


def summary(table: pd.DataFrame) -> str:
    """Lay out the table as Markdown, and below it the gains split by split."""
    rows = []
    for (tiles, name), part in table.groupby(["tiles", "name"], sort=False):
        miou, rare, accuracy = (100 * part[c] for c in ("value", "rare", "accuracy"))
        main = f"**{miou.mean():.1f}** ± {miou.std():.1f}"
        others = (f"{rare.mean():.1f}", f"{accuracy.mean():.1f}")
        seconds = f"{part['seconds'].median():.0f}"
        rows.append((tiles, name, main, *others, seconds, len(part)))
    heads = ("tiles", "name", "mIoU", "lowest IoU of a class", "accuracy", "seconds")
    lines = [page.markdown((*heads, "seeds"), rows)]
    for tiles, part in table.groupby("tiles"):
        for name in METHODS[2:]:
            if gains := page.gains_in_words(part, "value", name, *BASELINES):
                over = f"{tiles} tiles, {name} over the better supervised baseline"
                lines.append(f"\n{over}: {gains}.")
    return "\n".join(lines)


def main(
    study: Literal["methods", "choices"] = "methods",
    labels: tuple[int, ...] = tuple(TILES),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    data: str = "mini_eo",
    folder: Path = Path("runs/bench/segmentation"),
    write_docs: bool = False,
) -> None:
    """Train a study, and print its table.

    Args:
        study: methods or choices.
        labels: labelled tiles of each class of scene.
        seeds: of the splits, the initial weights and the order of tiles.
        data: mini_eo or mini_eo:SEED.
        folder: for the runs.
        write_docs: write the table into docs/segmentation.md.
    """
    text = summary(run(study, seeds, labels, data, folder))
    print("\n" + text)
    if write_docs:
        page.write_marked(PAGE, **{study: text})


if __name__ == "__main__":
    page.run_command(main, __doc__)
