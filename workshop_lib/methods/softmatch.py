"""SoftMatch: no image is thrown away, unsure ones weigh less."""

__all__ = ["GaussianWeight", "SoftMatch", "softmatch_loss"]

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.consistency import (
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.losses.running import check_momentum, follow
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.methods.weak_strong import WeakStrong
from workshop_lib.ranks import gather_rows


class GaussianWeight(nn.Module):
    """Weigh an image by how far its confidence lies below the average of late.

        mean <- m mean + (1 - m) mean_i max q_i        (variance likewise, unbiased)
        weight_i = exp(-n^2 min(max q_i - mean, 0)^2 / (2 variance))

    Args:
        num_classes: K; the mean starts at 1/K, the variance at 1.
        momentum: m; 0.999 in the paper, 0.99 for a few thousand steps.
        n_sigma: n, 2: half a standard deviation below the mean weighs 0.61, one 0.14.

    Both are buffers and change in training mode only, before they are used. A single
    image has no variance: such a batch leaves it as it is.
    """

    mean: Tensor
    variance: Tensor

    def __init__(
        self, num_classes: int, momentum: float = 0.999, n_sigma: float = 2.0
    ) -> None:
        super().__init__()
        if n_sigma <= 0:
            raise WorkshopError(f"n_sigma={n_sigma}: it must be above 0; 2 is usual.")
        self.momentum = check_momentum(momentum)
        self.n_sigma = n_sigma
        self.register_buffer("mean", torch.tensor(1 / num_classes))
        self.register_buffer("variance", torch.tensor(1.0))

    def forward(self, probs: Tensor) -> Tensor:
        """Take a batch in, then return the weight of each image.

        Shape: (N, K) -> (N,) in [0, 1].
        """
        confidence = probs.amax(dim=1)  # (N,)
        if self.training:
            everyone = gather_rows(confidence)  # of all ranks
            follow(self.mean, everyone.mean(), self.momentum)
            if len(everyone) > 1:
                follow(self.variance, everyone.var(), self.momentum)
        below = (confidence - self.mean).clamp(max=0)  # (N,)
        # All alike for long: a variance of 0, and those at the mean weigh 1, not NaN.
        variance = self.variance.clamp_min(torch.finfo(probs.dtype).tiny)
        return torch.exp(-(below**2) / (2 * variance / self.n_sigma**2)).to(probs.dtype)


def softmatch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    weigh: GaussianWeight,
    lambda_u: float = 1.0,
    align: Callable[[Tensor], Tensor] | None = None,
) -> LossTerms:
    """Compute SoftMatch's loss from logits, and move the weight's mean on.

    Alignment decides how much an image weighs, not what it is called. Gradient flows
    through `logits_x` and `logits_u_s` only.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K) ->
    `LossTerms` with parts loss_x, loss_u, mask_rate (the mean weight).
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u_w)  # (mu*B, K), no gradient
    pseudo = probs.argmax(dim=1)  # (mu*B,)
    weight = weigh(probs if align is None else align(probs))  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, pseudo, weight)

    return LossTerms(
        total=loss_x + lambda_u * loss_u,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "mask_rate": weight.mean(),
        },
        pseudo_labels=pseudo,
        mask=weight,
    )


class SoftMatch(WeakStrong):
    """FixMatch with a soft threshold: a weight that falls off below average confidence.

    A high threshold uses few pseudo-labels, mostly right; a low one many, often wrong.
    SoftMatch uses all and lets those below the average confidence of late count less,
    by the tail of a Gaussian. As the network grows surer the Gaussian moves up and
    narrows, so that the wrong ones fade out by themselves.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i weight_i H(argmax q_i, f(strong(u_i)))
        q_i = softmax(f(weak(u_i)))

    with `GaussianWeight`'s weights of the aligned q_i.

    Source: Chen et al. 2023, "SoftMatch: Addressing the Quantity-Quality Trade-off in
    Semi-supervised Learning", eq. 6 to 10.

    Args:
        num_classes: K.
        labeled_view, joint_forward: see `WeakStrong`; "weak" and True in the paper.
        alignment: align the weights with equally frequent classes, as in the paper
            ("uniform alignment"): rare classes weigh more. Leave it out where classes
            are very unequal.
        running_momentum: of mean, variance and alignment; 0.999. In a short run that is
            too slow: the mean stays near 1/K and every image weighs 1.
        n_sigma: 2. Larger: steeper, nearer to a threshold at the mean. Smaller: wrong
            pseudo-labels count nearly as much as right ones.
        lambda_u: weight of the unlabeled part, 1.
    """

    knobs = (
        *WeakStrong.knobs,
        "num_classes",
        "alignment",
        "running_momentum",
        "lambda_u",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        alignment: bool = True,
        running_momentum: float = 0.999,
        n_sigma: float = 2.0,
        lambda_u: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(labeled_view=labeled_view, joint_forward=joint_forward)
        self.weigh = GaussianWeight(num_classes, running_momentum, n_sigma)
        self.lambda_u = lambda_u
        self.align = (
            DistributionAlignment(num_classes, running_momentum, start="first batch")
            if alignment
            else None
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `softmatch_loss` and `WeakStrong.logits`."""
        logits_x, logits_u_w, logits_u_s = self.logits(model, batch)
        return softmatch_loss(
            logits_x,
            batch.y_lab,
            logits_u_w,
            logits_u_s,
            self.weigh,
            lambda_u=self.lambda_u,
            align=self.align,
        )
