"""Head for any number of labels per image."""

__all__ = ["MultiLabel"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.alignment import uniform
from workshop_lib.losses.pseudo_labels import at_least_fp32
from workshop_lib.models.heads.base import Features, Head


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
        scores: Tensor = self.score(features.vector)
        return scores

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the binary cross-entropy of each label, (B, K)."""
        target, known = target.to(at_least_fp32(out).dtype), self.known(target)
        loss = F.binary_cross_entropy_with_logits(
            at_least_fp32(out), target.nan_to_num(0.0), reduction="none"
        )
        return loss * known

    def known(self, target: Tensor) -> Tensor:
        """Return where a label is known: not NaN, not -1."""
        return (
            ~target.isnan() & (target >= 0)
            if target.is_floating_point()
            else (target >= 0)
        )

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
        present = (
            (targets.nan_to_num(0.0) * known).sum(0)
            if (targets.is_floating_point())
            else (targets * known).sum(0)
        )
        # One image of each answer added: a label never seen is rare, not impossible
        share = (present + 1) / (known.sum(0) + 2)  # (K,)
        self.prior.copy_(torch.stack([1 - share, share]))

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count hits, false alarms and misses of each label, (K,) each."""
        known = self.known(target)
        present, found = (target > 0.5) & known, (out >= 0) & known
        return {
            "hits": (present & found).sum(0),
            "false_alarms": (~present & found).sum(0),
            "misses": (present & ~found).sum(0),
            "right": ((present == found) & known).sum(),
            **self._log_loss(out, target),
        }

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return micro and macro F1, accuracy over all labels, and the loss."""
        hits = tally["hits"].double()
        pairs = 2 * hits + tally["false_alarms"] + tally["misses"]  # (K,)
        known = float(tally["known"])
        return {
            "f1_micro": float(2 * hits.sum() / pairs.sum().clamp_min(1)),
            "f1_macro": float((2 * hits / pairs.clamp_min(1)).mean()),
            "accuracy": float(tally["right"]) / known if known else float("nan"),
            "loss": float(tally["loss"]) / known if known else float("nan"),
        }
