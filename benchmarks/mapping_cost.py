"""What does a map cost: a window slid over the image, or one pass over all pixels?

    python -m benchmarks.mapping_cost        a minute on one CPU core

Seconds of processor time for the same image, side by side. The same classifier is slid
with ever smaller strides, then applied as a fully convolutional network: its own
convolutions over the whole image at once, the pooling as a moving mean, the linear
layer at every position. Its answers lie on the grid of stride 8, because the network
halves the image three times. Then come networks that answer for every pixel.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.page import run_command
from benchmarks.timing import timed
from workshop_lib.augment import BandNormalize
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.evaluation.tiling import (
    Predict,
    blended_row_blocks,
    pixel_predictor,
    sliding_window_classify,
)
from workshop_lib.models import HeadSpec, Model, build_model
from workshop_lib.models.class_heads import Categorical
from workshop_lib.models.heads import Head
from workshop_lib.models.networks import SingleSensor

BANDS, CLASSES, WINDOW = 4, 10, 32
STRIDES = (32, 16, 8, 4)
DENSE_STRIDE = 8  # three halvings of the small CNN
CPU = torch.device("cpu")


class FullyConvolutional(nn.Module):
    """A scene classifier's own layers, applied to a whole image at once.

    Shape: (B, C, H, W) -> (B, K, h, w), one answer for each window of `WINDOW` pixels.
    """

    def __init__(self, classifier: Model) -> None:
        super().__init__()
        self.backbone = classifier.encoder.backbone
        head = cast(Categorical, classifier.heads["scene"])
        self.score = cast(nn.Linear, head.score[0])

    def forward(self, x: Tensor) -> Tensor:
        """Score every window."""
        maps = self.backbone(x)[-1]  # (B, D, H/8, W/8)
        features = F.avg_pool2d(maps, WINDOW // DENSE_STRIDE, stride=1)
        weight, bias = self.score.weight, self.score.bias
        return F.conv2d(features, weight[:, :, None, None], bias)


def network(encoder: str, head: str, kind: Literal["categorical", "dense"]) -> Model:
    """Build a network with random weights for the images of one sensor."""
    spec = HeadSpec(kind, CLASSES)
    return build_model(encoder, {"s2": BANDS}, {head: spec}).eval()


def plain(model: Model, head: str) -> SingleSensor:
    """Return a network as tiling takes it: images in, scores out."""
    return SingleSensor(model.encoder, cast(Head, model.heads[head]), "s2")


def measure(side: int, repeats: int) -> pd.DataFrame:
    """Map one image in all ways; a row for each."""
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).random((BANDS, side, side), dtype=np.float32)
    normalize = BandNormalize(torch.full((BANDS,), 0.5), torch.full((BANDS,), 0.3))
    model = network("small_cnn", "scene", "categorical")
    classifier = plain(model, "scene")
    dense = pixel_predictor(FullyConvolutional(model), normalize, CPU)
    holes = np.zeros((1, side, side), dtype=bool)
    rows = []

    def add(name: str, answers: int, work: Callable[..., object], *given: Any) -> None:
        turn = timed(partial(work, *given), "processor")
        took = [turn() for _ in range(repeats)]
        rows.append({"way": name, "answers": answers, "s": min(took)})

    def slide(stride: int) -> object:
        return sliding_window_classify(
            classifier, normalize, pixels, window=WINDOW, stride=stride
        )

    def blend(predict: Predict) -> object:
        return list(blended_row_blocks(predict, ArrayImage(pixels), size=128))

    for stride in STRIDES:
        positions = ((side - WINDOW) // stride + 1) ** 2
        add(f"window slid by {stride} px", positions, slide, stride)
    positions = ((side - WINDOW) // DENSE_STRIDE + 1) ** 2
    whole = "the same network, fully convolutional"
    add(whole, positions, dense, pixels[None], holes)
    for name in ("unet-16", "fcn-resnet18"):
        maps = plain(network(name, "cover", "dense"), "cover")
        predict = pixel_predictor(maps, normalize, CPU)
        add(f"{name}, blended patches", side * side, blend, predict)
    table = pd.DataFrame(rows)
    table["s per Mpx"] = table["s"] / (side * side / 1e6)
    table["us per answer"] = 1e6 * table["s"] / table["answers"]
    table["times the dense one"] = table["s"] / float(table["s"][len(STRIDES)])
    return table


def main(side: int = 256, repeats: int = 3) -> None:
    """Measure, print.

    Args:
        side: of the image in pixels.
        repeats: of each way; the shortest counts.
    """
    print(measure(side, repeats).round(3).to_string(index=False))


if __name__ == "__main__":
    run_command(main, __doc__)
