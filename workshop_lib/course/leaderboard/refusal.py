"""Why a submission is refused, in words that are safe to show on a wall."""

__all__ = ["RefusedError", "error", "tame", "warning"]

from workshop_lib.data.auditing.findings import Finding
from workshop_lib.errors import WorkshopError


class RefusedError(WorkshopError):
    """A submission that cannot even be read; `finding` says why."""

    def __init__(self, kind: str, message: str) -> None:
        self.finding = error(kind, message)
        super().__init__(self.finding.message)


def error(kind: str, message: str) -> Finding:
    """Make a finding for which a submission is refused."""
    return Finding(kind, "error", tame(message))


def warning(kind: str, message: str) -> Finding:
    """Make a finding that a person should look into; the submission still counts."""
    return Finding(kind, "warning", tame(message))


def tame(text: str, most: int = 300) -> str:
    """Shorten a text, and replace what would steer a terminal or cannot be written.

    What is quoted from a submission may hold escape sequences, marks that turn the
    direction of writing, or half characters that no file can hold.

    >>> tame("Forest\\x1b[31m")
    'Forest?[31m'
    """
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= most else shown[: most - 3] + "..."
