"""CCSSL on CoMatch: the same contrast, with pseudo-labels smoothed by the memory."""

__all__ = ["CCSSLCoMatch"]

from dataclasses import replace
from typing import Any

from torch import Tensor

from workshop_lib.methods.ccssl import contrast_by_class
from workshop_lib.methods.comatch import CoMatch
from workshop_lib.methods.contrasting import check_knobs
from workshop_lib.methods.protocol import LossTerms
from workshop_lib.models.output import Output


class CCSSLCoMatch(CoMatch):
    """Add class-aware contrast to all that CoMatch does.

    CoMatch's graph connects images whose pseudo-labels agree and compares one view with
    the other. Class-aware contrast compares all views with each other, and weighs by
    confidence instead of cutting at a threshold. Both work on the same embeddings, and
    the pseudo-labels of both are smoothed.

        L = CoMatch + lambda_c class-aware contrast      (see `CCSSL`)

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning".

    Args:
        push_threshold, contrast_temperature: as in `CCSSL`.
        lambda_c: weight of each of the two contrasts; 1. They add up: where CoMatch
            alone is at its limit, halve it.
        knobs: those of `CoMatch`.
    """

    knobs: tuple[str, ...] = (*CoMatch.knobs, "push_threshold", "contrast_temperature")

    def __init__(
        self,
        *,
        push_threshold: float = 0.0,
        contrast_temperature: float = 0.07,
        **knobs: Any,
    ) -> None:
        super().__init__(**knobs)
        check_knobs(
            {"contrast_temperature": contrast_temperature},
            {"push_threshold": push_threshold},
        )
        self.push_threshold = push_threshold
        self.contrast_temperature = contrast_temperature

    def loss(
        self, lab: Output, y: Tensor, strong: Output, contrastive: Output, probs: Tensor
    ) -> LossTerms:
        """Return CoMatch's loss and the contrast; a part more than CoMatch has."""
        terms = super().loss(lab, y, strong, contrastive, probs)
        contrast = contrast_by_class(
            strong.embedding,
            contrastive.embedding,
            probs,
            self.push_threshold,
            self.contrast_temperature,
        )
        return replace(
            terms,
            total=terms.total + self.lambda_c * contrast,
            parts={**terms.parts, "loss_class_contrast": contrast.detach()},
        )
