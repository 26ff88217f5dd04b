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

import argparse
from pathlib import Path

import pandas as pd

from workshop_lib.files import read_json, write_text
from workshop_lib.next.config import Config
from workshop_lib.next.experiments.baselines import baseline_config
from workshop_lib.next.experiments.sweep import sweep
from workshop_lib.next.presets import preset
from workshop_lib.session import setup

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
    study: str,
    seeds: list[int],
    labels: list[int],
    data: str,
    steps: int | None,
    folder: Path,
) -> pd.DataFrame:
    """Train every config of a study on every seed; return a row per training."""
    base = preset(task="segment", data=data)
    if steps:
        base = base.replace(steps=steps, eval_every=min(steps, base.run.eval_every))
        folder = folder / str(steps)
    rows = sweep(STUDIES[study](base), seeds, folder / study, labels=labels)
    scores = [
        read_json(Path(one) / "evaluation.json")["scores"] for one in rows["folder"]
    ]
    rows["accuracy"] = [one["accuracy"] for one in scores]
    rows["rare"] = [min(v for v in one["iou"] if v is not None) for one in scores]
    return rows.assign(tiles=rows["labels_per_class"].map(TILES))


def summary(table: pd.DataFrame) -> str:
    """Lay out the table as Markdown, and below it the gains split by split."""
    lines = [
        "| tiles | name | mIoU | lowest IoU of a class | accuracy | seconds | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for (tiles, name), part in table.groupby(["tiles", "name"], sort=False):
        miou, rare, accuracy = (100 * part[c] for c in ("value", "rare", "accuracy"))
        lines.append(
            f"| {tiles} | {name} | **{miou.mean():.1f}** ± {miou.std():.1f}"
            f" | {rare.mean():.1f} | {accuracy.mean():.1f}"
            f" | {part['seconds'].median():.0f} | {len(part)} |"
        )
    points = table.assign(value=100 * table["value"])
    for tiles, part in points.groupby("tiles"):
        wide = part.pivot(index="seed", columns="name", values="value")
        if not set(BASELINES) <= set(wide):
            continue
        better = wide[list(BASELINES)].max(axis=1)
        for name in [one for one in METHODS[2:] if one in wide]:
            gain = (wide[name] - better).dropna()
            each = ", ".join(f"{v:+.1f}" for v in gain)
            lines.append(
                f"\n{tiles} tiles, {name} over the better supervised baseline,"
                f" split by split: {each}; mean **{gain.mean():+.1f}** points."
            )
    return "\n".join(lines)


def write_page(text: str, mark: str, page: Path = PAGE) -> None:
    """Put a table between its marks in the page; all else stays."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    write_text(page, f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    """Read the flags, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", choices=STUDIES, default="methods")
    parser.add_argument("--labels", type=int, nargs="+", default=list(TILES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--data", default="mini_eo", help="mini_eo or mini_eo:SEED")
    parser.add_argument("--steps", type=int, help="default: those of the preset")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/segmentation"))
    parser.add_argument("--write-docs", action="store_true")
    flags = parser.parse_args()
    setup()
    table = run(
        flags.study, flags.seeds, flags.labels, flags.data, flags.steps, flags.folder
    )
    text = summary(table)
    print("\n" + text)
    if flags.write_docs:
        write_page(text, {"methods": "table", "choices": "choices"}[flags.study])


if __name__ == "__main__":
    main()
