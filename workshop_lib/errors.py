"""The one exception that means: the user can mend this."""

__all__ = ["WorkshopError", "listed", "readable", "unknown_name"]

import difflib
from collections.abc import Iterable, Sequence
from unicodedata import normalize


class WorkshopError(ValueError):
    """A mistake or a lack that the user can mend, told in one message.

    The message says what was given, what was expected and what to do. The command
    line prints it without a traceback and exits with code 2; in a notebook it is an
    ordinary `ValueError`.
    """


def unknown_name(kind: str, given: str, known: Iterable[str]) -> WorkshopError:
    """Build the error for a name that is not in a list: show the list and the nearest.

    Args:
        kind: what the name stands for, e.g. "method".
        given: what the user wrote.
        known: every name that would have been accepted.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.4)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return WorkshopError(
        f"unknown {kind} {given!r}: known are {', '.join(names)}.{hint}"
    )


def listed(items: Sequence[str], most: int = 8) -> str:
    """Join the first few items, and add how many more there are.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        'a, b, ... and 1 more'
    """
    more = f", ... and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def readable(name: str) -> str:
    r"""Return a name that every file, page and terminal can hold.

    Accents in one way, however the disk stores them; bytes that are no UTF-8, and ends
    of lines, as escapes.

    >>> readable("a\nb\udcff.png")
    'a\\nb\\xff.png'
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return normalize("NFC", text.replace("\n", "\\n").replace("\r", "\\r"))
