"""Several tasks in one network, and borrowed knowledge: docs/multitask.md.

    python -m benchmarks.multitask                      one network for three tasks
    python -m benchmarks.multitask --study transfer     the worth of pretrained weights
    python -m benchmarks.multitask --seeds 0 1 --data mini_eo:11
    python -m benchmarks.multitask --write-docs         also the page and its picture

Stops and resumes: finished runs in runs/bench/multitask/ are loaded; seed by seed, so
that a study which is stopped has everything on fewer seeds. Tune on `--data
mini_eo:11`. `transfer` trains in one region of MiniEO, from random weights and from
those learned in the other four, with labels and without.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from benchmarks import page
from workshop_lib.config import Config
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.plots import AccessibleFigure, lines
from workshop_lib.presets import preset
from workshop_lib.training.loop import train

PAGE, PICTURE = Path("docs/multitask.md"), Path("docs/transfer.png")
LABELS = (1, 4, 10, 25, 0)  # per class, of the label curves; 0 for all
REGION = 4  # semi-arid: where labels are to be saved
_HEAVY, _LEARNED = {"head_weights": (1.0, 30.0)}, {"learned_weights": True}
# Heads, labels per class of each (0: all), and what else changes. The first has few.
TRAININGS: dict[str, tuple[tuple[str, ...], tuple[int, ...], dict[str, Any]]] = {
    "cover alone": (("cover",), (1,), {}),
    "cover with scene": (("cover", "scene"), (1, 0), {}),
    "cover with scene, learned": (("cover", "scene"), (1, 0), _LEARNED),
    "cover with both": (("cover", "scene", "elevation"), (1, 0, 0), {}),
    "scene alone": (("scene",), (1,), {}),
    "scene with cover": (("scene", "cover"), (1, 0), {}),
    "scene with elevation": (("scene", "elevation"), (1, 0), {}),
    "scene4 alone": (("scene",), (4,), {}),
    "scene4 with elevation": (("scene", "elevation"), (4, 0), {}),
    "scene4 with elevation, weight 30": (("scene", "elevation"), (4, 0), _HEAVY),
}


def task_table(rows: pd.DataFrame) -> str:
    """Lay out the score of the task with few labels, and the gain seed by seed."""
    found = []
    for few, part in rows.groupby(rows["name"].str.split().str[0], sort=False):
        for name, some in part.groupby("name", sort=False):
            score = page.mean_and_deviation(100 * some["value"])
            gain = page.gains_over(part, "value", str(name), f"{few} alone")
            gains = (page.seed_by_seed(gain), page.verdict(gain))
            gains = ("", "") if name == f"{few} alone" else gains
            seconds = f"{some['seconds'].median():.0f}"
            metric = some["metric"].iloc[0]
            found.append((name, metric, score, *gains, seconds, len(some)))
    heads = ("heads, first the one with few labels", "its metric", "value, %")
    more = ("gain seed by seed", "verdict", "seconds", "seeds")
    return page.markdown((*heads, *more), found)


def transfer_rows(
    base: Config, seeds: Sequence[int], folder: Path, pretrained: Sequence[str]
) -> pd.DataFrame:
    """Train in one region from each kind of weights, frozen and fine-tuned."""
    scenes = load_dataset(base.data.name, base.data.size, base.data.bands)
    home = scenes.metadata["region"] == REGION
    elsewhere, region = (
        scenes.subset(part.nonzero().flatten()) for part in (~home, home)
    )
    longer = {"labels_per_class": 0, "batch_size": 32, "steps": 2 * base.optim.steps}
    makers = {
        "supervised": base.replace(**longer),
        "self-supervised": preset(task="pretrain", data=base.data.name),
    }
    starts = {"random": ""}
    for one in pretrained:
        name, _, run = one.partition("=")
        if not run:
            run = str(folder / base.data.name.replace(":", "-") / name)
            split = make_split(elsewhere, makers[name].data)
            train(makers[name], elsewhere, split, folder=run, verbose=False)
        starts[name] = run
    configs = {}
    for name, run in starts.items():
        start = base.replace(init_from=run)
        configs[f"{name}, frozen"] = start.replace(freeze=-1)
        configs[f"{name}, fine-tuned"] = start.replace(encoder_lr=0.1 if run else 1.0)
    return sweep(configs, seeds, folder, labels=LABELS, dataset=region)


def transfer_table(rows: pd.DataFrame) -> str:
    """Lay out the accuracy of each kind of weights by the labels per class."""
    names = {n: str(n) if n else "all" for n in LABELS}
    found = []
    for name, part in rows.groupby("name", sort=False):
        by_labels = part.groupby("labels_per_class")["accuracy"]
        cells = [page.mean_and_deviation(100 * by_labels.get_group(n)) for n in names]
        found.append((name, *cells, part["seed"].nunique()))
    return page.markdown(("weights", *names.values(), "seeds"), found)


def transfer_picture(rows: pd.DataFrame) -> AccessibleFigure:
    """Draw mean accuracy against labels, a line for each kind of weights."""
    means = rows.groupby(["name", "labels"], sort=False)["accuracy"].mean() * 100
    series = {}
    for name, part in means.groupby("name", sort=False):
        part = part.droplevel("name").sort_index()
        series[str(name)] = (part.index, part.to_numpy())
    title = "How many labels are pretrained weights worth?"
    figure = lines(
        series, title=title, x_label="labelled images", y_label="accuracy (%)"
    )
    figure.axes[0].set(xscale="log", xticks=part.index, xticklabels=part.index)
    figure.axes[0].minorticks_off()
    figure.set_size_inches(9.6, 4.8)  # room for six names
    return figure


def main(
    study: Literal["tasks", "transfer"] = "tasks",
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    data: str = "mini_eo",
    steps: int | None = None,
    pretrained: tuple[str, ...] = ("supervised", "self-supervised"),
    encoder: str = "small_cnn",
    size: int = 32,
    bands: str = "",
    folder: Path = Path("runs/bench/multitask"),
    write_docs: bool = False,
) -> None:
    """Train a study, and print its table.

    Args:
        study: tasks or transfer.
        seeds: of the splits, the initial weights and the order of images.
        data: mini_eo or mini_eo:SEED.
        steps: of each training; default those of the preset, for transfer 1,000.
        pretrained: weights for transfer besides random ones: supervised and
            self-supervised are trained here, in the other regions; NAME=RUN are of a
            run, ImageNet=imagenet of a package.
        encoder, size, bands: of transfer: for ImageNet efficientnet_lite0, 64 and
            B04,B03,B02.
        folder: for the runs.
        write_docs: write the table into docs/multitask.md, and draw docs/transfer.png.
    """
    folder = folder / study / str(steps or "")
    if study == "tasks":
        base = preset(task="multitask", method="supervised", data=data)
        base = base.replace(steps=steps or base.optim.steps)
        configs = {
            name: base.replace(heads=heads, labels_per_head=labels, **changes)
            for name, (heads, labels, changes) in TRAININGS.items()
        }
        text = task_table(sweep(configs, seeds, folder))
    else:
        base = preset(method="supervised", labeled_view="strong", data=data, size=size)
        base = base.replace(encoder=encoder, bands=bands, steps=steps or 1000)
        rows = transfer_rows(base, seeds, folder / encoder, pretrained)
        text = transfer_table(rows)
        if write_docs:
            page.save_figure(PICTURE, transfer_picture(rows))
    print("\n" + text)
    if write_docs:
        page.write_marked(PAGE, **{study: text})


if __name__ == "__main__":
    page.run_command(main, __doc__)
