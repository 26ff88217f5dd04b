"""A folder that is looked at again and again, for as long as the competition lasts."""

__all__ = ["Watch"]

import stat
import threading
from pathlib import Path

from workshop_lib.course.leaderboard.competition import Competition
from workshop_lib.course.leaderboard.judge import Accepted, Rejected, judge
from workshop_lib.course.leaderboard.page import write_page
from workshop_lib.course.leaderboard.standing import Standing, stand
from workshop_lib.errors import WorkshopError

_OF_SYSTEMS = ("thumbs.db", "desktop.ini")
Stamp = tuple[tuple[str, int, int], ...]  # (file, time of change, bytes) of each file


class Watch:
    """The page of a folder, written again whenever something in the folder changes.

    Each submission is judged once, and again only when it has changed: with a hundred
    of them a new one is on the wall at once.

    Args:
        folder: where submissions arrive.
        rules: the competition.
        page: the file to write; may lie in the folder.
        refresh: seconds after which browsers load the page again.
        tries: how many submissions of a group count.
    """

    def __init__(
        self, folder: Path, rules: Competition, page: Path, refresh: int, tries: int
    ) -> None:
        self.folder, self.rules, self.page = folder, rules, page
        self.refresh, self.tries = refresh, tries
        self.judged: dict[Path, tuple[Stamp, Accepted | Rejected]] = {}
        self.written: dict[Path, Stamp] | None = None  # what the page is about

    def look(self) -> Standing | None:
        """Judge what is new and write the page; None if nothing has changed.

        Raises:
            OSError: the folder is gone.
            WorkshopError: the page cannot be written; the next look tries again.
        """
        now = {path: _stamp(path) for path in sorted(self.folder.iterdir())}
        now = {path: s for path, s in now.items() if self._is_handed_in(path)}
        if now == self.written:
            return None
        for path, stamp in now.items():
            if path not in self.judged or self.judged[path][0] != stamp:
                self.judged[path] = (stamp, judge(path, self.rules))
        found = [self.judged[path][1] for path in now]
        standing = stand(found, self.rules, self.tries)
        write_page(self.page, standing, self.rules, self.refresh)
        self.written = now
        return standing

    def run(self, every: float, stop: threading.Event | None = None) -> None:
        """Look every so many seconds until `stop` is set, or Ctrl-C is pressed."""
        stop = stop or threading.Event()
        while not stop.wait(every):
            try:
                standing = self.look()
            except (OSError, WorkshopError) as error:
                # A full disk, a network folder that went away: it may come back
                print(f"not updated: {error}", flush=True)
                continue
            if standing is not None:
                places, out = len(standing.rows), len(standing.refused)
                print(f"updated: {places} groups, {out} refused", flush=True)

    def _is_handed_in(self, path: Path) -> bool:
        """Leave out the page, and files that are half-written or a system's own."""
        own = path.name.startswith(".") or path.name.lower() in _OF_SYSTEMS
        return not own and path.resolve() != self.page.resolve()


def _stamp(path: Path) -> Stamp:
    """Tell a file, or the files of a folder, from the same after a change."""
    files = [path]
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            files += sorted(path.iterdir())
        stats = [(file.name, file.lstat()) for file in files]
    except OSError:  # gone while it was looked at: seen by the next look
        return ()
    return tuple((name, found.st_mtime_ns, found.st_size) for name, found in stats)
