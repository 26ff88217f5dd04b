"""CCSSL: FixMatch, and embeddings gathered by class, weighted by confidence."""

__all__ = ["CCSSL", "CCSSLCoMatch"]

from dataclasses import dataclass

from torch import Tensor

from workshop_lib.losses.contrastive import class_aware_contrast, contrast_weights
from workshop_lib.methods.base import Outputs, check_ranges
from workshop_lib.methods.comatch import CoMatch
from workshop_lib.methods.contrastive import ContrastiveMethod
from workshop_lib.methods.fixmatch import Guess
from workshop_lib.ranks import gather_rows, gather_rows_with_gradient


@dataclass(eq=False)
class CCSSL(ContrastiveMethod):
    """Gather embeddings by pseudo-label, each image weighted by its confidence.

    A confirmed mistake is FixMatch's weak point; contrast between images without
    classes does not make any, but also pushes images of one class apart. Class-aware
    contrast pulls images with the same pseudo-label together, by the product of their
    confidences: wrong labels, mostly doubtful ones, hardly count. All images take part,
    even those below FixMatch's threshold. Images that belong to no class at all can be
    told from the rest by their confidence and are contrasted one by one.

        L = FixMatch + lambda_c contrast_temperature / 0.07 * 1/2N sum_a l_a
        l_a = - sum_{b != a} w_ab log p_ab / sum_{b != a} w_ab      (N = mu B, 2N views)
        p_ab = share of exp(z_a . z_b / contrast_temperature) among all b != a
        w_ab = c_a c_b if the pseudo-labels are the same, else 0; 1 for the other view

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning",
    arXiv:2203.02261; see `class_aware_contrast` for where its implementation differs
    from its text.

    Args:
        labeled_view, threshold, temperature, lambda_u, joint_forward: see `FixMatch`.
        alignment, momentum: as in `FixMatch` (the paper does not); the confidences of
            the contrast are those after alignment.
        ood_threshold: confidence below which an image is contrasted by itself; 0 leaves
            that out, 0.9 where unlabelled images are of foreign classes. Too high:
            plain contrast of images, which pushes classes apart.
        contrast_temperature: 0.07 in the paper. Lower looks only at the nearest.
        lambda_c: weight of the contrast; 1, 2 in the paper on Semi-iNat. The loss is
            large by nature (the logarithm of 2 mu B); what counts is its gradient.
    """

    ood_threshold: float = 0.0
    contrast_temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    def contrast(
        self, guess: Guess, out_s: Outputs, out_c: Outputs
    ) -> dict[str, Tensor]:
        """Return the class-aware contrast of the global batch."""
        return {"contrast": _class_contrast(self, guess, out_s, out_c)}


@dataclass(eq=False)
class CCSSLCoMatch(CoMatch):
    """CoMatch with class-aware contrast added.

    CoMatch's graph connects images whose pseudo-labels agree and compares one view with
    the other. Class-aware contrast compares all views with each other, and weighs by
    confidence instead of cutting at a threshold. Both work on the same embeddings, and
    the pseudo-labels of both are smoothed.

        L = CoMatch + lambda_c class-aware contrast      (see `CCSSL`)

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning",
    arXiv:2203.02261.

    Args:
        ood_threshold, contrast_temperature: as in `CCSSL`.
        lambda_c: weight of each of the two contrasts; 1. They add up: where CoMatch
            alone is at its limit, halve it.
        others: see `CoMatch`.
    """

    ood_threshold: float = 0.0
    contrast_temperature: float = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    def contrast(
        self, guess: Guess, out_s: Outputs, out_c: Outputs
    ) -> dict[str, Tensor]:
        """Return CoMatch's contrast and the class-aware one."""
        found = super().contrast(guess, out_s, out_c)
        return {**found, "class_contrast": _class_contrast(self, guess, out_s, out_c)}


def _check(method: CCSSL | CCSSLCoMatch) -> None:
    check_ranges(method, positive=["contrast_temperature"], fractions=["ood_threshold"])


def _class_contrast(
    method: CCSSL | CCSSLCoMatch, guess: Guess, out_s: Outputs, out_c: Outputs
) -> Tensor:
    """Return the class-aware contrast of a batch, of all ranks' parts together."""
    confidence, pseudo = gather_rows(guess.probs).max(dim=1)  # (mu*B,)
    weights = contrast_weights(pseudo, confidence, method.ood_threshold)
    z_s = gather_rows_with_gradient(out_s["projection"])
    z_c = gather_rows_with_gradient(out_c["projection"])
    return class_aware_contrast(z_s, z_c, weights, method.contrast_temperature)
