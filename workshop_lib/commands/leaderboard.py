"""Commands of the competition: hand in a run, and judge what was handed in."""

__all__ = ["leaderboard", "submit"]

from pathlib import Path

import tyro

from workshop_lib.errors import WorkshopError


def submit(
    run: tyro.conf.Positional[Path], group: str, to: Path = Path("submissions")
) -> None:
    """Pack a run for the competition: predictions on the test images, recipe and log.

    Example: workshop submit runs/fixmatch-1a2b3c --group "The Otters" --to SHARED

    Args:
        run: the folder that `workshop train` printed.
        group: the name to appear on the leaderboard, at most 40 characters.
        to: folder for the file, which has some 50 KB: the one that the judge watches,
            or any other, to send the file from.
    """
    from workshop_lib.course.leaderboard.packing import submit as pack
    from workshop_lib.training.run import Run

    path = pack(Run.load(run), group, to)
    print(f"written: {path} ({path.stat().st_size / 1000:.0f} KB)")


def leaderboard(
    folder: tyro.conf.Positional[Path],
    data: str = "mini_eo",
    labels_per_class: int = 4,
    split_seed: int = 0,
    split: Path | None = None,
    tries: int = 3,
    out: Path | None = None,
    watch: int = 0,
) -> None:
    """Check all that groups have handed in, rank it, and write a page for the wall.

    Example: workshop leaderboard SHARED --data mini_eo --watch 5

    By accuracy on the test images and by training time. What was trained on another
    split, with more labels or with test images is refused, with the reason. The page
    needs no server: open it in a browser, it loads itself again.

    Args:
        folder: where `workshop submit --to` wrote, or where files were collected.
        data: as the groups train on: "mini_eo", "ucm", a folder of images.
        labels_per_class: labels allowed for each class; 0 for all. Fewer are fine.
        split_seed: of the split that the groups train on.
        split: folder that `workshop split --save` wrote, if they use such a split.
        tries: submissions that a group has; the last one counts.
        out: the page; default leaderboard.html in the folder.
        watch: look for new submissions every so many seconds, until Ctrl-C; 0 once.
    """
    from workshop_lib.course.leaderboard.competition import Competition
    from workshop_lib.course.leaderboard.page import as_text
    from workshop_lib.course.leaderboard.watch import Watch

    if not folder.is_dir():
        raise WorkshopError(
            f"there is no folder {folder}: give the one that submissions are handed in"
            " to; `workshop submit RUN --group NAME --to FOLDER` makes it."
        )
    if tries < 1 or watch < 0:
        raise WorkshopError(f"--tries {tries} --watch {watch}: at least 1 and 0.")
    rules = Competition.open(data, labels_per_class, split_seed, str(split or ""))
    page = out or folder / "leaderboard.html"
    judge = Watch(folder, rules, page, refresh=watch or 10, tries=tries)
    standing = judge.look()
    if standing is not None:
        print(as_text(standing, rules))
    print(f"written: {page}")
    if watch:
        print(f"watching {folder} every {watch} s; Ctrl-C ends", flush=True)
        judge.run(watch)
