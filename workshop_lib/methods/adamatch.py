"""AdaMatch: threshold and class balance taken from the labelled images."""

__all__ = ["AdaMatch"]

from dataclasses import dataclass

from torch import Tensor, nn

from workshop_lib.methods.base import (
    Batch,
    Outputs,
    TrainingSize,
    check_ranges,
)
from workshop_lib.methods.fixmatch import ConsistencyMethod, Guess, alignments
from workshop_lib.models.heads import Head
from workshop_lib.ranks import mean_over_ranks


@dataclass(eq=False)
class AdaMatch(ConsistencyMethod):
    """FixMatch whose threshold and class balance come from the labelled images.

    How confident a network can be depends on the step, the images and the number of
    classes; the labelled images tell. An unlabelled one counts if it reaches a fraction
    of their mean confidence. Pseudo-labels are aligned with how often each class is
    predicted for labelled images, so the classes need not be equally frequent. Made for
    unlabelled images of another region or sensor, it works for the same one too.

        mask_i = 1 if max q_i >= threshold mean_b max softmax f(weak(x_b))  else 0
        q_i = softmax(f(weak(u_i))) labelled average / unlabelled average, normalised

    Source: Berthelot et al. 2021, "AdaMatch: A Unified Approach to Semi-Supervised
    Learning and Domain Adaptation", arXiv:2106.04732, eq. 2 to 6, as common
    implementations have it: without the paper's random interpolation of logits
    (labelled ones with and without the unlabelled images in their batch statistics),
    with one labelled view, a constant lambda_u, and moving averages in the alignment.

    Args:
        labeled_view, lambda_u, joint_forward: see `ConsistencyMethod`.
        threshold: fraction of the labelled confidence that counts; 0.9. With few
            labels, soon memorised, that confidence nears 1 and this is a fixed
            threshold.
        momentum: of the alignment's averages; 0.999, less in a short run.
    """

    threshold: float = 0.9
    momentum: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, fractions=["threshold"])
        self.align = nn.ModuleDict()

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start an alignment with the labelled predictions per head with classes."""
        self.align = alignments(
            model, self.momentum, target="labeled", start="first batch"
        )

    def guess(
        self, name: str, head: Head, out_w: Outputs, out_x: Outputs, batch: Batch
    ) -> Guess:
        """Return the weak view's probabilities, aligned with the labelled ones."""
        guess = super().guess(name, head, out_w, out_x, batch)
        return guess._replace(probs=self.align[name](guess.probs, guess.labeled))

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches its fraction of the labelled one."""
        reached = mean_over_ranks(guess.labeled.amax(dim=1).mean())
        self.log[f"{guess.name}/threshold"] = self.threshold * reached
        mask = guess.probs.amax(dim=1) >= self.threshold * reached
        return mask.to(guess.probs.dtype)
