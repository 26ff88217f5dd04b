"""Features of an encoder, and the interface of a head."""

__all__ = ["Features", "Head"]

from typing import NamedTuple

from torch import Tensor, nn

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
        raise TypeError(f"{type(self).__name__} does not define loss(out, target)")

    def known(self, target: Tensor) -> Tensor:
        """Return which elements of a target are known, as a bool tensor."""
        raise TypeError(f"{type(self).__name__} does not define known(target)")

    def supervised_loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Average the loss over the known elements, counted over all ranks: scalar.

        Where nothing is known the loss is 0 with a gradient of 0, not NaN.
        """
        loss = self.loss(out, target)
        return weighted_mean(loss, self.known(target).to(loss.dtype))

    def distribution(self, out: Tensor) -> Tensor:
        """Return class probabilities with gradient, classes in dimension 1."""
        raise TypeError(f"{type(self).__name__} has no classes")

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

    def pseudo_label(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Return target and confidence of a weak view, without gradient."""
        return self.harden(self.probabilities(out))

    def fit(self, targets: Tensor) -> None:
        """Learn what the labelled targets are like (`prior`); called once."""

    def tally(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Count what `metrics` needs; the counts of several batches add up."""
        raise TypeError(f"{type(self).__name__} does not define tally(out, target)")

    def metrics(self, tally: dict[str, Tensor]) -> dict[str, float]:
        """Return figures by name from counts."""
        raise TypeError(f"{type(self).__name__} does not define metrics(tally)")

    def _log_loss(self, out: Tensor, target: Tensor) -> dict[str, Tensor]:
        loss, known = self.loss(out, target), self.known(target)
        return {"loss": loss.double().sum(), "known": known.sum()}
