"""Head for one number per image."""

__all__ = ["Regression"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.pseudo_labels import at_least_fp32
from workshop_lib.models.heads.base import Features, Head


class Regression(Head):
    """One number per image, such as its mean elevation.

    Learned in units of standard deviations of the labelled targets, by the Huber loss
    (quadratic below one deviation, linear above). A number has no confidence: between
    two views it is always trusted, so methods teach consistency and nothing else.

    Args:
        in_features: D.
    """

    best_by = "r2"
    mean: Tensor
    std: Tensor

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.score = nn.Linear(in_features, 1)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def forward(self, features: Features) -> Tensor:
        """Predict the number in the units of the targets: (B,)."""
        scores = at_least_fp32(self.score(features.vector)[:, 0])
        return scores * self.std + self.mean

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return the Huber loss in standard deviations, (B,)."""
        known = self.known(target)
        target = torch.where(known, target.to(out.dtype), out.detach())
        return F.smooth_l1_loss(out / self.std, target / self.std, reduction="none")

    def known(self, target: Tensor) -> Tensor:
        """Return where the number is known: not NaN."""
        return ~target.isnan()

    def harden(self, probs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the number itself, trusted."""
        return probs, torch.ones_like(probs)

    def probabilities(self, out: Tensor, temperature: float = 1.0) -> Tensor:
        """Return the number itself, without gradient: it has no classes."""
        return at_least_fp32(out.detach())

    def fit(self, targets: Tensor) -> None:
        """Set mean and standard deviation of the labelled targets.

        Raises:
            WorkshopError: no labelled image has a number.
        """
        known = targets[self.known(targets)]
        if not len(known):
            raise WorkshopError(
                f"none of the {len(targets)} labelled images has a number to learn."
            )
        self.mean.copy_(known.mean())
        deviation = known.std(unbiased=False)
        self.std.copy_(torch.where(deviation > 0, deviation, 1.0))

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count images, errors and squares, for the figures of all batches."""
        known = self.known(target)
        y, error = target[known].double(), (out[known] - target[known]).double()
        return {
            "absolute": error.abs().sum(),
            "squares": error.square().sum(),
            "total": y.sum(),
            "total_squares": y.square().sum(),
            **self._log_loss(out, target),
        }

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return MAE and RMSE in the units of the target, R2, and the loss."""
        n = tally["known"].double()
        if not n:
            return dict.fromkeys(("mae", "rmse", "r2", "loss"), float("nan"))
        spread = tally["total_squares"] - tally["total"].square() / n
        return {
            "mae": float(tally["absolute"] / n),
            "rmse": float((tally["squares"] / n).sqrt()),
            "r2": float(1 - tally["squares"] / spread) if spread > 0 else float("nan"),
            "loss": float(tally["loss"] / n),
        }
