"""The leaderboard: a ranking by accuracy and training time, as text and as a page."""

__all__ = ["Leaderboard", "as_text", "rank", "read_folder", "watch", "write_page"]

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

import pandas as pd

from workshop_lib.course.competition import Competition, Submission, read_submission
from workshop_lib.course.progress import TEMPLATES
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.statistics import mcnemar
from workshop_lib.files import fill_template, write_text


class Leaderboard(NamedTuple):
    """The ranking, and the files that do not count.

    Args:
        table: one row per group, best first; see `rank`.
        errors: name of each file left out, and the reason.
    """

    table: pd.DataFrame
    errors: dict[str, str]


def rank(found: Sequence[Submission], competition: Competition) -> pd.DataFrame:
    """Rank the groups by accuracy and, separately, by training time.

    A group's best submission counts: the most accurate, of equals the quickest. Equal
    accuracies share a place, and so do times that are equal to 0.1 s.

    Returns:
        One row per group: place, group, accuracy (0 to 1), seconds, time_place, front
        (no other group is at least as good and as quick, and better in one of them),
        tied (test images too few to tell it from the first; McNemar's test, 5 %),
        submissions (how many), labels, method, machine.
    """
    table = pd.DataFrame(found, columns=Submission._fields)
    table = table.sort_values(
        ["accuracy", "seconds", "file"], ascending=[False, True, True]
    )
    team = table["group"].astype(str).str.casefold()
    table["submissions"] = team.map(team.value_counts())
    table = table[~team.duplicated()].copy()
    score, seconds = table["accuracy"], table["seconds"].astype(float).round(1)
    table["place"] = score.rank(method="min", ascending=False).astype(int)
    table["time_place"] = seconds.rank(method="min").astype(int)
    table["front"] = [
        not ((score >= a) & (seconds <= s) & ((score > a) | (seconds < s))).any()
        for a, s in zip(score, seconds, strict=True)
    ]
    correct = [one == competition.test_labels for one in table["predicted"]]
    table["tied"] = [not mcnemar(one, correct[0]).significant for one in correct]
    table = table.sort_values(["place", "time_place", "group"], ignore_index=True)
    return table.drop(columns=["file", "predicted"])


def read_folder(folder: Path, competition: Competition) -> Leaderboard:
    """Read, check and rank every submission in a folder.

    A CSV file that is no valid submission is left out, with its reason. Other files,
    hidden ones and subfolders are ignored.

    Raises:
        OSError: the folder cannot be read.
    """
    found, errors = [], {}
    for path in sorted(folder.iterdir()):
        is_csv = path.suffix.lower() == ".csv" and path.is_file()
        if not is_csv or path.name.startswith("."):
            continue
        try:
            found.append(read_submission(path, competition))
        except WorkshopError as error:
            errors[path.name] = str(error)
    return Leaderboard(rank(found, competition), errors)


def watch(folder: Path, competition: Competition, page: Path, every: int) -> NoReturn:
    """Write the page again and again, until Ctrl-C; print what is new.

    Args:
        folder: where submissions arrive.
        competition: the rules.
        page: the HTML file.
        every: seconds between two looks, and until a browser loads the page again.
    """
    shown = ""
    while True:
        try:
            board = read_folder(folder, competition)
            write_page(page, board, competition, refresh=every)
            text = as_text(board)
        except (OSError, WorkshopError) as error:
            # A full disk or a lost network folder: it may come back
            text = f"not updated: {error}"
        if text != shown:
            print(text, flush=True)
            shown = text
        time.sleep(every)


def as_text(board: Leaderboard) -> str:
    """Lay out the leaderboard for a terminal."""
    lines = [f"{'':>4}{'group':<42}{'accuracy':>9}{'time':>11}{'#':>4}{'files':>7}"]
    lines += [
        f"{row.place:>3} {row.group:<42}{row.accuracy:>9.1%}{row.seconds:>9,.1f} s"
        f"{row.time_place:>4}{row.submissions:>7}{' *' if row.front else ''}"
        for row in board.table.itertuples()
    ]
    lines += [f"left out: {file}: {error}" for file, error in board.errors.items()]
    return "\n".join(lines)


def write_page(
    path: Path | str, board: Leaderboard, competition: Competition, refresh: int = 10
) -> None:
    """Write the leaderboard as one HTML file for the projector; it reloads by itself.

    The page needs no server, network or script.

    Args:
        path: the file.
        board: what `read_folder` returned.
        competition: the rules.
        refresh: seconds until the browser loads the file again, at least 1.

    Raises:
        WorkshopError: the file cannot be written; an old one is left as it was.
    """
    content = {
        "rows": list(board.table.itertuples()),
        "errors": board.errors,
        "competition": competition,
        "data": Path(competition.data).name,  # not the path: the page is public
        "refresh": max(1, refresh),
        "now": datetime.now().strftime("%H:%M:%S"),
    }
    page = fill_template(TEMPLATES / "leaderboard.html", content)
    write_text(Path(path), page)
