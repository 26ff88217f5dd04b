"""Commands of the competition: hand in a run, and rank the groups."""

__all__ = ["leaderboard", "submit"]

from pathlib import Path

import tyro

from workshop_lib.errors import WorkshopError


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
    from workshop_lib.course.submission import submit as write
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

    if not folder.is_dir():
        raise WorkshopError(
            f"there is no folder {folder}: give the one that submissions are handed in"
            " to; `workshop submit RUN --group NAME --to FOLDER` makes it."
        )
    if watch < 0:
        raise WorkshopError(f"--watch {watch}: give seconds, or 0 to look once.")
    competition = Competition.open(data, labels_per_class, split_seed, str(split or ""))
    page = out or folder / "leaderboard.html"
    found = board.read_folder(folder, competition, page)
    board.write_page(page, found, competition, refresh=watch or 10)
    print(board.as_text(found, competition))
    print(f"written: {page}")
    if watch:
        print(f"watching {folder} every {watch} s; Ctrl-C ends", flush=True)
        board.watch(folder, competition, page, watch)
