"""Commands of the course: hand in a run, rank the groups, build the notebooks."""

__all__ = ["leaderboard", "notebooks", "submit"]

import json
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
    from workshop_lib.data.load import load_dataset
    from workshop_lib.data.split import Split

    if not folder.is_dir():
        raise WorkshopError(
            f"there is no folder {folder}: give the one that submissions are handed in"
            " to; `workshop submit RUN --group NAME --to FOLDER` makes it."
        )
    if watch < 0:
        raise WorkshopError(f"--watch {watch}: give seconds, or 0 to look once.")
    scenes = load_dataset(data)
    own = Split.load(split, scenes) if split else None
    competition = Competition(data, scenes, labels_per_class, split_seed, own)
    page = out or folder / "leaderboard.html"
    if watch:
        print(f"writing {page} every {watch} s; Ctrl-C ends", flush=True)
        board.watch(folder, competition, page, watch)
    found = board.read_folder(folder, competition)
    board.write_page(page, found, competition)
    print(board.as_text(found))
    print(f"written: {page}")


def notebooks(
    folder: Path = Path("notebooks"), check: bool = False, overwrite: bool = False
) -> int:
    """Build the learner's notebooks and those with solutions from FOLDER/src.

    Example: workshop notebooks --check

    Needs the extra `test`: pip install -e '.[test]'

    Args:
        folder: holds src/NN_topic.py; gets NN_topic.ipynb and solutions/NN_topic.ipynb.
        check: write nothing; list what differs from its source (exit code 1).
        overwrite: also replace notebooks that have been run, answers included.
    """
    from workshop_lib.files import write_text

    built = _build(folder)
    stale = [path for path, text in built.items() if _text(path) != text]
    if check:
        orphans = {p for p in folder.glob("**/[0-9][0-9]_*.ipynb")} - set(built)
        orphans = {p for p in orphans if ".ipynb_checkpoints" not in p.parts}
        lines = [f"{path}: not what its source says: make notebooks" for path in stale]
        lines += [f"{path}: has no source: delete it" for path in sorted(orphans)]
        print("\n".join(lines) or f"{len(built)} notebooks, all as their sources say.")
        return int(bool(lines))
    worked_in = [str(path) for path in stale if _was_run(path)]
    if worked_in and not overwrite:
        raise WorkshopError(
            f"{', '.join(worked_in)} has been run or edited: answers would be lost."
            " Copy or delete what you do not need, or give --overwrite."
        )
    for path in stale:
        write_text(path, built[path])
        print(f"written: {path}")
    print(f"{len(built)} notebooks, {len(built) - len(stale)} of them as before.")
    return 0


def _build(folder: Path) -> dict[Path, str]:
    try:
        from workshop_lib.course.notebooks import build_all

        return build_all(folder)
    except ModuleNotFoundError as error:
        if error.name not in ("jupytext", "nbformat"):
            raise
        raise WorkshopError(
            f"{error.name} is not installed: pip install -e '.[test]'"
        ) from None


def _text(path: Path) -> str | None:
    """Read a notebook byte for byte; line ends count. None where there is none."""
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else None


def _was_run(path: Path) -> bool:
    """Return whether a notebook holds results, which the generator never writes.

    One that cannot be read, as after a conflict in git, may hold answers too.
    """
    text = _text(path)
    if text is None:
        return False
    try:
        cells = json.loads(text)["cells"]
        return any(c.get("execution_count") or c.get("outputs") for c in cells)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True
