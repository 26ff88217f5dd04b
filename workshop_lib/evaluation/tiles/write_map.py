"""The finished map as a file: a GeoTIFF that lies where the image lies, or a .npy."""

__all__ = ["check_ending", "write_map"]

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop_lib.data.images.raster import without_place_warnings
from workshop_lib.data.tiles.reader import LargeImage
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_or_explain
from workshop_lib.pixels import IGNORE

_ROWS = 512  # at a time: the map may be larger than memory


def check_ending(out: Path) -> None:
    """Refuse a name that cannot be written to, before hours of work.

    Raises:
        WorkshopError: it ends neither in .tif nor in .npy, or rasterio is missing.
    """
    kind = out.suffix.lower()
    if kind not in (".tif", ".npy"):
        raise WorkshopError(f"a map {out}: its name must end in .tif or .npy.")
    if kind == ".tif":
        _rasterio()


def write_map(
    raw: Path, image: LargeImage, out: Path, class_names: Sequence[str]
) -> None:
    """Write the rows of a map as one file, in one piece.

    A .tif has the georeference of the image, 255 for no data and the names of the
    classes in its tags.

    Args:
        raw: the map's bytes, row by row.
        image: that was mapped.
        out: .tif or .npy.
        class_names: K names.

    Raises:
        WorkshopError: no space or no permission.
    """
    _, H, W = image.shape
    if out.suffix.lower() == ".npy":
        write_or_explain(out, lambda part: _write_npy(raw, H, W, part))
        return
    rasterio = _rasterio()
    about = {
        "driver": "GTiff", "count": 1, "height": H, "width": W, "dtype": "uint8",
        "nodata": IGNORE, "compress": "deflate", "BIGTIFF": "IF_SAFER",
        "crs": getattr(image, "crs", None),
        "transform": getattr(image, "transform", None),
    }  # fmt: skip

    def write(part: Path) -> None:
        with without_place_warnings(), rasterio.open(part, "w", **about) as file:
            file.update_tags(**{f"class_{k}": v for k, v in enumerate(class_names)})
            for row, rows in _pieces(raw, H, W):
                file.write(rows, 1, window=((row, row + len(rows)), (0, W)))

    write_or_explain(out, write)


def _write_npy(raw: Path, height: int, width: int, part: Path) -> None:
    with part.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (height, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for _, rows in _pieces(raw, height, width):
            file.write(rows.tobytes())


def _pieces(
    raw: Path, height: int, width: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    with raw.open("rb") as file:
        for row in range(0, height, _ROWS):
            count = min(_ROWS, height - row)
            values = np.frombuffer(file.read(count * width), dtype=np.uint8)
            yield row, values.reshape(count, width)


def _rasterio() -> Any:
    try:
        import rasterio
    except ImportError as error:
        raise WorkshopError(
            "a .tif is written with rasterio, which is not installed: pip install"
            " 'workshop_lib[geo]', or give the map a name that ends in .npy."
        ) from error
    return rasterio
