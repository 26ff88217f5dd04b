"""Heads for classes: one of K per scene or per pixel, or any number of labels."""

__all__ = ["Categorical", "MultiLabel"]

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.data.tiles import class_weights
from workshop_lib.errors import WorkshopError
from workshop_lib.losses.memory import uniform
from workshop_lib.losses.pseudo_labels import at_least_fp32, segmentation_loss
from workshop_lib.models.heads import Features, Head
from workshop_lib.pixels import IGNORE, mean_iou, pixel_confusion

_NO_LOSS = -100  # what F.cross_entropy leaves out


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize maps bilinearly. Shape: (B, K, h, w) -> (B, K, H, W)."""
    if maps.shape[2:] == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


class Categorical(Head):
    """One of K classes: of the scene, or of each pixel.

    A dense head scores each level of the feature maps by a convolution of one pixel,
    enlarges the scores bilinearly to the size of the image and adds them (FCN, Long et
    al. 2015, arXiv:1411.4038); with one level at full size that is U-Net's last layer.

    Args:
        in_features: D, the length of the feature vector; of a dense head the channels
            of each level of maps, fine to coarse.
        num_classes: K.
        dense: whether to predict pixels.
        loss: on labelled pixels: "cross_entropy", "focal", "dice" or
            "cross_entropy+dice". Scenes always use the cross-entropy.
        class_weighting: of labelled pixels: 0 all pixels count alike, 1 all classes.
    """

    class_weights: Tensor

    def __init__(
        self,
        in_features: int | Sequence[int],
        num_classes: int,
        *,
        dense: bool = False,
        loss: str = "cross_entropy",
        class_weighting: float = 0.0,
    ) -> None:
        super().__init__()
        self.dense, self.num_classes = dense, num_classes
        self.class_weighting, self.class_shape = class_weighting, (num_classes,)
        self.best_by = "miou" if dense else "accuracy"
        self._labeled_loss = segmentation_loss(loss)
        widths = [in_features] if isinstance(in_features, int) else list(in_features)
        layer = partial(nn.Conv2d, kernel_size=1) if dense else nn.Linear
        self.score = nn.ModuleList(layer(D, num_classes) for D in widths)  # by level
        self.register_buffer("prior", uniform(self.class_shape))
        self.register_buffer("class_weights", torch.ones(num_classes))

    def forward(self, features: Features) -> Tensor:
        """Score the classes: (B, K), or (B, K, H, W) of a dense head."""
        if not self.dense:
            return self.score[0](features.vector)
        levels = [
            resize(score(maps), features.size)
            for score, maps in zip(self.score, features.maps or (), strict=True)
        ]
        return torch.stack(levels).sum(0) if len(levels) > 1 else levels[0]

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of hard (B, ...) or soft (B, K, ...) targets."""
        if not target.is_floating_point():
            target = target.long().masked_fill(~self.known(target), _NO_LOSS)
        return F.cross_entropy(
            at_least_fp32(out), target, ignore_index=_NO_LOSS, reduction="none"
        )

    def known(self, target: Tensor) -> Tensor:
        """Return where a class is known: not -1 of scenes, not 255 of pixels."""
        return target != IGNORE if self.dense else target >= 0

    def supervised_loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Average the labelled loss; of pixels the one chosen, weighted by class."""
        if not self.dense:
            return super().supervised_loss(out, target)
        return self._labeled_loss(out, target, self.class_weights)

    def distribution(self, out: Tensor) -> Tensor:
        """Return the softmax over classes, of the scores' shape."""
        return at_least_fp32(out).softmax(dim=1)

    def fit(self, targets: Tensor) -> None:
        """Set prior and weights of a dense head by the frequencies of labelled pixels.

        Scenes keep equal frequencies, as in ReMixMatch and FixMatch: the labelled
        images are drawn class by class, so their counts say nothing.

        Raises:
            WorkshopError: no known pixel in the labelled tiles.
        """
        if not self.dense:
            return
        known = targets[self.known(targets)].long()
        if not len(known):
            raise WorkshopError(
                f"the {len(targets)} labelled tiles have no pixel of a known class (all"
                f" {IGNORE}): draw other tiles with another split seed."
            )
        counts = known.bincount(minlength=self.num_classes)
        self.prior.copy_(counts / counts.sum())
        if self.class_weighting:
            weights = class_weights(counts.cpu().numpy(), self.class_weighting)
            self.class_weights.copy_(weights)

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count a confusion matrix (K, K), rows are the truth."""
        if self.num_classes > IGNORE:  # which then could not mean "unknown"
            raise WorkshopError(f"{self.num_classes} classes: at most {IGNORE}.")
        truth = target.long().masked_fill(~self.known(target), IGNORE)
        confusion = pixel_confusion(truth, out.argmax(1), self.num_classes)
        return {"confusion": confusion, **self._sums(out, target)}

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return accuracy, loss and macro F1 of scenes; mIoU of pixels."""
        counts = tally["confusion"].double()
        right = counts.diag()
        figures = {
            "accuracy": float(right.sum() / tally["known"]),
            "loss": float(tally["loss"] / tally["known"]),
        }
        if self.dense:
            return {**figures, "miou": mean_iou(counts)}
        f1 = 2 * right / (counts.sum(0) + counts.sum(1)).clamp_min(1)  # (K,)
        return {**figures, "f1": float(f1.mean())}


class MultiLabel(Head):
    """Any number of K labels per image; each is a question with two answers.

    Two thresholds decide what is confident, as absent labels are far more frequent than
    present ones: a label counts as absent below the first and as present above the
    second. That is not one threshold on max(p, 1 - p). A method with thresholds of its
    own (FlexMatch, FreeMatch, SoftMatch, AdaMatch) follows the two answers of each
    label.

    Args:
        in_features: D.
        num_classes: K.
        thresholds: (0.05, 0.7) in Bernhard et al. 2024, arXiv:2404.18583; None for the
            method's own threshold on max(p, 1 - p).
    """

    best_by = "f1_micro"

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        thresholds: tuple[float, float] | None = (0.05, 0.7),
    ) -> None:
        super().__init__()
        if thresholds is not None and not 0 <= thresholds[0] < thresholds[1] <= 1:
            raise WorkshopError(
                f"thresholds={thresholds}: give two probabilities, the lower one first."
            )
        self.num_classes, self.thresholds = num_classes, thresholds
        self.class_shape = (2, num_classes)
        self.score = nn.Linear(in_features, num_classes)
        self.register_buffer("prior", uniform(self.class_shape))

    def forward(self, features: Features) -> Tensor:
        """Score the labels: (B, K)."""
        return self.score(features.vector)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the binary cross-entropy of each label, (B, K)."""
        scores, known = at_least_fp32(out), self.known(target)
        target = target.where(known, 0).to(scores.dtype)
        loss = F.binary_cross_entropy_with_logits(scores, target, reduction="none")
        return loss * known

    def known(self, target: Tensor) -> Tensor:
        """Return where a label is known: not NaN, not -1."""
        return target >= 0

    def distribution(self, out: Tensor) -> Tensor:
        """Return the probabilities of absent and present, (B, 2, K)."""
        scores = at_least_fp32(out)
        return torch.stack([torch.zeros_like(scores), scores], 1).softmax(dim=1)

    def harden(self, probs: Tensor) -> tuple[Tensor, Tensor]:
        """Return 0 or 1 for each label, and the probability of that answer."""
        return (probs[:, 1] >= 0.5).to(probs.dtype), probs.amax(dim=1)

    def soft_target(self, probs: Tensor) -> Tensor:
        """Return the probability of each label, (B, K)."""
        return probs[:, 1]

    def confident(self, probs: Tensor, threshold: float) -> Tensor:
        """Return 1 for labels below the lower or above the upper threshold."""
        if self.thresholds is None:
            return super().confident(probs, threshold)
        low, high = self.thresholds
        return ((probs[:, 1] <= low) | (probs[:, 1] >= high)).to(probs.dtype)

    def fit(self, targets: Tensor) -> None:
        """Set the prior to how frequent each label is among the labelled images."""
        known = self.known(targets)
        present = targets.where(known, 0).sum(0)
        # One image of each answer added: a label never seen is rare, not impossible
        frequency = (present + 1) / (known.sum(0) + 2)  # (K,)
        self.prior.copy_(torch.stack([1 - frequency, frequency]))

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count hits, false alarms and misses of each label, (K,) each."""
        known = self.known(target)
        present, found = (target > 0.5) & known, (out >= 0) & known
        return {
            "hits": (present & found).sum(0),
            "false_alarms": (~present & found).sum(0),
            "misses": (present & ~found).sum(0),
            "right": ((present == found) & known).sum(),
            **self._sums(out, target),
        }

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return micro and macro F1, accuracy over all labels, and the loss."""
        hits = tally["hits"].double()
        pairs = 2 * hits + tally["false_alarms"] + tally["misses"]  # (K,)
        return {
            "f1_micro": float(2 * hits.sum() / pairs.sum().clamp_min(1)),
            "f1_macro": float((2 * hits / pairs.clamp_min(1)).mean()),
            "accuracy": float(tally["right"] / tally["known"]),
            "loss": float(tally["loss"] / tally["known"]),
        }
