"""A land-cover map of an image of any size, resumed where an earlier call stopped."""

__all__ = ["map_image"]

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from workshop_lib import files
from workshop_lib.augment.normalize import BandNormalize
from workshop_lib.data.read.large_image import ArrayImage, LargeImage, open_image
from workshop_lib.data.read.values import import_rasterio
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.tiling import RowBlock, blended_row_blocks, pixel_predictor
from workshop_lib.pixels import IGNORE
from workshop_lib.session import pick_device

ROWS = "rows.npy"  # the map so far, (H, W) uint8
PROGRESS = "progress.json"  # their number, and of which map they are
_ROWS = 512  # written to a .tif at a time: the map may be larger than memory


def map_image(
    model: nn.Module,
    normalize: nn.Module,
    source: "Path | str | NDArray[Any] | Tensor | LargeImage",
    out: Path | str,
    class_names: Sequence[str],
    *,
    size: int = 256,
    overlap_factor: float = 0.6,
    margin: int = 0,
    fresh: bool = False,
    verbose: bool = True,
    device: torch.device | None = None,
) -> Path:
    """Write the most probable class of every pixel, 255 where the image has no data.

    Overlapping patches are blended (`blended_row_blocks`), so there are no seams, and
    only one block of rows is in memory. Finished blocks are kept in `OUT.part` until
    the map is complete: the same call resumes where an earlier one was stopped or
    killed, and the map is the same to the last byte. A finished map is found again.

    Args:
        model: maps (B, C, h, w) to logits (B, K, h, w); see `single_sensor`.
        normalize: as fitted on the training images.
        source: the image; see `open_image`.
        out: a .tif (with the image's georeference, if it has one) or a .npy, (H, W)
            uint8. What was mapped, and how, is written to `OUT.json`.
        class_names: K names, in the order of the logits.
        size, overlap_factor, margin: of the patches; see `blended_row_blocks`.
        fresh: start again and replace a map that was made here.
        verbose: False shows no bar.
        device: default the GPU if there is one, else the CPU.

    Returns:
        The path of the map.

    Raises:
        WorkshopError: `out` is a map of something else, or another file; the network
            does not fit the image, its units or the class names; nothing can be
            written.
    """
    out, image = Path(out), open_image(source)
    some = _some_pixels(image)
    if isinstance(normalize, BandNormalize):
        normalize.check_units(torch.from_numpy(some))
    if out.suffix.lower() not in (".tif", ".npy"):
        raise WorkshopError(f"a map {out}: its name must end in .tif or .npy.")
    if out.suffix.lower() == ".tif":
        import_rasterio()  # before hours of work
    work, about = out.with_name(out.name + ".part"), out.with_name(out.name + ".json")
    patches = dict[str, Any](size=size, overlap_factor=overlap_factor, margin=margin)
    facts = {
        "network": _network_digest(model, normalize),
        "image": hashlib.sha256(some.tobytes()).hexdigest(),
        "shape": list(image.shape),
        "class_names": list(class_names),
        **patches,
    }
    read = getattr(image, "path", None)
    files.check_output(out, inputs=[Path(read)] if read else [], overwrite=True)
    files.check_output(about, '"network"')
    if out.exists() and not about.exists() and not (work / PROGRESS).exists():
        raise WorkshopError(
            f"{out} exists and is no map that was made here: choose another name."
        )
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
    elif out.exists() and not (work / PROGRESS).exists():
        _check_same(about, facts, out)
        if verbose:
            print(f"found a finished map in {out}")
        return out
    done, (_, H, W) = _rows_done(out, work, facts), image.shape
    if done < H:
        files.require_disk_space(work, (H - done) * W, f"the map {out.name}")
        predict = pixel_predictor(model, normalize, device or pick_device())
        blocks = blended_row_blocks(predict, image, from_row=done, **patches)
        off = None if verbose else True  # None: also off a terminal
        bar = tqdm(total=H, initial=done, desc="mapping", unit=" rows", disable=off)
        with bar:
            for block in blocks:
                bar.update(_write_rows(work, block, facts))
    _write_map(work / ROWS, image, out, class_names)
    files.write_text(about, json.dumps(facts, indent=1))
    shutil.rmtree(work)
    return out


def _rows_done(out: Path, work: Path, facts: dict[str, Any]) -> int:
    """Return how many rows an earlier call finished; make an empty map if none."""
    rows, (_, H, W) = work / ROWS, facts["shape"]
    if (work / PROGRESS).exists():
        done = _check_same(work / PROGRESS, facts, out)["done"]
        if rows.exists() and rows.stat().st_size > H * W:  # with a header before them
            return int(done)
    (work / PROGRESS).unlink(missing_ok=True)  # it is about rows that are gone
    files.write_or_explain(rows, lambda part: open_memmap(part, "w+", np.uint8, (H, W)))
    return 0


def _write_rows(work: Path, block: RowBlock, facts: dict[str, Any]) -> int:
    """Write some rows of the map, then the progress; return how many rows they are."""
    classes = _classes(block, len(facts["class_names"]))  # (rows, W)
    end = block.row + len(classes)
    rows = open_memmap(work / ROWS, "r+")  # anew: what is mapped fills memory
    rows[block.row : end] = classes
    rows.flush()  # before it is called done
    files.write_text(work / PROGRESS, json.dumps(facts | {"done": end}))
    return len(classes)


def _classes(block: RowBlock, num_classes: int) -> NDArray[np.uint8]:
    if len(block.probs) != num_classes:
        raise WorkshopError(
            f"the network distinguishes {len(block.probs)} classes, and there are"
            f" {num_classes} class names: give one per class."
        )
    if not np.isfinite(block.probs).all():
        raise WorkshopError(
            f"NaN among the predictions from row {block.row} on: the training diverged."
            " Lower the learning rate, or use precision='fp32'."
        )
    classes = block.probs.argmax(axis=0).astype(np.uint8)
    classes[block.missing] = IGNORE
    return classes


def _check_same(about: Path, facts: dict[str, Any], out: Path) -> dict[str, Any]:
    """Read what map is there, or begun; refuse another."""
    names = {"network": "network or its weights", "shape": "size of the image"}
    found = files.read_json(about)
    changed = [names.get(k, k) for k in facts if found.get(k) != facts[k]]
    if changed:
        raise WorkshopError(
            f"{out} is, or was going to be, another map: what differs is"
            f" {', '.join(changed)}. Choose another name, or start again with"
            " fresh=True (--fresh)."
        )
    return found


def _network_digest(model: nn.Module, normalize: nn.Module) -> str:
    """Hash layers and weights: the same network gives the same digest."""
    digest = hashlib.sha256(repr(model).encode())
    for module in (model, normalize):
        for name, values in module.state_dict().items():
            digest.update(name.encode())
            digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _some_pixels(image: LargeImage) -> NDArray[Any]:
    """Read windows that are spread over the image, (64, C, h, w): all takes long."""
    _, H, W = image.shape
    h, w = min(16, H), min(16, W)
    rows, cols = (np.linspace(0, n, 8).astype(int).tolist() for n in (H - h, W - w))
    some = [image.read(row, col, h, w) for row in rows for col in cols]
    return np.stack([np.ma.filled(pixels, 0) for pixels in some])


def _write_map(
    rows: Path, image: LargeImage, out: Path, class_names: Sequence[str]
) -> None:
    """Write the finished rows as one file, some rows at a time, in one piece.

    A .tif has the image's georeference, and the class names in its tags.
    """
    _, H, W = image.shape

    def write_tif(part: Path) -> None:
        about = {
            "driver": "GTiff", "count": 1, "height": H, "width": W, "dtype": "uint8",
            "nodata": IGNORE, "compress": "deflate", "BIGTIFF": "IF_SAFER",
            **getattr(image, "place", {}),
        }  # fmt: skip
        finished = ArrayImage(open_memmap(rows, "r"))
        rasterio = import_rasterio()
        with rasterio.open(part, "w", **about) as file:
            file.update_tags(**{f"class_{k}": v for k, v in enumerate(class_names)})
            for row in range(0, H, _ROWS):
                values = finished.read(row, 0, min(_ROWS, H - row), W)[0]
                file.write(values, 1, window=((row, row + len(values)), (0, W)))

    if out.suffix.lower() == ".tif":
        files.write_or_explain(out, write_tif)
    else:
        files.write_or_explain(out, lambda part: shutil.copyfile(rows, part))
