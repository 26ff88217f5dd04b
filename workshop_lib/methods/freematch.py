"""FreeMatch: thresholds that follow how sure the network is by now."""

__all__ = ["FreeMatch", "SelfAdaptiveThreshold", "fairness_loss", "freematch_loss"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.losses.consistency import (
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.losses.running import check_momentum, follow
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.methods.weak_strong import WeakStrong
from workshop_lib.ranks import gather_rows, mean_over_ranks

HIGHEST = 0.95  # that a clipped threshold can reach
NEVER = 1e-12  # probability of a class that is never predicted, inside a logarithm


class SelfAdaptiveThreshold(nn.Module):
    """A global threshold that follows the mean confidence, and one factor per class.

        tau  <- m tau + (1 - m) mean_i max q_i
        p_k  <- m p_k + (1 - m) mean_i q_ik
        h_k  <- m h_k + (1 - m) share of images with argmax q_i = k
        threshold_k = tau p_k / max_j p_j

    Args:
        num_classes: K.
        momentum: m; 0.999 in the paper, 0.99 for a few thousand steps.
        quantile: follow the 0.8 quantile of the confidences, not their mean.
        clip: never above 0.95.

    `confidence` = tau, `probs` = p and `histogram` = h are buffers that start at 1/K
    and change in training mode only, before they are used.
    """

    confidence: Tensor
    probs: Tensor
    histogram: Tensor

    def __init__(
        self,
        num_classes: int,
        momentum: float = 0.999,
        quantile: bool = False,
        clip: bool = False,
    ) -> None:
        super().__init__()
        self.momentum = check_momentum(momentum)
        self.quantile = quantile
        self.clip = clip
        self.register_buffer("confidence", torch.tensor(1 / num_classes))
        self.register_buffer("probs", torch.full((num_classes,), 1 / num_classes))
        self.register_buffer("histogram", torch.full((num_classes,), 1 / num_classes))

    def forward(self, probs: Tensor) -> Tensor:
        """Take a batch in, then return the threshold of each image.

        Shape: (N, K) -> (N,).
        """
        highest, pseudo = probs.max(dim=1)  # (N,), (N,)
        if self.training:
            self._update(probs, highest, pseudo)
        per_class = self.confidence * self.probs / self.probs.max()  # (K,)
        return per_class[pseudo].to(probs.dtype)

    def _update(self, probs: Tensor, highest: Tensor, pseudo: Tensor) -> None:
        everyone = gather_rows(highest)  # of all ranks
        level = everyone.quantile(0.8) if self.quantile else everyone.mean()
        follow(self.confidence, level, self.momentum)
        if self.clip:
            self.confidence.clamp_(max=HIGHEST)
        follow(self.probs, probs.mean(dim=0), self.momentum)
        share = F.one_hot(pseudo, probs.shape[1]).to(probs.dtype).mean(dim=0)
        follow(self.histogram, share, self.momentum)


def fairness_loss(
    logits_u_s: Tensor, mask: Tensor, adaptive: SelfAdaptiveThreshold
) -> Tensor:
    """Hold back classes that win more strong views than their probability is worth.

        sum_k w_k log v_k,    w = p / h,    v = mean_i softmax(strong_i) / histogram

    each normalised; the means are over the confident images, the histogram is that of
    the strong views' own hard labels (Wang et al. 2023, eq. 11 and 12). A class whose
    share of hard labels is above its mean probability m_k has a small v_k, and since
    the gradient at m_k is (w_k - v_k) / m_k it is pushed down. A class that no
    confident view predicts adds a constant. Zero where no image is confident.

    Shape: `logits_u_s` (N, K), `mask` (N,) -> scalar, at most 0.
    """
    probs = torch.softmax(logits_u_s.to(mask.dtype), dim=1)  # (N, K)
    hard = F.one_hot(probs.argmax(dim=1), probs.shape[1]).to(mask.dtype)  # (N, K)
    weight = (mask > 0).to(mask.dtype)[:, None]  # (N, 1)
    mean, histogram = _global_mean(weight * probs), _global_mean(weight * hard)

    wanted = _normalized(adaptive.probs * _inverse(adaptive.histogram)).to(mask.dtype)
    current = _normalized(mean * _inverse(histogram))
    loss = (wanted * torch.log(current + NEVER)).sum()
    return torch.where(histogram.sum() > 0, loss, 0)


def freematch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    adaptive: SelfAdaptiveThreshold,
    lambda_u: float = 1.0,
    lambda_e: float = 0.01,
) -> LossTerms:
    """Compute FreeMatch's loss from logits, and move the thresholds on.

    Gradient flows through `logits_x` and `logits_u_s` only.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K) ->
    `LossTerms` with parts loss_x, loss_u, loss_e, mask_rate, threshold (tau).
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u_w)  # (mu*B, K), no gradient
    confidence, pseudo = probs.max(dim=1)  # (mu*B,), (mu*B,)
    mask = (confidence >= adaptive(probs)).to(probs.dtype)  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, pseudo, mask)
    loss_e = fairness_loss(logits_u_s, mask, adaptive)

    return LossTerms(
        total=loss_x + lambda_u * loss_u + lambda_e * loss_e,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "loss_e": loss_e.detach(),
            "mask_rate": mask.mean(),
            "threshold": adaptive.confidence.clone(),
        },
        pseudo_labels=pseudo,
        mask=mask,
    )


class FreeMatch(WeakStrong):
    """FixMatch without a threshold to choose: it rises as the network grows surer.

    At the start nothing is sure, and a fixed threshold of 0.95 leaves unlabeled images
    unused; later nearly everything is over it, also the wrong. FreeMatch asks for the
    average confidence of late, less for classes that get little probability. A second,
    small term keeps predictions from gathering in few classes.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(argmax q_i, f(strong(u_i)))
          + lambda_e fairness
        mask_i = 1 if max q_i >= threshold_k with k = argmax q_i,  else 0
        q_i = softmax(f(weak(u_i)))

    with `SelfAdaptiveThreshold`'s thresholds and `fairness_loss`.

    Source: Wang et al. 2023, "FreeMatch: Self-adaptive Thresholding for Semi-supervised
    Learning", eq. 5 to 12.

    Args:
        num_classes: K.
        labeled_view, joint_forward: see `WeakStrong`; "weak" and True in the paper.
        running_momentum: of thresholds and class averages; 0.999. In a short run that
            is too slow: the threshold stays near 1/K and lets every image through.
        quantile: follow the 0.8 quantile of the confidences, not their mean: stricter.
        clip: keep the threshold at or below 0.95.
        lambda_u: weight of the unlabeled part, 1.
        lambda_e: weight of the fairness, 0.001 to 0.05. It jumps between about -1 and
            -15 with the classes that a small batch happens to hold: far above 0.05 it
            drowns the rest.
    """

    knobs = (*WeakStrong.knobs, "num_classes", "running_momentum", "lambda_u")

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        running_momentum: float = 0.999,
        quantile: bool = False,
        clip: bool = False,
        lambda_u: float = 1.0,
        lambda_e: float = 0.01,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(labeled_view=labeled_view, joint_forward=joint_forward)
        self.adaptive = SelfAdaptiveThreshold(
            num_classes, running_momentum, quantile, clip
        )
        self.lambda_u = lambda_u
        self.lambda_e = lambda_e

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `freematch_loss` and `WeakStrong.logits`."""
        logits_x, logits_u_w, logits_u_s = self.logits(model, batch)
        return freematch_loss(
            logits_x,
            batch.y_lab,
            logits_u_w,
            logits_u_s,
            self.adaptive,
            lambda_u=self.lambda_u,
            lambda_e=self.lambda_e,
        )


def _global_mean(rows: Tensor) -> Tensor:
    """Average over the batch of all ranks, with the gradient of this rank's part."""
    mine = rows.mean(dim=0)
    return mean_over_ranks(mine) + (mine - mine.detach())


def _inverse(shares: Tensor) -> Tensor:
    """Return 1/share, and 0 for a class that does not occur."""
    return torch.where(shares > 0, 1 / shares, 0)


def _normalized(values: Tensor) -> Tensor:
    return values / values.sum().clamp_min(NEVER)
