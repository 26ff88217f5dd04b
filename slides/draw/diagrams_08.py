"""Diagrams of deck 08: a pair with a shortcut, three strides, a U, weights."""

__all__ = ["fcn", "shortcut", "unet", "weights"]

import numpy as np

from slides.draw.shape import key_below, reshape
from workshop_lib import plots
from workshop_lib.data.tiles import offsets, stride
from workshop_lib.evaluation.tiling import blend_window
from workshop_lib.plots import AccessibleFigure, Box


def shortcut() -> AccessibleFigure:
    """Draw two layers without and with a shortcut over them."""
    boxes = {}
    for kind, x in (("plain", 1.0), ("residual", 3.6)):
        end = "result" if kind == "plain" else "sum"
        boxes |= {
            f"{kind} input": Box("x", x, 4.0, 1.0, 0.5, "data"),
            f"{kind} first": Box("3 x 3", x, 3.0, 1.3, 0.6),
            f"{kind} second": Box("3 x 3", x, 2.0, 1.3, 0.6),
            f"{kind} {end}": Box(
                "F(x)" if kind == "plain" else "F(x) + x", x, 1.0, 1.6, 0.5, "answer"
            ),
            f"{kind} name": Box(kind, x, 4.7, 1.6, 0.5, "word"),
        }
    arrows: list[tuple[str, str] | tuple[str, str, float]] = [
        (f"{kind} {first}", f"{kind} {last}")
        for kind, end in (("plain", "result"), ("residual", "sum"))
        for first, last in (("input", "first"), ("first", "second"), ("second", end))
    ]
    arrows.append(("residual input", "residual sum", 0.85))
    boxes["way around"] = Box("as it is", 5.8, 2.5, 1.1, 0.5, "word")
    figure = plots.flow(boxes, arrows, title="Two layers, and a way around them")
    return reshape(figure, 5.2, 4.6, shown=480)


def fcn() -> AccessibleFigure:
    """Draw an FCN: maps of a ResNet at three strides, scored, enlarged and added."""
    boxes = {"image": Box("image\n256 x 256", 0.9, 3.2, 1.5, 0.8, "data")}
    arrows = []
    before = "image"
    for k, (factor, channels) in enumerate(((8, 512), (16, 1024), (32, 2048))):
        x, side = 3.2 + 2.5 * k, 256 // factor
        words = f"stride {factor}\n{side} x {side}"
        boxes[f"maps {factor}"] = Box(words, x, 3.2, 1.8, 0.8)
        boxes[f"head {factor}"] = Box(f"1 x 1: {channels} to 6", x, 2.0, 2.3, 0.55)
        boxes[f"large {factor}"] = Box("to 256 x 256", x, 1.1, 2.0, 0.5, "data")
        arrows += [
            (before, f"maps {factor}"), (f"maps {factor}", f"head {factor}"),
            (f"head {factor}", f"large {factor}"), (f"large {factor}", "sum"),
        ]  # fmt: skip
        before = f"maps {factor}"
    boxes["sum"] = Box("sum: 6 scores for each pixel", 5.7, 0.1, 4.2, 0.55, "answer")
    figure = plots.flow(boxes, arrows, title="Scores at three strides")
    return reshape(figure, 10.4, 4.6, shown=1080)


def unet() -> AccessibleFigure:
    """Draw a U-Net: down, up, and a bridge at every size."""
    boxes, arrows = {}, []
    sizes = ((32, 16), (16, 32), (8, 64))
    for k, (side, width) in enumerate(sizes):
        y, words = 3.4 - 1.25 * k, f"{side} x {side}\n{width} maps"
        if k < len(sizes) - 1:
            boxes[f"down {side}"] = Box(words, 2.6 + k, y, 1.5, 0.8)
            boxes[f"up {side}"] = Box(words, 7.2 - k, y, 1.5, 0.8)
            arrows.append((f"down {side}", f"up {side}"))
        else:
            boxes[f"down {side}"] = Box(words, 4.9, y, 1.5, 0.8)
    boxes["image"] = Box("image", 0.8, 3.4, 1.1, 0.6, "data")
    boxes["map"] = Box("scores of\neach pixel", 9.1, 3.4, 1.5, 0.8, "answer")
    boxes["bridge"] = Box("bridge", 4.9, 3.7, 1.2, 0.4, "word")
    boxes["other"] = Box("bridge", 4.9, 2.45, 1.2, 0.4, "word")
    ways = ("image", "down 32", "down 16", "down 8", "up 16", "up 32", "map")
    arrows += list(zip(ways, ways[1:], strict=False))
    figure = plots.flow(boxes, arrows, title="U-Net")
    return reshape(figure, 9.8, 4.2, shown=960)


def weights() -> AccessibleFigure:
    """Draw what each of a row of patches counts at each pixel."""
    length, size = 100, 40
    step = stride(size, 0.5)
    begins = offsets(length, size, step)
    counts = np.zeros((len(begins), length))
    for row, begin in zip(counts, begins, strict=True):
        ends = begin == 0, begin + size == length
        row[begin : begin + size] = blend_window(size, 0, *ends)
    shares = 100 * counts / counts.sum(axis=0)
    series = {
        f"patch {k + 1}": (np.arange(begin, begin + size), row[begin : begin + size])
        for k, (begin, row) in enumerate(zip(begins, shares, strict=True))
    }
    figure = plots.lines(
        series, title="Patches of 40 pixels, every 20", x_label="pixel of the image",
        y_label="counts (%)", y_limits=(0, 108),
    )  # fmt: skip
    for line in figure.axes[0].lines:
        line.set_markevery(6)
    return key_below(reshape(figure, 5.8, 4.8, shown=540), 2)
