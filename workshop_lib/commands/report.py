"""The command that writes a page about finished runs."""

__all__ = ["report"]

from pathlib import Path

import tyro

from workshop_lib.errors import WorkshopError


def report(runs: tyro.conf.Positional[list[Path]], out: Path | None = None) -> None:
    """Write one page about a run, or comparing several runs on the same split.

    Example: workshop report runs/quickstart/supervised runs/quickstart/fixmatch

    Args:
        runs: folders of finished runs.
        out: the HTML file; default report.html in the first run's folder.
    """
    from workshop_lib.report.page import report_runs

    if not runs:
        raise WorkshopError("give the folder of at least one finished run.")
    path = out or runs[0] / "report.html"
    report_runs(runs, path)
    print(f"written: {path}")
