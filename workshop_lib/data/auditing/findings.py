"""What an audit says: single findings, and all of them as a table."""

__all__ = ["Audit", "Finding", "held_apart"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Finding:
    """One fault: its kind, how bad it is, the story in words, and the images concerned.

    An "error" makes results wrong (a leak, a class that cannot be learned or measured);
    a "warning" makes them harder to read.
    """

    kind: str
    severity: Literal["error", "warning"]
    message: str
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """Everything found in a split, worst first; `print` shows it as a table."""

    findings: tuple[Finding, ...]
    counts: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may be there."""
        return all(finding.severity != "error" for finding in self.findings)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {n}" for name, n in self.counts.items())
        if not self.findings:
            return f"split ({parts}): nothing found"
        rows = [f"{f.severity:<9}{f.kind:<22}{f.message}" for f in self.findings]
        return "\n".join([f"split ({parts}), findings: {len(rows)}", *rows])


def held_apart(parts: Mapping[str, Tensor]) -> dict[int, set[str]]:
    """Tell for each image of a split which sides it is on: training, val, test."""
    sides: dict[int, set[str]] = {}
    for name, index in parts.items():
        side = "training" if name in ("labeled", "unlabeled") else name
        for i in index.tolist():
            sides.setdefault(i, set()).add(side)
    return sides
