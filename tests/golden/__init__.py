"""Outputs of independent implementations, with which ours are compared."""

from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent


def golden(name: str) -> dict[str, Any]:
    """Read the arrays of a file by its name without the ending."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)
