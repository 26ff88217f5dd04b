"""Configs side by side: the same splits, several seeds, a row for each run."""

__all__ = ["RunSpec", "check_config", "grid", "sweep", "train_all"]

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.load import describe, load_dataset, make_split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.scoring import evaluate
from workshop_lib.experiments.results import run_row
from workshop_lib.files import reading, write_text
from workshop_lib.training.inputs import initial_model, read_inputs
from workshop_lib.training.log import Progress
from workshop_lib.training.loop import train

_KEY = ["data", "labels_per_class", "name", "seed"]  # makes two rows one run


class RunSpec(NamedTuple):
    """One training of a sweep."""

    name: str
    config: Config
    folder: Path

    def __str__(self) -> str:
        n = self.config.data.main_labels
        labels = f"{n} labels per class" if n else "all labels"
        return f"{self.name}, {labels}, seed {self.config.run.seed}"


def sweep(
    configs: Mapping[str, Config],
    seeds: int | Sequence[int] = 5,
    folder: Path | str = Path("runs/sweep"),
    *,
    labels: Sequence[int] | None = None,
    dataset: Dataset | None = None,
    fresh: bool = False,
    verbose: bool = True,
) -> pd.DataFrame:
    """Train every config on every seed, and score it on the test images.

    A seed draws the split, the initial weights and the order of images alike, so the
    configs meet on the same images. Runs that are finished in `folder` are loaded, an
    interrupted one is resumed: stop with Ctrl-C and call again. `folder/runs.csv` holds
    a row for each finished run at any time. A run that fails (its loss explodes) does
    not keep the others from being trained.

    Args:
        configs: by name; seed and split_seed are set here.
        seeds: how many, counted from 0; or which.
        folder: for the runs.
        labels: numbers of labels per class to train each config with, 0 for all; None
            leaves each config its own. A config with all labels keeps them all.
        dataset: images of your own for all configs; None loads what each config names.
        fresh: train again, also what is finished.
        verbose: False prints nothing.

    Returns:
        A row for each run in the order of training, as `run_row` makes it; `summarize`
        averages them over seeds.

    Raises:
        WorkshopError: a config that does not fit its data; the folder holds runs of
            other configs; or a run failed: raised after the others, which are kept.

    Example:
        configs = {"S2": base, "S2 + S1": base.replace(sensors=("s2", "s1"))}
        rows = sweep(configs, seeds=3, folder="runs/sensors")
    """
    folder = Path(folder)
    todo = grid(configs, seeds, folder, labels)
    return train_all(todo, folder, dataset=dataset, fresh=fresh, verbose=verbose)


def train_all(
    todo: Sequence[RunSpec],
    folder: Path,
    *,
    dataset: Dataset | None = None,
    fresh: bool = False,
    verbose: bool = True,
) -> pd.DataFrame:
    """Train, or load, a list of runs one after the other; see `sweep`.

    Args:
        todo: each with a folder of its own.
        folder: for runs.csv.
        dataset, fresh, verbose: as in `sweep`.
    """
    before = _read(folder / "runs.csv")
    for name, config, _ in todo:
        if not config.method.labeled_views:
            raise WorkshopError(
                f"{name} learns without labels and has no scores to compare: pretrain"
                " first, and compare trainings that start from it (init_from)."
            )
    for config in {one.name: one.config for one in todo}.values():
        # A misspelt name should not cost a night
        check_config(config, describe(config.data)[0] if dataset is None else dataset)
    load = cache(load_dataset)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    old = [one for one in todo if not fresh and (one.folder / "run.json").exists()]
    total, start = (sum(one.config.optim.steps for one in some) for some in (todo, old))
    progress = Progress(total, start, verbose=verbose)
    with closing(progress):
        for number, one in enumerate(todo, 1):
            progress.label = str(one)
            progress.bar.set_description(str(one))
            data = one.config.data
            try:
                images = dataset
                if images is None:
                    images = load(data.name, data.size, data.bands)
                row = _train(one, images, fresh, progress)
            except WorkshopError as error:
                failed.append(f"{one}: {error}")
                result = f"FAILED, {error}"
            else:
                rows.append(row)
                table = pd.concat([before, pd.DataFrame(rows)])
                table = table.drop_duplicates(_KEY, keep="last")
                write_text(folder / "runs.csv", table.to_csv(index=False))
                result = f"{row['metric']} {row['value']:.3f}, {row['seconds']:.0f} s"
            progress.say(f"{one}: {result} ({number} of {len(todo)})")
    if failed:
        raise WorkshopError(
            f"{len(failed)} of {len(todo)} runs failed; the others are finished, see"
            f" {folder / 'runs.csv'}.\n" + "\n".join(failed)
        )
    return pd.DataFrame(rows)


def grid(
    configs: Mapping[str, Config],
    seeds: int | Sequence[int],
    folder: Path,
    labels: Sequence[int] | None = None,
) -> list[RunSpec]:
    """List the trainings of a sweep, seed by seed.

    In this order a sweep that is stopped halfway has all configs on fewer seeds, not
    fewer configs.

    Raises:
        WorkshopError: nothing to train, or two names that make one folder.
    """
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    if not configs or not chosen or (labels is not None and not labels):
        raise WorkshopError(
            f"configs={list(configs)}, labels={labels}, seeds={seeds}: give at least"
            " one of each."
        )
    slugs = {re.sub(r"[^\w.-]+", "_", name).strip("_"): name for name in configs}
    if len(slugs) < len(configs):
        raise WorkshopError(
            f"configs={list(configs)}: two of these names differ only in characters"
            " that a folder cannot have; rename one."
        )
    todo: dict[Path, RunSpec] = {}
    for seed in chosen:
        for number in [None] if labels is None else labels:
            for slug, name in slugs.items():
                config = configs[name].replace(seed=seed, split_seed=seed)
                if number is not None and config.data.labels_per_class:
                    config = config.replace(labels_per_class=number)
                place = folder / Path(config.data.name).name.replace(":", "-")
                own = f"{slug}-{config.data.labels_per_class or 'all'}-{seed}"
                todo[place / own] = RunSpec(name, config, place / own)
    return list(todo.values())


def check_config(config: Config, few: Dataset) -> None:
    """Build the network of a config for a few of its images, before anything long.

    Raises:
        WorkshopError: an unknown encoder, sensor, metadata or head, or parts that do
            not fit together; lists the known names and the nearest.
    """
    facts = read_inputs(config, few).facts()
    if not config.model.features:  # whose backbone may have to be downloaded first
        initial_model(config, facts, load_pretrained=False)


def _train(
    one: RunSpec, dataset: Dataset, fresh: bool, progress: Progress
) -> dict[str, Any]:
    """Train, or load what is finished; score it once; return its row."""
    split = make_split(dataset, one.config.data)
    before = progress.done
    run = train(
        one.config,
        dataset,
        split,
        folder=one.folder,
        resume=not fresh,
        verbose=False,
        on_log=lambda row: progress.tick(before + int(row["step"]) - progress.done),
    )
    if not (run.folder / "evaluation.json").exists():
        evaluate(run, dataset, split)
    return run_row(run, one.name)


def _read(path: Path) -> pd.DataFrame:
    """Read the rows of earlier calls: a call for one more config loses none of them."""
    if not path.exists():
        return pd.DataFrame(columns=_KEY)
    text = dict.fromkeys(("data", "name"), str)  # which may look like numbers
    with reading(path, "delete it; the finished runs beside it are read again."):
        rows = pd.read_csv(path, dtype=text)
        rows[_KEY]  # a missing column is an error here
    return rows
