"""The scores of a segmentation run on the test tiles, computed once."""

__all__ = [
    "BORDER_ERRORS",
    "SegmentationEvaluation",
    "border_errors",
    "boundary_mask",
    "evaluate_segmentation",
    "predict_maps",
    "segmentation_summary",
]

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import Scores, plain, scores_from_confusion
from workshop_lib.files import read_json, write_text
from workshop_lib.models.predict import predict
from workshop_lib.pixels import IGNORE, pixel_confusion
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run, run_identity, what_differs

_TILES = 256  # whose probabilities are in memory at the same time
BORDER_ERRORS = ("right", "wrong beside a border", "wrong inside")


@dataclass(frozen=True)
class SegmentationEvaluation:
    """Test scores of a segmentation run, and its maps.

    `scores` counts pixels: `scores.mean_iou`, `scores.accuracy` (overall accuracy),
    `scores.kappa`, `scores.f1`, `scores.support` (pixels per class), `scores.recall`
    (accuracy per class), `scores.confusion`. They belong to the averaged weights that
    were best on validation. `beside_borders` and `inside` are the accuracy of pixels
    whose neighbour is of another class, and of all others.
    """

    scores: Scores
    maps: Tensor  # (number of test tiles, H, W) uint8, predicted classes
    beside_borders: float
    inside: float

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`: plain numbers and lists."""
        return {
            "task": "segment",
            "weights": "best by validation, averaged",
            "scores": self.scores.to_dict(),
            "accuracy_beside_borders": plain(self.beside_borders),
            "accuracy_inside": plain(self.inside),
        }


def evaluate_segmentation(
    run: Run, scenes: Scenes, split: Split
) -> SegmentationEvaluation:
    """Score a run on the test tiles, and write the scores to its folder.

    `evaluation.json` is written once; a later call checks that nothing has changed.

    Raises:
        WorkshopError: a run that classifies images; other images, masks or another
            split than it was trained on; scores that differ from those written.
    """
    masks = _check(run, scenes, split)
    K = len(scenes.mask_names)
    model, normalize = run.load_model()
    found, counts = [], torch.zeros(K, K, dtype=torch.int64)
    at_border, within = torch.zeros(2, 2, dtype=torch.float64)  # of each: right, all
    for index, maps in _maps(model, normalize, scenes.images, split.test):
        truth = masks[index]
        counts += pixel_confusion(truth, maps, K)
        errors, known = border_errors(truth, maps), truth != IGNORE
        beside = boundary_mask(truth) & known
        for sums, where in ((at_border, beside), (within, known & ~beside)):
            sums += torch.stack([(errors[where] == 0).sum(), where.sum()])
        found.append(maps)
    scores = scores_from_confusion(counts.numpy(), scenes.mask_names)
    shares = [float(right / known) for right, known in (at_border, within)]
    result = SegmentationEvaluation(scores, torch.cat(found), *shares)
    _write(run, result)
    return result


def predict_maps(
    model: nn.Module, normalize: nn.Module, images: Tensor, index: Tensor | None = None
) -> Tensor:
    """Return the most probable class of each pixel, a few tiles at a time.

    Shape: (N, C, H, W), index (n,) or None -> (n, H, W) uint8 on the CPU.
    """
    rows = torch.arange(len(images)) if index is None else index
    return torch.cat([maps for _, maps in _maps(model, normalize, images, rows)])


def _maps(
    model: nn.Module, normalize: nn.Module, images: Tensor, index: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    model = model.to(pick_device())
    for some in index.split(_TILES):
        probs = predict(model, normalize, images, index=some)  # (n, K, H, W)
        yield some, probs.argmax(dim=1).to(torch.uint8)


def boundary_mask(masks: Tensor) -> Tensor:
    """Mark the pixels that have a neighbour (of eight) of another known class.

    Shape: (n, H, W) -> (n, H, W) bool.
    """
    values = masks[:, None].float()
    known = masks[:, None] != IGNORE
    # The largest and smallest class within one pixel; unknown ones do not count
    high = F.max_pool2d(values.masked_fill(~known, -1), 3, 1, 1)
    low = -F.max_pool2d((-values).masked_fill(~known, -IGNORE), 3, 1, 1)
    return ((high > low) & known)[:, 0]


def border_errors(truth: Tensor, predicted: Tensor) -> Tensor:
    """Sort pixels into `BORDER_ERRORS`: 0, 1, 2; `IGNORE` where the truth is unknown.

    A wrong border is half a pixel of mixed ground, a wrong inside is a field taken for
    another: the more frequent of the two shows what to work on.

    Shape: (n, H, W) twice -> (n, H, W) uint8.
    """
    wrong = truth != predicted
    kinds = torch.where(boundary_mask(truth), 1, 2) * wrong
    return kinds.masked_fill(truth == IGNORE, IGNORE).to(torch.uint8)


def segmentation_summary(result: SegmentationEvaluation) -> str:
    """Format the scores as text: a few lines overall, then a line per class."""
    s = result.scores
    lines = [
        f"mean IoU {s.mean_iou:.3f}, overall accuracy {s.accuracy:.3f}, kappa"
        f" {s.kappa:.3f}, F1 {s.macro_f1:.3f}; beside borders"
        f" {result.beside_borders:.3f} of the pixels are right, inside"
        f" {result.inside:.3f}",
        f"{'class':16s} {'pixels':>10s} {'accuracy':>8s} {'F1':>6s} {'IoU':>6s}",
    ]
    for name, pixels, *three in zip(
        s.class_names, s.support, s.recall, s.f1, s.iou, strict=True
    ):
        recall, f1, iou = three
        lines.append(f"{name:16s} {pixels:10d} {recall:8.3f} {f1:6.3f} {iou:6.3f}")
    return "\n".join(lines)


def _check(run: Run, scenes: Scenes, split: Split) -> Tensor:
    """Return the masks, after checking that the run was trained on these tiles."""
    run.check_task("segment", "score it with `evaluate`")
    trained, given = tuple(run.facts["class_names"]), scenes.mask_names
    if scenes.masks is None or trained != given:
        raise WorkshopError(
            f"{run.folder} was trained on masks of {trained}, these scenes have"
            f" {given or 'none'}: give the data that the run was trained on."
        )
    if tuple(run.facts["bands"]) != scenes.bands:
        raise WorkshopError(
            f"{run.folder} was trained with bands {tuple(run.facts['bands'])}, these"
            f" images have {scenes.bands}: give the data that it was trained on."
        )
    then = read_json(run.folder / "identity.json")
    other = what_differs(then, run_identity(scenes, split, "segment"))
    if other:
        raise WorkshopError(
            f"{run.folder} was trained on {other}: what is test here may have been"
            " training there. Give its own data, and the split saved in its folder."
        )
    return scenes.masks


def _write(run: Run, result: SegmentationEvaluation) -> None:
    """Write the file if it is missing; an existing one must agree."""
    path = run.folder / "evaluation.json"
    if not path.exists():
        write_text(path, json.dumps(result.to_dict(), indent=1))
        return
    before = read_json(path).get("scores", {}).get("mean_iou")
    now = result.scores.mean_iou
    if before is None or abs(before - now) > 0.005:
        raise WorkshopError(
            f"{path} says mean IoU {before}, now it is {now:.4f}: the images or the"
            " checkpoint have changed since. Train again in a new folder."
        )
