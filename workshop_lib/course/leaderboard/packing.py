"""From the folder of a run to the one small file that a group hands in."""

__all__ = ["submit"]

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from workshop_lib import __version__
from workshop_lib.course.leaderboard.submission import FORMAT, check_group
from workshop_lib.data.splits import PARTS
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.files import read_json, write_or_explain
from workshop_lib.training.run import Run


def submit(run: Run, group: str, to: Path | str) -> Path:
    """Pack predictions on the test images, recipe, log and split of a run into a zip.

    Nothing is computed, and no true class goes into the file: the judge has his own.
    The same run and group give the same file, byte for byte.

    Args:
        run: finished and evaluated.
        group: name to appear on the leaderboard.
        to: folder for the file; made if need be.

    Returns:
        The path of the file, GROUP-HASH.zip.

    Raises:
        WorkshopError: a name that cannot be shown; the run is not evaluated, or its
            split is damaged; the file cannot be written.
    """
    group = check_group(group)
    path = run.folder / "predictions.npz"
    if not path.exists():
        raise WorkshopError(
            f"{run.folder} has no predictions.npz yet: `workshop evaluate {run.folder}`"
            " makes it."
        )
    said = {
        "format": FORMAT,
        "group": group,
        "split": _split(run.folder),
        "run": {**run.facts, "workshop_lib": __version__},
    }
    files = {
        "submission.json": json.dumps(said, indent=1).encode(),
        "recipe.json": run.recipe.to_json().encode(),
        "log.csv": (run.folder / "log.csv").read_bytes(),
        "predictions.npz": _without_truth(Predictions.load(path)),
    }
    content = _zipped(files)
    slug = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-") or "group"
    file = f"{slug}-{hashlib.sha256(content).hexdigest()[:8]}.zip"
    target = Path(to) / file
    write_or_explain(target, lambda temporary: temporary.write_bytes(content))
    return target


def _split(folder: Path) -> dict[str, Any]:
    """List the names of each part, without labels, and the hash of the split."""
    parts: dict[str, Any] = {}
    for part in PARTS:
        path = folder / "split" / f"{part}.txt"
        try:  # each line is "name label"
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        except (OSError, UnicodeDecodeError) as error:
            raise WorkshopError(
                f"cannot read {path}: {error}. Restore this file, or train anew."
            ) from error
        parts[part] = [line.rpartition(" ")[0] for line in lines]
    return {"sha256": read_json(folder / "identity.json").get("split"), **parts}


def _without_truth(found: Predictions) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array(found.names, dtype=np.str_),
        probs=found.probs.cpu().numpy(),
        class_names=np.array(found.class_names, dtype=np.str_),
    )
    return buffer.getvalue()


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
