"""Small pictures with captions for the pages, embedded so that no file is needed."""

__all__ = [
    "THUMBNAIL",
    "Picture",
    "confident_mistakes",
    "corrected_mistakes",
    "data_uri",
    "labeled_pictures",
    "thumbnail",
    "typical_successes",
]

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workshop_lib.plots.display import to_display
from workshop_lib.report.data import MethodResult, ReportData
from workshop_lib.report.tables import percent

_MOST = 18  # pictures in a gallery
_LABELED = 60  # labelled images shown
THUMBNAIL = 128  # pixels; larger images are scaled down: the page stays light
_TINY = 64  # up to here each pixel is shown as it is; a photo is smaller as JPEG


@dataclass(frozen=True)
class Picture:
    """One image: its address, its alt text, and the lines of its caption."""

    uri: str
    alt: str
    lines: Sequence[str]
    mark: str = ""  # "right", "wrong" or nothing


def data_uri(content: bytes, kind: str) -> str:
    """Encode an image file as an address, so that the page needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """Encode an image (H, W, 3) as an address, at most 128 pixels wide and high."""
    image, buffer = Image.fromarray(pixels), io.BytesIO()
    kind = "jpeg" if max(image.size) > _TINY else "png"
    image.thumbnail((THUMBNAIL, THUMBNAIL))  # never enlarges
    image.save(buffer, format=kind, **({"quality": 85} if kind == "jpeg" else {}))
    return data_uri(buffer.getvalue(), kind)


def labeled_pictures(data: ReportData) -> list[Picture]:
    """Show the labelled images, at most 60, in the order of the classes."""
    if data.kind != "categorical":
        return []
    labels = data.labels[data.split.labeled]
    order = labels.argsort(stable=True)[:_LABELED]
    names = [data.class_names[k] for k in labels[order].tolist()]
    images = data.scenes.images[data.split.labeled[order]].cpu()
    shown = to_display(images, data.scenes.bands)
    return [
        Picture(thumbnail(pixels), f"Labelled image: {name}", [_breakable(name)])
        for pixels, name in zip(shown, names, strict=True)
    ]


def corrected_mistakes(data: ReportData) -> list[Picture]:
    """Show images that the baseline gets wrong and the main method right.

    Those come first where the baseline was most confident: the change is largest.
    """
    baseline = data.baseline
    if baseline is None:
        return []
    corrected = (data.right(data.main) & ~data.right(baseline)).numpy()
    confidence = baseline.evaluation.probs.max(dim=1).values.cpu().numpy()  # (N,)
    return _pictures(data, _by_confidence(corrected, confidence), before=baseline)


def typical_successes(data: ReportData) -> list[Picture]:
    """Show for each class the correct image of median confidence."""
    right = data.right(data.main).numpy()
    labels = data.labels[data.split.test].numpy()
    confidence = data.main.evaluation.probs.max(dim=1).values.cpu().numpy()
    chosen = []
    for k in range(len(data.class_names)):
        found = _by_confidence(right & (labels == k), confidence)
        chosen += found[(len(found) - 1) // 2 :][:1].tolist()
    return _pictures(data, np.array(chosen, dtype=np.int64))


def confident_mistakes(data: ReportData) -> list[Picture]:
    """Show the main method's mistakes, the most confident first."""
    wrong = (~data.right(data.main)).numpy()
    confidence = data.main.evaluation.probs.max(dim=1).values.cpu().numpy()
    return _pictures(data, _by_confidence(wrong, confidence))


def _by_confidence(
    chosen: NDArray[np.bool_], confidence: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return the indices of the chosen images, the most confident first."""
    index = np.flatnonzero(chosen)
    return index[np.argsort(-confidence[index], kind="stable")]


def _pictures(
    data: ReportData, index: NDArray[np.int64], before: MethodResult | None = None
) -> list[Picture]:
    """Show test images with their predictions, and those of `before`."""
    index = index[:_MOST]
    if len(index) == 0:
        return []
    pictures = []
    rows = data.split.test[index]
    shown = to_display(data.scenes.images[rows].cpu(), data.scenes.bands)
    right = data.right(data.main)
    for i, row, pixels in zip(index.tolist(), rows.tolist(), shown, strict=True):
        true = data.class_names[int(data.labels[row])]
        said = _said(data, data.main, i)
        lines = [f"true {true}", f"predicted {said}"]
        if right[i]:
            lines = [f"\N{CHECK MARK} {said}"]
        alt = f"Test image: true {true}, predicted {said}"
        if before is not None:
            lines.append(f"baseline: {_said(data, before, i)}")
            alt += f", {lines[-1]}"
        mark = "right" if right[i] else "wrong"
        lines = [_breakable(line) for line in lines]
        pictures.append(Picture(thumbnail(pixels), alt, lines, mark))
    return pictures


def _said(data: ReportData, result: MethodResult, i: int) -> str:
    confidence, predicted = result.evaluation.probs[i].max(dim=0)
    return f"{data.class_names[int(predicted)]}, {percent(float(confidence), 0)}"


def _breakable(text: str) -> str:
    """Let long names break at their parts: HerbaceousVegetation, storage_tank."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[_/-])", "\N{ZERO WIDTH SPACE}", text)
