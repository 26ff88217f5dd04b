"""FixMatch, UDA, DeFixMatch: confident on the weak, consistent on the strong view."""

__all__ = ["UDA", "DeFixMatch", "FixMatch"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from workshop_lib.losses.memory import DistributionAlignment
from workshop_lib.losses.pseudo_labels import masked_mean, sharpen
from workshop_lib.methods.base import (
    Batch,
    TrainingSize,
    alignments,
    forward_views,
    heads_of,
)
from workshop_lib.methods.consistency import ConsistencyMethod, Guess, Step
from workshop_lib.models.heads import Head


@dataclass(eq=False)
class FixMatch(ConsistencyMethod):
    """Learn from unlabelled images by trusting the model's own confident answers.

    An unlabelled image is shown twice. The weakly augmented view gets a pseudo-label if
    the model is confident; the strongly augmented view has to be recognised as the
    same. So whatever the model can tell in an easy picture it learns to tell in a hard
    one, and the set of images it is confident about grows from the few labelled ones.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(argmax q_i, f(strong(u_i)))
        mask_i = 1 if max q_i >= threshold else 0
        q_i = softmax(f(weak(u_i)) / temperature), aligned if asked for

    The labelled images are among the unlabelled ones too: there they are seen in the
    strong view. Per pixel it is PseudoSeg (Zou et al. 2021, arXiv:2010.09713).
    `fixmatch_loss` has the same for scenes in one function.

    Source: Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with
    Consistency and Confidence", arXiv:2001.07685, eq. 3 and 4. Alignment: Berthelot et
    al. 2020 (ReMixMatch, arXiv:1911.09785), an option in FixMatch's section 2.5.

    Args:
        labeled_view, lambda_u, joint_forward, teacher_decay: see `ConsistencyMethod`;
            "weak", 1, True and 0 in the paper.
        threshold: confidence from which a pseudo-label counts; 0.95 in the paper, 0.8
            when you can afford only a few thousand steps. Too high: the mask rate stays
            near 0 and it is supervised training; too low: early mistakes are learned as
            truth and confirmed for ever. Of several labels per image the head's two
            thresholds count instead.
        alignment: align pseudo-labels with equally frequent classes; of pixels and of
            several labels, with their frequency among the labelled ones (the paper does
            not). Without it and with few labels one class may swallow the others; with
            it and very unequal classes, rare ones get labels they do not deserve.
        momentum: of the alignment's average; 0.99 remembers 100 batches.
        temperature: of the pseudo-label's softmax; usually 1. Below 1 it lets more
            images over the threshold: the same as a lower threshold, less openly.

    >>> FixMatch(threshold=0.8).hyperparameters()["threshold"]
    0.8
    """

    threshold: float = 0.95
    alignment: bool = False
    momentum: float = 0.99
    temperature: float = 1.0

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start an alignment per head, if asked for."""
        super().setup(model, size)
        if self.alignment:
            self.align = alignments(model, self.momentum)

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Return the probabilities of the weak view, at a temperature, aligned."""
        probs = head.probabilities(step.out_w[name], self.temperature)
        return self.aligned(name, probs)

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches the threshold, else 0."""
        return guess.head.confident(guess.probs, self.threshold)


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
        labeled_view, lambda_u, joint_forward, teacher_decay: see `FixMatch`.
        alignment, momentum: see `FixMatch`.
        threshold: confidence, before sharpening, from which an image counts; 0.8.
        temperature: of the target, 0.4. Near 0 it is FixMatch's hard label; at 1 the
            network is taught its own doubts, and nothing becomes clearer.
    """

    threshold: float = 0.8
    temperature: float = 0.4

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Return the aligned probabilities of the weak view, not yet sharpened."""
        return self.aligned(name, head.probabilities(step.out_w[name]))

    def target(self, guess: Guess) -> Tensor:
        """Return the sharpened distribution."""
        return guess.head.soft_target(sharpen(guess.probs, self.temperature))


@dataclass(eq=False)
class DeFixMatch(FixMatch):
    """Subtract on labelled images what consistency adds without looking at labels.

    FixMatch's unlabelled term pulls the loss away from the supervised one, however many
    labels there are: with wrong pseudo-labels it can end worse than without unlabelled
    images. Subtracting the same term on the labelled images leaves, on average over
    draws, the supervised loss, so that unlabelled images can only lower its variance.
    The strong view of labelled images is trained on too, which the subtraction cancels.

        L = 1/(2B) sum_b [H(y_b, f(weak(x_b))) + H(y_b, f(strong(x_b)))]
          + lambda_u [1/(mu B) sum_i h(u_i) - 1/B sum_b h(x_b)]
        h(v) = 1[max q >= threshold] H(argmax q, f(strong(v))),  q = softmax(f(weak(v)))

    Source: Schmutz, Humbert and Mattei 2023, "Don't fear the unlabelled: safe
    semi-supervised learning via debiasing", arXiv:2203.07512. The proof is about
    labelled images drawn like the unlabelled ones, and many; with four per class,
    memorised after a few hundred steps, h(x) is nearly the supervised loss of the
    strong view.

    Args:
        threshold, alignment, momentum, temperature: see `FixMatch`.
        joint_forward, teacher_decay: see `FixMatch`.
        labeled_view: not read: labelled images are seen in both views.
        lambda_u: weight of the unlabelled and of the subtracted term, 1/2: then known
            labels cancel exactly in the labelled strong view. Above it, that view is
            pushed away from its own labels, and the loss has no lower bound.
    """

    lambda_u: float = 0.5

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """Labelled images are seen weakly and strongly."""
        return ("weak", "strong")

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield supervised, unsupervised and subtracted terms per head."""
        (x_weak, x_strong), (weak, strong) = batch.labeled, batch.views
        asked = [weak] if self.teacher is None else [weak, x_weak]
        learned = [x_weak, x_strong, strong]
        (out_x_w, out_x_s, out_s), (out_w, *taught) = forward_views(
            model, learned, asked, self.joint_forward, self.teacher
        )
        for out in (out_x_w, out_x_s):
            for name, loss in self.supervised(model, out, batch.targets):
                yield name, loss / 2
        guesses = self.guesses(model, Step(batch, out_x_w, out_w, out_s))
        yield from self.unsupervised(guesses)
        answer = taught[0] if taught else out_x_w  # as for unlabelled images
        yield from self._subtracted(model, Step(batch, out_x_w, answer, out_x_s))

    def _subtracted(self, model: nn.Module, step: Step) -> Iterator[tuple[str, Tensor]]:
        """Yield the unsupervised term on labelled images, with a minus sign."""
        for name, head in heads_of(model):
            probs = head.probabilities(step.out_w[name], self.temperature)
            if name in self.align:  # by the average of unlabelled images
                probs = cast(DistributionAlignment, self.align[name]).divide(probs)
            target, weight = self.answer(Guess(name, head, probs, step))
            loss = masked_mean(head.loss(step.out_s[name], target), weight)
            self.log[f"{name}/subtracted"] = loss.detach()
            yield f"{name}/subtracted", -self.lambda_u * loss
