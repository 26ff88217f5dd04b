"""What an encoder that has learned without labels is worth: docs/pretraining.md.

    python -m benchmarks.pretraining                     seed 0, half an hour
    python -m benchmarks.pretraining --seeds 0 1 2 3 4 --write-docs
    WORKSHOP_PRESET=ci python -m benchmarks.pretraining --folder runs/short

For each seed two encoders are pretrained on the training images of its split: SimCLR on
Sentinel-2, and Sentinel-1 against Sentinel-2 of the same place. Then networks that read
Sentinel-2 alone start from them and from random weights: with labels for 1, 10 and 100
% of the images (supervised, all weights or the head alone) and, with 1 and 4 labels per
class, FixMatch. Stops and resumes: finished runs in runs/pretraining/ are loaded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import page
from workshop_lib.data.load import open_data
from workshop_lib.experiments.baselines import baseline_config
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.presets import preset
from workshop_lib.training.loop import train

DOCS = Path(__file__).parents[1] / "docs"
ENCODERS: dict[str, dict[str, Any]] = {
    "SimCLR": {},
    "two sensors": {"sensors": ("s2", "s1"), "fusion": "late", "pairs": "sensors"},
}
# Labels per class, of 2,400 images; FixMatch has the fewest
COLUMNS = {1: "10 labels", 4: "40 labels", 3: "1 %", 24: "10 %", 0: "100 %"}
# Training, labels per class of the pretrained network and of the other
COMPARED = [("fine-tuned", n, m) for n, m in ((3, 3), (24, 24), (24, 0), (0, 0))]
COMPARED += [("FixMatch", n, n) for n in (1, 4)]


def pretrained(seed: int, folder: Path) -> dict[str, str]:
    """Pretrain the encoders on a seed's split; return what a network can start from."""
    found = {"random": ""}
    for name, changes in ENCODERS.items():
        config = preset(task="pretrain", precision="fp32", **changes)
        config = config.replace(seed=seed, split_seed=seed)
        place = folder / name.replace(" ", "_").lower() / str(seed)
        run = train(config, *open_data(config), folder=place, verbose=False)
        print(f"{place}: {run.facts['seconds']:.0f} s", flush=True)
        found[name] = run.folder.as_posix()
    return found


def run(seeds: Sequence[int], folder: Path) -> pd.DataFrame:
    """Train what is not trained yet; return a row for each training with labels."""
    semi = preset(precision="fp32")
    base = baseline_config("supervised_strong", semi)
    tables = []
    for seed in seeds:
        starts = pretrained(seed, folder)
        few = {f"{k}, fine-tuned": base.replace(init_from=p) for k, p in starts.items()}
        for start, path in starts.items():
            few[f"{start}, head alone"] = base.replace(init_from=path, freeze=-1)
        full = {k: c.replace(labels_per_class=0, batch_size=64) for k, c in few.items()}
        more = {f"{k}, FixMatch": semi.replace(init_from=p) for k, p in starts.items()}
        for configs, labels in ((few, (3, 24)), (full, (0,)), (more, (1, 4))):
            tables.append(sweep(configs, [seed], folder, labels=labels, verbose=False))
    return pd.concat(tables)


def table(rows: pd.DataFrame) -> str:
    """Lay out accuracy as Markdown: a row for each start, a column for its labels."""
    groups = (100 * rows["value"]).groupby([rows["name"], rows["labels_per_class"]])
    cells = groups.apply(page.mean_and_deviation).unstack().fillna("")
    lines = [(name, *cells.loc[name, list(COLUMNS)]) for name in rows["name"].unique()]
    return page.markdown(("start, training", *COLUMNS.values()), lines)


def gains(rows: pd.DataFrame) -> str:
    """Lay out what pretraining adds, in points, seed by seed, as Markdown."""
    index = [rows["name"], rows["labels_per_class"], rows["seed"]]
    wide = (100 * rows["value"]).groupby(index).first()
    lines = []
    for start in ENCODERS:
        for training, n, m in COMPARED:
            mine, theirs = (wide[f"{s}, {training}"] for s in (start, "random"))
            found = (mine[n] - theirs[m]).dropna()
            words = (f"{start}, {training}", COLUMNS[n], COLUMNS[m])
            each, in_a_word = page.seed_by_seed(found), page.verdict(found)
            lines.append((*words, f"{found.mean():+.1f}", each, in_a_word))
    heads = ("start, training", "labels", "of random weights", "gain", "seed by seed")
    return page.markdown((*heads, "verdict"), lines)


def main(
    seeds: tuple[int, ...] = (0,),
    folder: Path = Path("runs/pretraining"),
    write_docs: bool = False,
) -> None:
    """Train, and print the tables.

    Args:
        seeds: each draws the split, the initial weights and the order of images.
        folder: for the runs.
        write_docs: write the tables into docs/pretraining.md.
    """
    rows = run(seeds, folder)
    parts = {"accuracy": table(rows), "gains": gains(rows)}
    parts["machine"] = f"Machine: {page.machine()}."
    print(*parts.values(), sep="\n\n")
    if write_docs:
        page.write_marked(DOCS / "pretraining.md", **parts)


if __name__ == "__main__":
    page.run_command(main, __doc__)
