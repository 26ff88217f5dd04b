"""Heads: one thing to predict, with its score, its loss and its pseudo-labels.

A method never asks what kind of head it teaches. Each head turns features into scores,
scores into probabilities, probabilities into a target with a confidence, and compares
scores with targets element by element, so that a mask can multiply the loss. The same
FixMatch therefore learns a class per scene, a class per pixel, several labels per image
or a number.

    head         scores        elements    probabilities   unknown target
    Categorical  (B, K)        (B,)        (B, K)          -1
      dense      (B, K, H, W)  (B, H, W)   (B, K, H, W)    255
    MultiLabel   (B, K)        (B, K)      (B, 2, K)       NaN
    Regression   (B,)          (B,)        none            NaN
"""

__all__ = ["Features", "Head", "HeadWeights", "Regression"]

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.pseudo_labels import (
    at_least_fp32,
    confidence_mask,
    weighted_mean,
)


class Features(NamedTuple):
    """Features of a batch, as an encoder returns them."""

    vector: Tensor  # (B, D), pooled
    maps: tuple[Tensor, ...] | None  # (B, D_i, h_i, w_i), fine to coarse; None: scenes
    size: tuple[int, int]  # H, W of the input
    # Where metadata enters: the output at its token (B, E), of a network of
    # convolutions the vector; None without metadata
    context: Tensor | None = None


class Head(nn.Module):
    """One thing to predict.

    `dense` says whether it predicts pixels; `class_shape` is (K,), (2, K) for several
    labels per image, or () where there are no classes; `prior` holds how frequent the
    classes are, for alignment; `best_by` names the metric that chooses a checkpoint
    (larger is better).
    """

    dense: bool = False
    best_by: str = "accuracy"
    class_shape: tuple[int, ...] = ()
    prior: Tensor

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Compare scores with targets, element by element; 0 where unknown."""
        raise NotImplementedError

    def each_network(self, out: Tensor) -> Iterable[Tensor]:
        """Return the scores of each network that has learned this: of one alone."""
        return (out,)

    def known(self, target: Tensor) -> Tensor:
        """Return which elements of a target are known, as a bool tensor."""
        raise NotImplementedError

    def supervised_loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Average the loss over the known elements, counted over all ranks: scalar.

        Where nothing is known the loss is 0 with a gradient of 0, not NaN.
        """
        loss = self.loss(out, target)
        return weighted_mean(loss, self.known(target).to(loss.dtype))

    def distribution(self, out: Tensor) -> Tensor:
        """Return class probabilities with gradient, classes in dimension 1."""
        raise NotImplementedError

    def probabilities(self, out: Tensor, temperature: float = 1.0) -> Tensor:
        """Return class probabilities without gradient, in float32 or finer."""
        return self.distribution(at_least_fp32(out.detach()) / temperature)

    def harden(self, probs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likeliest target and its confidence, of the loss's shape."""
        confidence, target = probs.max(dim=1)
        return target, confidence

    def soft_target(self, probs: Tensor) -> Tensor:
        """Return probabilities in the form in which `loss` takes a soft target."""
        return probs

    def confident(self, probs: Tensor, threshold: float) -> Tensor:
        """Return 1 where a pseudo-label may be trusted, else 0."""
        return confidence_mask(probs, threshold)

    def fit(self, targets: Tensor) -> None:
        """Learn what the labelled targets are like (`prior`); called once."""

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count what `metrics` needs; the counts of several batches add up."""
        raise NotImplementedError

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return figures by name from counts."""
        raise NotImplementedError

    def _sums(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        loss, known = self.loss(out, target), self.known(target)
        return {"loss": loss.double().sum(), "known": known.sum().double()}


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
            **self._sums(out, target),
        }

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return MAE and RMSE in the units of the target, R2, and the loss."""
        n = tally["known"]
        spread = tally["total_squares"] - tally["total"].square() / n
        return {
            "mae": float(tally["absolute"] / n),
            "rmse": float((tally["squares"] / n).sqrt()),
            "r2": float(1 - tally["squares"] / spread) if spread > 0 else float("nan"),
            "loss": float(tally["loss"] / n),
        }


class HeadWeights(nn.Module):
    """Weights of the heads' losses: fixed, or learned from their uncertainty.

        L = sum_i exp(-s_i) w_i L_i + s_i / 2

    L_i is the sum of all terms of head i, supervised or not; s_i is the logarithm of
    the task's noise variance, learned with the network, and w_i where that starts. At
    the best s_i the loss L_i has the weight 1 / (2 L_i): a task whose loss stays high
    counts less, and one that is memorised counts ever more, which with few labels is
    the wrong way round. Fixed weights leave out s_i.

    Source: Kendall, Gal and Cipolla 2018, "Multi-Task Learning Using Uncertainty to
    Weigh Losses", arXiv:1705.07115, eq. 7 and 10. Their regression loss is half the
    squared error, as the Huber loss is near 0, so all kinds of head share one form.

    Args:
        names: of the heads.
        weights: w_i of each.
        learned: whether s_i is learned, from 0 on; else it stays 0.

    >>> weigh = HeadWeights(["scene", "cover"], [2.0, 1.0], learned=False)
    >>> weigh({"scene/supervised": torch.tensor(3.0)})
    [tensor(6.)]
    """

    def __init__(
        self, names: Iterable[str], weights: Sequence[float], learned: bool
    ) -> None:
        super().__init__()
        self.weights = dict(zip(names, weights, strict=True))
        self.log_variance: nn.Parameter | None = None
        if learned:
            self.log_variance = nn.Parameter(torch.zeros(len(weights)))  # s, (heads,)

    def forward(self, terms: Mapping[str, Tensor]) -> list[Tensor]:
        """Weigh the terms of a loss, named "head/term"; any other counts 1."""
        weights: Mapping[str, Tensor | float] = self.current()
        parts = [
            term * weights.get(name.partition("/")[0], 1.0)
            for name, term in terms.items()
        ]
        if self.log_variance is not None:
            there = {name.partition("/")[0] for name in terms}
            for name, s in zip(self.weights, self.log_variance, strict=True):
                parts += [s / 2] if name in there else []
        return parts

    def current(self) -> dict[str, Tensor]:
        """Return by head what its loss is multiplied by now: w_i exp(-s_i)."""
        found = torch.tensor(list(self.weights.values()))
        if self.log_variance is not None:
            found = found.to(self.log_variance) * torch.exp(-self.log_variance)
        return dict(zip(self.weights, found, strict=True))
