"""UDA: teach the strong view the whole sharpened distribution."""

__all__ = ["UDA"]

from dataclasses import dataclass

from torch import Tensor

from workshop_lib.losses.pseudo_labels import sharpen
from workshop_lib.methods.base import Batch, Outputs
from workshop_lib.methods.fixmatch import ConsistencyMethod, FixMatch, Guess
from workshop_lib.models.heads import Head


@dataclass(eq=False)
class UDA(FixMatch):
    """Keep predictions the same under strong augmentation, doubts included.

    As in FixMatch, the weak view of an image teaches its strong view where the network
    is confident. The target is not one class but the sharpened distribution: an image
    that is 85 % river and 14 % lake says both. That loses less where the pseudo-label
    is wrong, and says less where it is right.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(q_i, f(strong(u_i)))
        q_i = softmax(f(weak(u_i)) / temperature)
        mask_i = 1 if max softmax(f(weak(u_i))) >= threshold else 0

    Source: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training",
    arXiv:1904.12848, eq. 1 and section 3.3. The paper writes the Kullback-Leibler
    divergence: it differs by the target's entropy, which has no gradient. Left out:
    training signal annealing, which holds back labelled images that are known already.

    Args:
        labeled_view, lambda_u, joint_forward, alignment, momentum: see `FixMatch`.
        threshold: confidence, before sharpening, from which an image counts; 0.8.
        temperature: of the target, 0.4. Near 0 it is FixMatch's hard label; at 1 the
            network is taught its own doubts, and nothing becomes clearer.
    """

    threshold: float = 0.8
    temperature: float = 0.4

    def guess(
        self, name: str, head: Head, out_w: Outputs, out_x: Outputs, batch: Batch
    ) -> Guess:
        """Return the aligned probabilities of the weak view, not yet sharpened."""
        guess = ConsistencyMethod.guess(self, name, head, out_w, out_x, batch)
        if name in self.align:
            guess = guess._replace(probs=self.align[name](guess.probs))
        return guess

    def target(self, guess: Guess) -> Tensor:
        """Return the sharpened distribution."""
        return guess.head.soft_target(sharpen(guess.probs, self.temperature))
