"""The leaderboard as one HTML file for the projector; it loads itself again."""

__all__ = ["as_text", "write_page"]

from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from workshop_lib.course.leaderboard.competition import Competition
from workshop_lib.course.leaderboard.standing import Standing, time_in_words
from workshop_lib.files import write_text


def write_page(
    path: Path | str,
    standing: Standing,
    rules: Competition,
    refresh: int = 10,
    now: datetime | None = None,
) -> None:
    """Write the standing; a browser that shows the file loads it anew by itself.

    The page needs no server, no network and no script. It is written in one piece, so
    a browser never loads half of it.

    Args:
        path: the file.
        standing: what `stand` found.
        rules: the competition.
        refresh: seconds until the browser loads it again, at least 1.
        now: the time that the page gives as its own; default the clock's.

    Raises:
        WorkshopError: the file cannot be written; an old one is left as it was.
    """
    page = _template().render(
        standing=standing,
        rules=rules,
        data=Path(rules.data).name,  # not where it lies on the judge's machine
        refresh=max(1, refresh),
        now=(now or datetime.now()).strftime("%H:%M:%S"),
        in_words=time_in_words,
        sentence=lambda text: text[:1].upper() + text[1:],
        per_cent=lambda share: _per_cent(share, rules),
        tests=len(rules.truth),
        labels=len(rules.split.labeled),
        warned=[row for row in standing.rows if row.warnings],
    )
    write_text(Path(path), page)


def as_text(standing: Standing, rules: Competition) -> str:
    """Lay out the standing for a terminal."""
    lines = [f"{'':>4}{'group':<42}{'accuracy':>9}{'time':>10}{'#':>4}{'try':>5}"]
    for row in standing.rows:
        mark = " *" if row.on_front else ""
        lines.append(
            f"{row.place:>3} {row.group:<42}{_per_cent(row.score, rules):>9}"
            f"{time_in_words(row.seconds):>10}{row.place_in_time:>4}{row.tries:>5}{mark}"
        )
        lines += [f"    look into: {warning}" for warning in row.warnings]
    for one in standing.refused:
        who = f"{one.file} ({one.group})" if one.group else one.file
        lines += [f"refused: {who}: {reason.message}" for reason in one.reasons]
    return "\n".join(lines)


@cache  # the watch writes many pages
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("workshop_lib.course.leaderboard", "templates"),
        autoescape=True,  # names of groups and files come from anybody
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("leaderboard.html")


def _per_cent(share: float, rules: Competition) -> str:
    """Write a share so finely that one test image more or less is seen."""
    return f"{100 * share:.{1 if len(rules.truth) <= 1000 else 2}f} %"
