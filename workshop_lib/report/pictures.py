"""The pictures of the pages: figures, and small images with captions.

All are embedded, so that a page needs no other file.
"""

__all__ = [
    "THUMBNAIL",
    "Picture",
    "bars",
    "confident_mistakes",
    "corrected_mistakes",
    "curves",
    "data_uri",
    "embedding_map",
    "holds",
    "labeled_pictures",
    "maps",
    "thumbnail",
    "typical_successes",
]

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.projection import embedding_maps
from workshop_lib.plots import AccessibleFigure, Bar
from workshop_lib.plots.display import to_display
from workshop_lib.report.data import DRAWN, MethodResult, ReportData
from workshop_lib.report.tables import percent

_MOST = 18  # pictures in a gallery
_LABELED = 60  # labelled images shown
_TILES = 4  # maps of test tiles shown
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


def bars(data: ReportData) -> AccessibleFigure | None:
    if data.metric == "r2":  # may be negative: no bar
        return None
    name = data.main.evaluation.measure
    title = f"Test images: {name}"
    if len(data.results) > 1:
        title = f"{data.main.labels:,} labels: what each step was worth"
    chance = 1 / len(data.class_names) if data.metric == "accuracy" else None
    figure = plots.baselines(gain_bars(data.results), title=title, chance=chance)
    dotted = "; dotted: guessing" if chance else ""
    figure.axes[0].set_xlabel(f"{name} on test images (%){dotted}")
    return figure


def gain_bars(results: Sequence[MethodResult]) -> list[Bar]:
    """Turn results into the bars of the comparison, each with the cause of its gain."""
    bars = []
    for r in results:
        worth = "what the unlabelled images were worth"
        if r.role == "ceiling":
            worth = "what all the other labels would add"
        elif r.role == "baseline":
            strong = r.config.method.labeled_view == "strong"
            worth = "what strong augmentation was worth" if strong else ""
        elif r.is_control:
            worth = "what the method makes of the labelled images alone"
        bars.append(Bar(r.title, r.value, f"{r.labels:,} labels", worth))
    return bars


def curves(data: ReportData) -> AccessibleFigure | None:
    column = f"val_{data.metric}"
    logs = {r.title: r.run.log for r in data.results if holds(r, column)}
    if not logs:
        return None
    title = f"Validation {data.main.evaluation.measure} while training"
    return plots.learning_curves(logs, column=column, title=title)


def holds(result: MethodResult, column: str) -> bool:
    """Return whether the log has a value in a column."""
    log = result.run.log
    return column in log and bool(log[column].notna().any())


def maps(data: ReportData) -> AccessibleFigure | None:
    """Draw a few test tiles: the picture, the truth, and each method's map."""
    masks = data.scenes.masks
    if data.kind != "dense" or masks is None:
        return None
    tiles = data.split.test[:_TILES]
    shown = {"truth": masks[tiles].cpu().numpy()}
    for r in (data.baseline, data.main):
        if r is not None:
            heading = r.title.replace(", ", ",\n").replace(" (", "\n(")
            shown[heading] = r.evaluation.predicted[:_TILES].cpu().numpy()
    return plots.mask_grid(
        shown, data.class_names, images=data.scenes.images[tiles].cpu(),
        bands=data.scenes.bands, title="The first test tiles",
    )  # fmt: skip


def embedding_map(main: MethodResult) -> AccessibleFigure | str:
    """Plot the embedded test images, or return why that is impossible."""
    if main.embedded is None:
        return ""
    found = main.embedded.test
    some = f"{min(len(found), DRAWN):,} test images"
    title = f"{some} in the features of {main.title}"
    try:
        return embedding_maps(found, title=title, most=DRAWN)[0]
    except WorkshopError as error:  # too few images, or a collapsed network
        return str(error)


def labeled_pictures(data: ReportData) -> list[Picture]:
    """Show the labelled images, at most 60, in the order of the classes."""
    if data.kind != "categorical":
        return []
    labels = data.labels[data.split.labeled]
    order = labels.argsort(stable=True)[:_LABELED]
    names = [data.class_names[k] for k in labels[order].tolist()]
    words = [(f"Labelled image: {name}", [name]) for name in names]
    return _shown(data, data.split.labeled[order], words)


def _shown(data: ReportData, rows: Tensor, words: Sequence[Any]) -> list[Picture]:
    """Show images of the data set, each with its alt text, caption and mark."""
    pictures = to_display(data.scenes.images[rows].cpu(), data.scenes.bands)
    return [Picture(thumbnail(p), *w) for p, w in zip(pictures, words, strict=True)]


def corrected_mistakes(data: ReportData) -> list[Picture]:
    """Show images that the baseline gets wrong and the main method right.

    Those come first where the baseline was most confident: the change is largest.
    """
    baseline = data.baseline
    if baseline is None:
        return []
    corrected = data.right(data.main) & ~data.right(baseline)
    return _pictures(data, _by_confidence(corrected, baseline), before=baseline)


def typical_successes(data: ReportData) -> list[Picture]:
    """Show for each class the correct image of median confidence."""
    right, labels = data.right(data.main), data.labels[data.split.test]
    chosen = []
    for k in range(len(data.class_names)):
        found = _by_confidence(right & (labels == k), data.main)
        chosen += found[(len(found) - 1) // 2 :][:1].tolist()
    return _pictures(data, np.array(chosen, dtype=np.int64))


def confident_mistakes(data: ReportData) -> list[Picture]:
    """Show the main method's mistakes, the most confident first."""
    return _pictures(data, _by_confidence(~data.right(data.main), data.main))


def _by_confidence(chosen: Tensor, result: MethodResult) -> NDArray[np.int64]:
    """Return the indices of the chosen images, the most confident first."""
    index = chosen.nonzero().flatten()
    confidence = result.evaluation.probs.amax(dim=1).cpu()[index]
    return index[confidence.argsort(descending=True, stable=True)].numpy()


def _pictures(
    data: ReportData, index: NDArray[np.int64], before: MethodResult | None = None
) -> list[Picture]:
    """Show test images with their predictions, and those of `before`."""
    index = index[:_MOST]
    rows, right, words = data.split.test[index], data.right(data.main), []
    for i, row in zip(index.tolist(), rows.tolist(), strict=True):
        true, said = data.class_names[int(data.labels[row])], _said(data, data.main, i)
        lines = [f"true {true}", f"predicted {said}"]
        if right[i]:
            lines = [f"\N{CHECK MARK} {said}"]
        alt = f"Test image: true {true}, predicted {said}"
        if before is not None:
            lines.append(f"baseline: {_said(data, before, i)}")
            alt += f", {lines[-1]}"
        words.append((alt, lines, "right" if right[i] else "wrong"))
    return _shown(data, rows, words) if words else []


def _said(data: ReportData, result: MethodResult, i: int) -> str:
    confidence, predicted = result.evaluation.probs[i].max(dim=0)
    return f"{data.class_names[int(predicted)]}, {percent(float(confidence), 0)}"
