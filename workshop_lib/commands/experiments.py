"""Commands about several trainings: comparisons, tables, pages, the competition."""

__all__ = ["compare", "leaderboard", "quickstart", "report", "results", "submit"]

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
        folder: where runs.csv, report.html and one run per method go.
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


def results(
    runs: tyro.conf.Positional[list[Path]],
    out: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Collect finished runs into a table: data, labels, method, score, time, seeds.

    Example: workshop results runs/compare --out results.md

    Args:
        runs: folders of runs, or folders that hold such folders at any depth.
        out: write the table there, as Markdown (.md) or as .csv; default: print only.
        overwrite: replace what is there, even if this command did not write it.
    """
    from workshop_lib.experiments.results import (
        as_markdown,
        as_text,
        collect,
        summarize,
    )
    from workshop_lib.files import check_output, write_text

    rows, left_out = collect(runs)
    table = summarize(rows).sort_values(["data", "labels", "value"], ignore_index=True)
    if out:
        text = as_markdown(table) if out.suffix == ".md" else table.to_csv(index=False)
        mark = text.partition("\n")[0]
        check_output(out, mark, ends=[".md", ".csv"], overwrite=overwrite)
    print(as_text(table))
    for folder in left_out:
        print(f"left out: {folder} (not finished, without test scores, or older)")
    if out:
        write_text(out, text)
        print(f"written: {out}")


def report(
    runs: tyro.conf.Positional[list[Path]],
    out: Path | None = None,
    overwrite: bool = False,
    data: str = "",
) -> None:
    """Write one page about a run, or comparing several runs on the same split.

    Example: workshop report runs/quickstart/supervised runs/quickstart/fixmatch

    Args:
        runs: folders of finished runs.
        out: the HTML file; default report.html in the first run's folder.
        overwrite: replace what is there, even if this command did not write it.
        data: where the images are, if they have moved since the training.
    """
    from workshop_lib.data.load import load_moved
    from workshop_lib.files import check_output
    from workshop_lib.report.page import report_runs
    from workshop_lib.training.run import Run

    out = out or runs[0] / "report.html"
    check_output(out, ends=[".html", ".htm"], overwrite=overwrite)
    scenes = load_moved(Run.load(runs[0]).config, runs[0], data)
    print(f"written: {report_runs(runs, out, scenes=scenes)}")


def submit(
    run: tyro.conf.Positional[Path], group: str, to: Path = Path("submissions")
) -> None:
    """Write a run's submission for the competition: its predictions on the test images.

    Example: workshop submit runs/fixmatch-1a2b3c --group "The Otters" --to SHARED

    Args:
        run: the folder that `workshop train` printed.
        group: the name to appear on the leaderboard, at most 40 characters.
        to: folder for the file (about 25 KB): the one that the leaderboard reads, or
            any other, to send the file from.
    """
    from workshop_lib.course.competition import submit as write
    from workshop_lib.training.run import Run

    path = write(Run.load(run), group, to)
    print(f"written: {path} ({path.stat().st_size / 1000:.0f} KB)")


def leaderboard(
    folder: tyro.conf.Positional[Path],
    data: str = "mini_eo",
    labels_per_class: int = 4,
    split_seed: int = 0,
    split: Path | None = None,
    out: Path | None = None,
    watch: int = 0,
) -> None:
    """Rank the groups' submissions by accuracy and training time, and write a page.

    Example: workshop leaderboard SHARED --data mini_eo --watch 5

    Submissions with another split or too many labels are left out, with the reason. The
    page needs no server: open it in a browser, it reloads by itself.

    Args:
        folder: where `workshop submit --to` wrote, or where files were collected.
        data: as the groups train on: "mini_eo", "ucm", a folder of images.
        labels_per_class: labels allowed for each class; 0 for all. Fewer are fine.
        split_seed: of the split that the groups train on.
        split: folder that `workshop split --save` wrote, if they use such a split.
        out: the page; default leaderboard.html in the folder.
        watch: look for new submissions every so many seconds, until Ctrl-C; 0 once.
    """
    from workshop_lib.course import leaderboard as board
    from workshop_lib.course.competition import Competition
    from workshop_lib.data.load import open_data
    from workshop_lib.presets import preset

    if not folder.is_dir():
        raise WorkshopError(
            f"there is no folder {folder}: give the one that submissions are handed in"
            " to; `workshop submit RUN --group NAME --to FOLDER` makes it."
        )
    config = preset(
        "class", name=data, labels_per_class=labels_per_class, split_seed=split_seed
    )
    competition = Competition(data, *open_data(config, split))
    page = out or folder / "leaderboard.html"
    if watch > 0:
        print(f"writing {page} every {watch} s; Ctrl-C ends", flush=True)
        board.watch(folder, competition, page, watch)
    found = board.read_folder(folder, competition)
    board.write_page(page, found, competition)
    print(board.as_text(found))
    print(f"written: {page}")


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
