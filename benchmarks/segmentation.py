"""Maps from ten and thirty labeled tiles: five seeds of each method on MiniEO.

    python -m benchmarks.segmentation                 all seeds, both numbers of tiles
    python -m benchmarks.segmentation --tiles 10 --seeds 0 --methods supervised fixmatch
    python -m benchmarks.segmentation --write-docs    put the table into the page

Stops and resumes: finished runs in runs/bench/segmentation/ are loaded. Writes
runs/bench/segmentation.json, a row per training, and prints mean and deviation over the
seeds, seconds of the process (all its threads), and FixMatch's distance from the better
supervised baseline. Tune on `--data mini_eo:11` (its rows go into a list of their own).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.evaluation.segmentation import evaluate_segmentation
from workshop_lib.files import write_text
from workshop_lib.recipe import preset
from workshop_lib.session import setup
from workshop_lib.training.loop import train

PAGE = Path("docs/segmentation.md")
MARK = (
    "table"  # the page holds it between <!-- table: begin --> and <!-- table: end -->
)
SCENE_CLASSES = 10  # of MiniEO: one tile of each is ten tiles
METHODS: dict[str, dict[str, Any]] = {
    "supervised, weak": {"method": "supervised", "labeled_view": "weak"},
    "supervised, strong": {"method": "supervised", "labeled_view": "strong"},
    "fixmatch": {"method": "fixmatch"},
    "freematch": {"method": "freematch"},
}


def run(
    tiles: list[int],
    methods: list[str],
    seeds: list[int],
    data: str,
    steps: int | None,
    folder: Path,
) -> pd.DataFrame:
    """Train every method on every seed; returns a row per training."""
    base = preset("segment").with_(data=data)
    name = "segmentation" + ("" if data == "mini_eo" else f"-{data.replace(':', '-')}")
    if steps:
        base = base.with_(steps=steps, eval_every=min(steps, base.eval_every))
        name += f"-{steps}"
    path = folder / f"{name}.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    scenes = load_dataset(base)
    for count in tiles:
        for seed in seeds:
            for method in methods:
                recipe = base.with_(
                    **METHODS[method],
                    labels_per_class=count // SCENE_CLASSES,
                    split_seed=seed,
                    seed=seed,
                )
                split = make_split(recipe, scenes)
                place = folder / name / f"{count}-{method.replace(', ', '-')}-{seed}"
                key = {"tiles": count, "method": method, "seed": seed}
                old = [r for r in rows if all(r[k] == v for k, v in key.items())]
                start, clock = time.process_time(), time.perf_counter()
                done = train(recipe, scenes, split, folder=place, verbose=False)
                spent = (time.process_time() - start, time.perf_counter() - clock)
                if old and (place / "evaluation.json").exists():
                    continue  # its row is there; loaded again it took no time
                found = evaluate_segmentation(done, scenes, split)
                row = {
                    **key,
                    "labeled_tiles": len(split.labeled),
                    "miou": found.scores.mean_iou,
                    "accuracy": found.scores.accuracy,
                    "rare": float(min(found.scores.iou)),
                    "process_seconds": spent[0],
                    "seconds": spent[1],
                    "mask_rate": _last(done.log, "mask_rate"),
                    "precision": done.facts["precision"],
                }
                rows = [r for r in rows if r not in old] + [row]
                write_text(path, json.dumps(rows, indent=1))
                print(f"{count:3d}  {method:20s} {seed}  {row['miou']:.3f}", flush=True)
    return pd.DataFrame(rows)


def _last(log: pd.DataFrame, column: str) -> float | None:
    return float(log[column].iloc[-1]) if column in log else None


def summary(table: pd.DataFrame) -> str:
    """Give the table as Markdown, and below it FixMatch's gain seed by seed."""
    lines = [
        "| tiles | method | mIoU | lowest IoU of a class | accuracy | mask rate"
        " | CPU seconds | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (tiles, method), part in table.groupby(["tiles", "method"], sort=False):
        miou, rare, accuracy = (100 * part[c] for c in ("miou", "rare", "accuracy"))
        rate = part["mask_rate"].astype(float).mean()
        lines.append(
            f"| {tiles} | {method} | **{miou.mean():.1f}** ± {miou.std():.1f}"
            f" | {rare.mean():.1f} | {accuracy.mean():.1f}"
            f" | {'' if pd.isna(rate) else f'{rate:.2f}'}"
            f" | {part['process_seconds'].median():.0f} | {len(part)} |"
        )
    points = table.assign(miou=100 * table["miou"])
    for tiles, part in points.groupby("tiles"):
        wide = part.pivot(index="seed", columns="method", values="miou")
        if not {"supervised, weak", "supervised, strong"} <= set(wide):
            continue
        better = wide[["supervised, weak", "supervised, strong"]].max(axis=1)
        for method in ("fixmatch", "freematch"):
            if method in wide:
                gain = (wide[method] - better).dropna()
                each = ", ".join(f"{v:+.1f}" for v in gain)
                lines.append(
                    f"\n{tiles} tiles, {method} over the better supervised baseline,"
                    f" seed by seed: {each}; mean **{gain.mean():+.1f}** points."
                )
    return "\n".join(lines)


def write_page(text: str, page: Path = PAGE, mark: str = MARK) -> None:
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
    parser.add_argument("--tiles", type=int, nargs="+", default=[10, 30])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--data", default="mini_eo", help="mini_eo or mini_eo:SEED")
    parser.add_argument("--steps", type=int, help="default: those of the recipe")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--write-docs", action="store_true")
    flags = parser.parse_args()
    setup()
    table = run(
        flags.tiles, flags.methods, flags.seeds, flags.data, flags.steps, flags.folder
    )
    text = summary(table)
    print("\n" + text)
    if flags.write_docs:
        write_page(text)


if __name__ == "__main__":
    main()
