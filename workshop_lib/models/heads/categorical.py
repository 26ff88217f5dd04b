"""Head for one of K classes, per scene or per pixel."""

__all__ = ["UNKNOWN", "Categorical"]

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.alignment import uniform
from workshop_lib.losses.pseudo_labels import at_least_fp32
from workshop_lib.losses.segmentation import segmentation_loss
from workshop_lib.models.heads.base import Features, Head
from workshop_lib.pixels import IGNORE, mean_iou, pixel_confusion

UNKNOWN = -1  # the class of a scene that is not labelled; of a pixel: IGNORE
_NO_LOSS = -100  # what F.cross_entropy leaves out


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
        class_weights: (K,) weight of each class in the loss of a dense head on labelled
            pixels; None for equal weights.
    """

    class_weights: Tensor

    def __init__(
        self,
        in_features: int | Sequence[int],
        num_classes: int,
        *,
        dense: bool = False,
        loss: str = "cross_entropy",
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise WorkshopError(f"num_classes={num_classes}: it must be at least 1.")
        if loss != "cross_entropy" and not dense:
            raise WorkshopError(
                f"loss={loss!r} for a class per scene: use 'cross_entropy', or a dense"
                " head."
            )
        self.dense, self.num_classes = dense, num_classes
        self.class_shape = (num_classes,)
        self.best_by = "miou" if dense else "accuracy"
        self._labeled_loss = segmentation_loss(loss)
        widths = [in_features] if isinstance(in_features, int) else list(in_features)
        layers = [  # one level, or several of a dense head
            nn.Conv2d(D, num_classes, 1) if dense else nn.Linear(D, num_classes)
            for D in widths
        ]
        self.score = nn.ModuleList(layers)
        self.register_buffer("prior", uniform(self.class_shape))
        weights = torch.ones(num_classes) if class_weights is None else class_weights
        self.register_buffer("class_weights", weights)

    def forward(self, features: Features) -> Tensor:
        """Score the classes: (B, K), or (B, K, H, W) of a dense head."""
        if not self.dense:
            scores: Tensor = self.score[0](features.vector)
            return scores
        if features.maps is None:
            raise WorkshopError(
                "a dense head on an encoder without maps: build the encoder with a"
                " decoder ('unet' or 'fcn')."
            )
        levels = [
            _resize(score(maps), features.size)
            for score, maps in zip(self.score, features.maps, strict=True)
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
        """Set the prior of a dense head to the class frequencies of labelled pixels.

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

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count a confusion matrix (K, K), rows are the truth."""
        truth = target.long().masked_fill(~self.known(target), IGNORE)
        if not self.dense and self.num_classes > IGNORE:
            raise WorkshopError(f"{self.num_classes} classes: at most {IGNORE}.")
        confusion = pixel_confusion(truth, out.argmax(1), self.num_classes)
        return {"confusion": confusion, **self._log_loss(out, target)}

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return accuracy, loss and macro F1 of scenes; mIoU of pixels."""
        counts = tally["confusion"].double()
        right, known = counts.diag(), float(counts.sum())
        figures = {
            "accuracy": float(right.sum()) / known if known else float("nan"),
            "loss": float(tally["loss"]) / known if known else float("nan"),
        }
        if self.dense:
            return {**figures, "miou": mean_iou(counts)}
        f1 = 2 * right / (counts.sum(0) + counts.sum(1)).clamp_min(1)  # (K,)
        return {**figures, "f1": float(f1.mean())}


def _resize(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge scores bilinearly. Shape: (B, K, h, w) -> (B, K, H, W)."""
    if scores.shape[2:] == size:
        return scores
    return F.interpolate(scores, size=size, mode="bilinear", align_corners=False)
