"""Distribution alignment over the last few batches, as CoMatch does it."""

__all__ = ["WindowAlignment"]

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.alignment import RAREST
from workshop_lib.losses.ring import Ring
from workshop_lib.ranks import mean_over_ranks


class WindowAlignment(nn.Module):
    """Divide predictions by their mean over the last batches, so no class is favoured.

        average = mean over the last `batches` batches of mean_i p_i
        q_i = p_i / average, normalised

    The same aim as `DistributionAlignment`, which explains it; the average is a plain
    mean over a window and takes in the present batch fully. So it bites from the first
    step, and a batch longer ago than the window is forgotten altogether.

    Source: Li, Xiong and Hoi 2021 (CoMatch); the window of 32 is that of its
    implementation.

    Args:
        num_classes: K.
        batches: length of the window. Short: the alignment follows the accidents of
            single batches, and where a batch has fewer images than there are classes
            it forces the missing classes upon it. Long: the average lags behind.

    The window is a buffer and moves on in training mode only, before it is used.
    """

    def __init__(self, num_classes: int, batches: int = 32) -> None:
        super().__init__()
        self.window = Ring(batches, num_classes)

    def forward(self, probs: Tensor) -> Tensor:
        """Take a batch into the window, then return it aligned.

        Shape: (N, K) -> (N, K), rows sum to 1.

        Raises:
            WorkshopError: another number of classes than the window has.
        """
        K = self.window.rows.shape[1]
        if probs.ndim != 2 or probs.shape[1] != K:
            raise WorkshopError(
                f"probabilities of shape {tuple(probs.shape)} given, but this alignment"
                f" was built for {K} classes: expected (N, {K})."
            )
        if self.training:
            self.window.push(mean_over_ranks(probs.mean(dim=0))[None])
        # Rows that nobody has written are zero and add nothing to the sum.
        average = self.window.rows.sum(dim=0) / self.window.filled.clamp_min(1)  # (K,)
        aligned = probs / average.clamp_min(RAREST)  # (N, K)
        return aligned / aligned.sum(dim=1, keepdim=True)
