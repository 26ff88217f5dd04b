"""Maps of class numbers as text, so that slides/data stays small and can be read."""

__all__ = ["maps_of", "text_of"]

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workshop_lib.pixels import IGNORE

_NONE = "."  # nobody knows


def text_of(maps: ArrayLike) -> list[str]:
    """Write maps (n, H, W) of the classes 0 to 9 as n texts, a line for each row.

    >>> text_of([[[0, 1], [255, 2]]])
    ['01/.2']
    """
    arrays = np.asarray(maps)
    return [
        "/".join("".join(_NONE if v == IGNORE else str(v) for v in row) for row in one)
        for one in arrays.tolist()
    ]


def maps_of(texts: list[str]) -> NDArray[Any]:
    """Read what `text_of` wrote: (n, H, W) uint8.

    >>> maps_of(["01/.2"]).tolist()
    [[[0, 1], [255, 2]]]
    """
    rows = [[list(row) for row in text.split("/")] for text in texts]
    found = np.array(rows)
    return np.where(found == _NONE, str(IGNORE), found).astype(np.uint8)
