"""Results as a page shows them: averages over seeds, and tables between marks."""

__all__ = [
    "gains_in_words",
    "gains_over",
    "machine",
    "markdown",
    "mean_and_deviation",
    "run_command",
    "save_figure",
    "seed_by_seed",
    "verdict",
    "write_marked",
]

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import pandas as pd
import tyro

from workshop_lib.errors import WorkshopError
from workshop_lib.experiments.results import markdown
from workshop_lib.files import write_text
from workshop_lib.plots import AccessibleFigure
from workshop_lib.plots.style import write_figure
from workshop_lib.session import setup, versions

CLEAR = 1.0  # point: a smaller gain, or one not in every seed, is not clear


def run_command(main: Callable[..., None], description: str) -> None:
    """Run a benchmark from the command line: its arguments become flags.

    An error that the user can mend ends it with one line instead of a traceback.

    Args:
        main: function with a default for each optional flag.
        description: for `--help`.
    """

    @wraps(main)  # flags first: `--help` should not look for a GPU
    def prepared(*values: Any, **flags: Any) -> None:
        setup()
        main(*values, **flags)

    try:
        tyro.cli(prepared, description=description)
    except (WorkshopError, FileNotFoundError) as error:
        sys.exit(f"benchmark: {error}")


def mean_and_deviation(values: Iterable[float], digits: int = 1) -> str:
    """Write the mean of some seeds, and the deviation of two or more; "" for none.

    >>> mean_and_deviation([60.0, 70.0]), mean_and_deviation([60.0])
    ('65.0 ± 7.1', '60.0')
    >>> mean_and_deviation([0.5, 0.75], 3), mean_and_deviation([])
    ('0.625 ± 0.177', '')
    """
    one = pd.Series(list(values), dtype=float)
    mean = f"{one.mean():.{digits}f}" if len(one) else ""
    return mean if len(one) < 2 else f"{mean} ± {one.std():.{digits}f}"


def gains_over(rows: pd.DataFrame, score: str, name: str, *others: str) -> pd.Series:
    """Return how much better one config is than the best of others, seed by seed.

    Args:
        rows: name, seed and score of each run.
        score: the column, a fraction.
        name: of the config.
        others: names; the best of them may be another one for each seed.

    Returns:
        In points, by seed; empty where one of the names was not run.
    """
    if not {name, *others} <= set(rows["name"]):
        return pd.Series(dtype=float)
    wide = 100 * rows.pivot_table(index="seed", columns="name", values=score)
    return (wide[name] - wide[list(others)].max(axis=1)).dropna()


def gains_in_words(rows: pd.DataFrame, score: str, name: str, *others: str) -> str:
    """Write the mean of `gains_over`, each seed's and the verdict; "" for no seed.

    >>> rows = pd.DataFrame({"name": ["a", "b"], "seed": [0, 0], "f1": [0.5, 0.7]})
    >>> gains_in_words(rows, "f1", "b", "a")
    'mean +20.0 points (+20.0): one seed only'
    """
    gains = gains_over(rows, score, name, *others)
    if gains.empty:
        return ""
    mean, each = f"{gains.mean():+.1f}", seed_by_seed(gains)
    return f"mean {mean} points ({each}): {verdict(gains)}"


def seed_by_seed(gains: pd.Series) -> str:
    """Write the gain of each seed, in points.

    >>> seed_by_seed(pd.Series([3.0, -0.5]))
    '+3.0, -0.5'
    """
    return ", ".join(f"{gain:+.1f}" for gain in gains)


def verdict(gains: pd.Series) -> str:
    """Sum up gains over several seeds, in points, in a word.

    >>> verdict(pd.Series([3.0, 2.0])), verdict(pd.Series([-3.0, -2.0]))
    ('adds', 'harms')
    >>> verdict(pd.Series([3.0, -2.0])), verdict(pd.Series([0.1, -0.2]))
    ('not clear', 'adds nothing')
    >>> verdict(pd.Series([50.0]))
    'one seed only'
    """
    if len(gains) < 2:
        return "one seed only"
    if (gains >= CLEAR).all():
        return "adds"
    if (gains <= -CLEAR).all():
        return "harms"
    return "adds nothing" if (gains.abs() < CLEAR).all() else "not clear"


def machine() -> str:
    """Name what measured times and figures depend on."""
    return ", ".join(f"{name} {value}" for name, value in versions().items())


def write_marked(page: Path, **parts: str) -> None:
    """Replace text between marks of a page; everything around it stays.

    Args:
        page: a Markdown file with `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
        parts: new text by the mark's name, with underscores for its spaces.

    Raises:
        WorkshopError: the page lacks a mark; it is then left as it was.
    """
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        title = name.replace("_", " ")
        begin, end = f"<!-- {title}: begin -->", f"<!-- {title}: end -->"
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not opened or not closed:
            raise WorkshopError(
                f"{page} has no place for the table: put the lines '{begin}' and"
                f" '{end}' where it should go."
            )
        text = f"{before}{begin}\n{part}\n{end}{after}"
    write_text(page, text)
    print(f"written: {page}")


def save_figure(path: Path, figure: AccessibleFigure, dpi: int = 80) -> None:
    """Write a figure for a page; an interrupted write leaves the old one."""
    write_figure(path, figure, dpi)
    print(f"written: {path}")
