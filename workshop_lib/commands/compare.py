"""Commands about many trainings: compare methods, collect what was run."""

__all__ = ["compare", "results"]

from pathlib import Path

import tyro

from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe, preset

_PRESET = preset()


def compare(
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = _PRESET,
    methods: str = "supervised,supervised_strong,fixmatch",
    labels: str = "4",
    seeds: int = 5,
    folder: Path = Path("runs/compare"),
    fresh: bool = False,
) -> None:
    """Train several methods on the same splits and seeds; print one table.

    Stop with Ctrl-C: the same command goes on, and what is finished is reused.

    Example: workshop compare --methods supervised_strong,fixmatch --labels 4,25

    Args:
        recipe: the knobs of all; method, labels per class and seeds are set here.
        methods: names with commas between. supervised is the baseline with weak
            augmentation, supervised_strong the better one, supervised_all has all
            labels.
        labels: labels per class, with commas between; 0 for all.
        seeds: how many; seeds 0, 1, ... draw the split and start the training.
        folder: where the runs and runs.csv go.
        fresh: train anew, also what is finished.
    """
    from workshop_lib.compare import compare as run_compare
    from workshop_lib.report.results import as_text
    from workshop_lib.session import setup

    setup()
    names = [name.strip() for name in methods.split(",") if name.strip()]
    table = run_compare(recipe, names, _numbers(labels), seeds, folder, fresh=fresh)
    print(f"\n{as_text(table)}\n\neach run: {folder / 'runs.csv'}")
    print(f"next: workshop results {folder} --out results.md")


def results(runs: tyro.conf.Positional[list[Path]], out: Path | None = None) -> None:
    """Collect finished runs into a table: data, labels, method, accuracy, time, seeds.

    Example: workshop results runs/compare --out results.md

    Args:
        runs: folders of runs, or folders that hold such folders at any depth.
        out: write the table there, as Markdown (.md) or as .csv; default: print only.
    """
    from workshop_lib.files import write_text
    from workshop_lib.report.results import as_markdown, as_text, collect, summarize

    if out and out.suffix not in (".md", ".csv"):
        raise WorkshopError(f"out {out}: its name must end in .md or .csv.")
    rows, left_out = collect(runs)
    table = summarize(rows).sort_values(
        ["data", "labels", "accuracy"], ignore_index=True
    )
    print(as_text(table))
    for folder in left_out:
        print(f"left out: {folder} (not finished, or without test scores)")
    if out:
        csv = out.suffix == ".csv"
        write_text(out, table.to_csv(index=False) if csv else as_markdown(table))
        print(f"written: {out}")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise WorkshopError(
            f"--labels {text!r}: give whole numbers with commas between, like 4,25."
        ) from error
