"""A land-cover map of an image of any size, which a killed program goes on with."""

__all__ = ["map_image"]

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.fetch.space import need_space
from workshop_lib.data.tiles.reader import LargeImage, open_image
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.tiles.blend import Predict, Strip, blended_strips
from workshop_lib.evaluation.tiles.pixels import network_digest, pixel_predictor
from workshop_lib.evaluation.tiles.write_map import check_ending, write_map
from workshop_lib.files import read_json, write_or_explain, write_text
from workshop_lib.pixels import IGNORE
from workshop_lib.session import pick_device

RAW = "map.raw"  # the rows that are done, one byte per pixel


def map_image(
    model: nn.Module,
    normalize: Normalize,
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

    Overlapping patches are blended (`blended_strips`), so there are no seams, and no
    more than a strip of the image is in memory. Finished strips lie in `OUT.part` until
    the map is whole: the same call goes on where an earlier one was stopped or killed,
    and the map is the same to the last byte. A finished map is found again.

    Args:
        model: maps (B, C, h, w) to logits (B, K, h, w), or an `Output` with them.
        normalize: as fitted on the training images.
        source: the image; see `open_image`.
        out: a .tif (which lies where the image lies, if that is known) or a .npy,
            (H, W) uint8. What it is of is written in `OUT.json`.
        class_names: K names, in the order of the logits.
        size, overlap_factor, margin: of the patches; see `blended_strips`.
        fresh: start anew and overwrite what is there.
        verbose: False shows no bar.
        device: default the GPU if there is one, else the CPU.

    Returns:
        The path of the map.

    Raises:
        WorkshopError: the place holds a map of something else, or another file; the
            network does not fit image or class names; nothing can be written.
    """
    out, image = Path(out), open_image(source)
    check_ending(out)
    work, about = out.with_name(out.name + ".part"), out.with_name(out.name + ".json")
    patches: dict[str, Any] = {
        "size": size,
        "overlap_factor": overlap_factor,
        "margin": margin,
    }
    facts = {
        "network": network_digest(model, normalize),
        "image": _digest(image),
        "shape": list(image.shape),
        "class_names": list(class_names),
        **patches,
    }
    state = _begun(out, work, about, facts, fresh)
    if state is None:
        if verbose:
            print(f"found a finished map in {out}")
        return out
    _, H, W = image.shape
    if state["done"] < H:
        need_space(work, (H - state["done"]) * W, f"the map {out.name}")
        predict = pixel_predictor(model, normalize, device or pick_device())
        _fill(work, state, predict, image, patches, verbose)
    write_map(work / RAW, image, out, class_names)
    write_text(about, json.dumps(facts, indent=1))
    shutil.rmtree(work)
    return out


def _begun(
    out: Path, work: Path, about: Path, facts: dict[str, Any], fresh: bool
) -> dict[str, Any] | None:
    """Tell how many rows are done, of a map with these facts; None: it is finished.

    A map that is there is not touched before the new one is whole, not even by `fresh`.
    """
    raw, progress = work / RAW, work / "progress.json"
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
    elif out.exists() and not progress.exists():
        if not about.exists():
            raise WorkshopError(
                f"{out} exists and is no map that was made here: choose another name,"
                " or overwrite it with fresh=True (--fresh)."
            )
        _check_same(read_json(about), facts, out)
        return None
    state: dict[str, Any] = {"facts": facts, "done": 0}
    if progress.exists():
        state = read_json(progress)
        _check_same(state.get("facts", {}), facts, out)
    _, _, W = facts["shape"]
    if not raw.exists() or raw.stat().st_size < state["done"] * W:
        write_or_explain(raw, lambda part: part.write_bytes(b""))
        state["done"] = 0
    return state


def _fill(
    work: Path,
    state: dict[str, Any],
    predict: Predict,
    image: LargeImage,
    patches: dict[str, Any],
    verbose: bool,
) -> None:
    """Write the missing rows of the map, and after each strip how far it has come."""
    _, H, W = image.shape
    K = len(state["facts"]["class_names"])
    bar = tqdm(
        total=H, initial=state["done"], desc="mapping", unit=" rows",
        disable=None if verbose else True,
    )  # fmt: skip
    with closing(bar), (work / RAW).open("r+b") as file:
        strips = blended_strips(predict, image, from_row=state["done"], **patches)
        for strip in strips:
            classes = _classes(strip, K)  # (rows, W)
            file.seek(strip.row * W)
            file.write(classes.tobytes())
            file.flush()
            os.fsync(file.fileno())  # before it is called done
            state["done"] = strip.row + len(classes)
            write_text(work / "progress.json", json.dumps(state))
            bar.update(len(classes))


def _classes(strip: Strip, num_classes: int) -> NDArray[np.uint8]:
    if len(strip.probs) != num_classes:
        raise WorkshopError(
            f"the network tells {len(strip.probs)} classes apart, and there are"
            f" {num_classes} class names: give one per class."
        )
    if not np.isfinite(strip.probs).all():
        raise WorkshopError(
            f"NaN among the predictions from row {strip.row} on: the training diverged."
            " Lower the learning rate, or use precision='fp32'."
        )
    classes = strip.probs.argmax(axis=0).astype(np.uint8)
    classes[strip.missing] = IGNORE
    return classes


def _check_same(found: dict[str, Any], facts: dict[str, Any], out: Path) -> None:
    """Refuse to take the map of something else for this one."""
    names = {"network": "network or its weights", "shape": "size of the image"}
    changed = [names.get(k, k) for k in facts if found.get(k) != facts[k]]
    if changed:
        raise WorkshopError(
            f"{out} is, or was going to be, another map: what differs is"
            f" {', '.join(changed)}. Choose another name, or start anew with fresh=True"
            " (--fresh)."
        )


def _digest(image: LargeImage) -> str:
    """Hash some of the pixels, spread over the image: it takes no time."""
    _, H, W = image.shape
    h, w = min(16, H), min(16, W)
    digest = hashlib.sha256()
    for row in np.linspace(0, H - h, 8).astype(int).tolist():
        for col in np.linspace(0, W - w, 8).astype(int).tolist():
            digest.update(image.read(row, col, h, w).tobytes())
    return digest.hexdigest()
