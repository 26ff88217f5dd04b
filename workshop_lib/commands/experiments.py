"""Commands about several trainings: the quickstart, comparisons, tables, pages."""

__all__ = ["compare", "quickstart", "report", "results"]

import shlex
from pathlib import Path
from typing import Any

import tyro

from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError


def quickstart(
    folder: Path = Path("runs/quickstart"),
    split_seed: int = 0,
    data: str = "mini_eo",
    fresh: bool = False,
) -> None:
    """Train baselines, FixMatch with its control, and the ceiling on one split.

    About 5 minutes on two CPU cores. Finished parts are loaded the next time.

    Example: workshop quickstart --split-seed 1 --folder runs/seed1

    Args:
        folder: where results.json, report.html and one run per method go.
        split_seed: which images are labelled, unlabelled, validation, test; and the
            seed of the trainings.
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        fresh: train again, also what is finished.
    """
    from workshop_lib.experiments.baselines import BASELINES, baselines_table
    from workshop_lib.experiments.baselines import quickstart as train_baselines
    from workshop_lib.presets import preset
    from workshop_lib.report.page import report_runs
    from workshop_lib.session import setup

    setup()
    base = preset(name=data, split_seed=split_seed, seed=split_seed)
    rows = train_baselines(base, folder, fresh=fresh)
    print("\n" + baselines_table(rows))
    command = ["workshop", "quickstart", "--split-seed", str(split_seed)]
    page = report_runs(
        [folder / name for name in BASELINES],
        folder / "report.html",
        titles=[one.title for one in BASELINES.values()],
        command=shlex.join([*command, "--data", data]),
    )
    print(f"\nThe whole story with pictures: {page}")
    print(
        "Next, on your own images (a folder with one folder per class):\n"
        "  workshop train --data FOLDER --labels-per-class 4 --method fixmatch"
    )


def compare(
    config: Config,
    hyperparameters: dict[str, Any],
    time: str,
    methods: str = "supervised,supervised_strong,fixmatch",
    labels: str = "4",
    seeds: int = 5,
    folder: Path = Path("runs/compare"),
    fresh: bool = False,
) -> None:
    """Train several methods on the same splits and seeds; print one table.

    Stop with Ctrl-C: the same command resumes, and what is finished is reused.

    Example: workshop compare --methods supervised_strong,fixmatch --labels 4,25

    Args:
        config: the settings of all; method, labels per class and seeds are set here.
        hyperparameters: each for those of the methods that have it.
        time: of the preset.
        methods: names with commas between. supervised is the baseline with weak
            augmentation, supervised_strong the better one, supervised_all has all
            labels.
        labels: labels per class, with commas between; 0 for all.
        seeds: how many; seeds 0, 1, ... draw the split and start the training.
        folder: where the runs and runs.csv go.
        fresh: train again, also what is finished.
    """
    from workshop_lib.experiments.baselines import baseline_config
    from workshop_lib.experiments.results import as_text, summarize
    from workshop_lib.experiments.sweeps import sweep
    from workshop_lib.session import setup

    names = [name.strip() for name in methods.split(",") if name.strip()]
    configs = {
        name: baseline_config(name, config, time=time, options=hyperparameters)
        for name in names
    }
    _check_used(hyperparameters, configs)
    numbers = _numbers(labels)
    setup()
    rows = sweep(configs, seeds, folder, labels=numbers, fresh=fresh)
    print(f"\n{as_text(summarize(rows))}\n\neach run: {folder / 'runs.csv'}")
    print(f"next: workshop results {folder} --out results.md")


def results(runs: tyro.conf.Positional[list[Path]], out: Path | None = None) -> None:
    """Collect finished runs into a table: data, labels, method, score, time, seeds.

    Example: workshop results runs/compare --out results.md

    Args:
        runs: folders of runs, or folders that hold such folders at any depth.
        out: write the table there, as Markdown (.md) or as .csv; default: print only.
    """
    from workshop_lib.experiments.results import (
        as_markdown,
        as_text,
        collect,
        summarize,
    )
    from workshop_lib.files import write_text

    if out and out.suffix not in (".md", ".csv"):
        raise WorkshopError(f"out {out}: its name must end in .md or .csv.")
    rows, left_out = collect(runs)
    table = summarize(rows).sort_values(["data", "labels", "value"], ignore_index=True)
    print(as_text(table))
    for folder in left_out:
        print(f"left out: {folder} (not finished, without test scores, or older)")
    if out:
        csv = out.suffix == ".csv"
        write_text(out, table.to_csv(index=False) if csv else as_markdown(table))
        print(f"written: {out}")


def report(runs: tyro.conf.Positional[list[Path]], out: Path | None = None) -> None:
    """Write one page about a run, or comparing several runs on the same split.

    Example: workshop report runs/quickstart/supervised runs/quickstart/fixmatch

    Args:
        runs: folders of finished runs.
        out: the HTML file; default report.html in the first run's folder.
    """
    from workshop_lib.report.page import report_runs

    print(f"written: {report_runs(runs, out)}")


def _check_used(given: dict[str, Any], configs: dict[str, Config]) -> None:
    """Refuse a hyperparameter that none of the compared methods has."""
    known = {k for one in configs.values() for k in one.method.hyperparameters()}
    unused = [f"--{name.replace('_', '-')}" for name in given if name not in known]
    if unused:
        raise WorkshopError(
            f"{', '.join(unused)}: none of the methods {', '.join(configs)} has such a"
            " hyperparameter."
        )


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise WorkshopError(
            f"--labels {text!r}: give whole numbers with commas between, like 4,25."
        ) from error
