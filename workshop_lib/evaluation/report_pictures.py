"""Which test images the report shows, each as a small picture with its caption."""

__all__ = ["Gallery", "Picture", "data_uri", "galleries", "labeled_gallery"]

import base64
import io
import re
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from workshop_lib.evaluation.report_data import MethodResult, ReportData
from workshop_lib.evaluation.report_tables import per_cent
from workshop_lib.plots.display import to_display

_MOST = 18  # pictures in a gallery
_SIDE = 128  # larger images are made smaller: the page stays light
_TINY = 64  # up to here each pixel is shown as it is; a photo takes less as JPEG


@dataclass(frozen=True)
class Picture:
    """One image: its address, what it shows in words, and the lines below it."""

    uri: str
    alt: str
    lines: list[str]
    mark: str = ""  # "right", "wrong" or nothing


@dataclass(frozen=True)
class Gallery:
    """A heading, a sentence how to read it, and pictures."""

    title: str
    text: str
    pictures: list[Picture]


def data_uri(content: bytes, kind: str) -> str:
    """Put a file into an address, so that the page needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def galleries(data: ReportData) -> list[Gallery]:
    """Choose what to show: mended by the method, right, and most surely wrong."""
    main, baseline = data.main, data.baseline
    found = []
    if baseline is not None and baseline is not main:
        found.append(_mended(data, main, baseline))
    confidence, predicted = main.probs.max(dim=1)  # (N,), (N,)
    right = predicted == data.test_labels
    total = len(right)
    found.append(
        Gallery(
            f"Right: {main.title}",
            f"{int(right.sum()):,} of {total:,} test images are right. Shown is, of"
            " each class, the one of middling confidence: neither easy nor lucky.",
            _pictures(data, main, _typical(data, right, confidence)),
        )
    )
    wrong = (~right).nonzero().flatten()
    order = confidence[wrong].argsort(descending=True, stable=True)
    found.append(
        Gallery(
            f"Wrong, and sure of it: {main.title}",
            f"{len(wrong):,} of {total:,} test images are wrong. Shown are those with"
            " the highest confidence. Would you have known? Is the label right?",
            _pictures(data, main, wrong[order][:_MOST]),
        )
    )
    return found


def labeled_gallery(data: ReportData) -> list[Picture]:
    """Show the labelled images themselves, in the order of the classes; 60 at most."""
    if data.labeled_images is None or data.labeled_labels is None:
        return []
    order = data.labeled_labels.argsort(stable=True)[:60]
    labels = data.labeled_labels[order].tolist()
    shown = to_display(data.labeled_images[order], data.bands)
    return [
        Picture(_small(pixels), f"Labelled image: {name}", [_breakable(name)])
        for pixels, name in zip(
            shown, (data.class_names[k] for k in labels), strict=True
        )
    ]


def _mended(data: ReportData, main: MethodResult, baseline: MethodResult) -> Gallery:
    now = main.probs.argmax(dim=1) == data.test_labels
    before = baseline.probs.argmax(dim=1) == data.test_labels
    mended, spoilt = now & ~before, before & ~now
    # Where the baseline was most sure of its mistake, the change is most striking
    indices = mended.nonzero().flatten()
    order = (
        baseline.probs.max(dim=1).values[indices].argsort(descending=True, stable=True)
    )
    return Gallery(
        f"Mended: wrong with “{baseline.title}”, right with {main.title}",
        f"{int(mended.sum())} test images that were wrong are now right;"
        f" {int(spoilt.sum())} that were right are now wrong.",
        _pictures(data, main, indices[order][:_MOST], before=baseline),
    )


def _typical(data: ReportData, right: Tensor, confidence: Tensor) -> Tensor:
    """Return for each class the right image of median confidence."""
    chosen = []
    for k in range(len(data.class_names)):
        indices = (right & (data.test_labels == k)).nonzero().flatten()
        if len(indices):
            order = confidence[indices].argsort(stable=True)
            chosen.append(int(indices[order[len(order) // 2]]))
    return torch.tensor(chosen[:_MOST], dtype=torch.int64)


def _pictures(
    data: ReportData,
    main: MethodResult,
    indices: Tensor,
    before: MethodResult | None = None,
) -> list[Picture]:
    """Draw the chosen test images; with `before`, tell what that method had said."""
    if len(indices) == 0:
        return []
    shown = to_display(data.test_images[indices], data.bands)
    pictures = []
    for i, pixels in zip(indices.tolist(), shown, strict=True):
        true = data.class_names[int(data.test_labels[i])]
        said = _said(data, main, i)
        right = int(main.probs[i].argmax()) == int(data.test_labels[i])
        lines = (
            [f"\N{CHECK MARK} {said}"]
            if right
            else [f"true {true}", f"predicted {said}"]
        )
        alt = f"Test image: true {true}, predicted {said}"
        if before is not None:
            lines.append(f"baseline: {_said(data, before, i)}")
            alt += f", {lines[-1]}"
        lines = [_breakable(line) for line in lines]
        pictures.append(
            Picture(_small(pixels), alt, lines, "right" if right else "wrong")
        )
    return pictures


def _said(data: ReportData, result: MethodResult, i: int) -> str:
    confidence, predicted = result.probs[i].max(dim=0)
    return f"{data.class_names[int(predicted)]}, {per_cent(float(confidence), 0)}"


def _breakable(text: str) -> str:
    """Let long names break where a reader would: HerbaceousVegetation, storage_tank."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[_/-])", "\N{ZERO WIDTH SPACE}", text)


def _small(pixels: NDArray[np.uint8]) -> str:
    image = Image.fromarray(pixels)
    photo = max(image.size) > _TINY
    image.thumbnail((_SIDE, _SIDE))  # only ever makes smaller
    buffer = io.BytesIO()
    if photo:
        image.save(buffer, format="jpeg", quality=85)
    else:
        image.save(buffer, format="png")
    return data_uri(buffer.getvalue(), "jpeg" if photo else "png")
