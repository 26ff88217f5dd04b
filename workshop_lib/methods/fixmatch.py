"""Consistency: what the network says of the weak view teaches the strong view.

`ConsistencyMethod` is what all such methods share; FixMatch and DeFixMatch trust
confident answers.
"""

__all__ = ["ConsistencyMethod", "DeFixMatch", "FixMatch", "Guess", "Step"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

from torch import Tensor, nn

from workshop_lib.losses.memory import DistributionAlignment
from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.methods.base import (
    Batch,
    Method,
    Outputs,
    as_strong,
    forward_views,
    heads_of,
)
from workshop_lib.models.heads import Head


class Step(NamedTuple):
    """One step's batch, and what the model returned for its views."""

    batch: Batch
    out_x: Outputs  # labelled images, weak view
    out_w: Outputs  # unlabelled images, weak view; without gradient
    out_s: Outputs  # unlabelled images, strong view
    others: tuple[Outputs, ...] = ()  # further views, with gradient


class Guess(NamedTuple):
    """The answer of one head to the weak views of a step, without gradient."""

    name: str
    head: Head
    probs: Tensor  # (mu*B, K), (mu*B, K, H, W), (mu*B, 2, K); numbers (mu*B,)
    step: Step

    @property
    def labeled(self) -> Tensor:
        """The same head's answer to the labelled images."""
        return self.head.probabilities(self.step.out_x[self.name])


@dataclass(eq=False)
class ConsistencyMethod(Method):
    """A method whose weak view of an image teaches its strong view.

    For each head: guess on the weak view, decide how much each guess counts, and ask
    the strong view for the same answer. Subclasses say how much (`select`), and may
    change the guess and the target. A number (`Regression`) has no confidence: its
    guess is always trusted, and no threshold applies.

    Args:
        lambda_u: weight of the unlabelled part; 1 in most papers. Much above, wrong
            pseudo-labels outvote the labels; much below, it is supervised training.
        joint_forward: False runs the weak view by itself without gradient, which saves
            a third of the arithmetic and half of the memory. True is the papers' single
            forward over all views. `forward_views` says what differs.
        teacher_decay: 0, as in the papers: the network itself answers the weak view.
            0.99: a teacher does, the average of about the last hundred networks
            (Tarvainen and Valpola 2017, arXiv:1703.01780), with the running statistics
            of batch normalisation, as it would be evaluated. It is confident later and
            changes its mind more slowly, so fewer early mistakes are confirmed. Then
            `joint_forward` has no effect.
    """

    views: ClassVar[tuple[str, ...]] = ("weak", "strong")

    lambda_u: float = 1.0
    joint_forward: bool = False
    teacher_decay: float = 0.0

    def train(self, mode: bool = True) -> "ConsistencyMethod":
        """Set the mode of what is remembered; a teacher answers as in evaluation."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield a supervised and an unsupervised term per head."""
        (x,), (weak, *others) = batch.labeled, batch.views
        (out_x, out_s, *out_others), (out_w,) = forward_views(
            model, [x, *others], [weak], self.joint_forward, self.teacher
        )
        yield from self.supervised(model, out_x, batch.targets)
        step = Step(batch, out_x, out_w, out_s, tuple(out_others))
        yield from self.unsupervised(self.guesses(model, step))

    def guesses(self, model: nn.Module, step: Step) -> list[Guess]:
        """Return the guess of every head."""
        return [
            Guess(name, head, self.probabilities(name, head, step), step)
            for name, head in heads_of(model)
        ]

    def unsupervised(self, guesses: list[Guess]) -> Iterator[tuple[str, Tensor]]:
        """Yield the unsupervised term of each head."""
        for guess in guesses:
            name, head, _, step = guess
            target, weight = self.answer(guess)
            target, weight, visible = as_strong(head, step.batch, target, weight)
            self.report(name, target, weight, visible)
            loss = masked_mean(head.loss(step.out_s[name], target), weight, visible)
            yield f"{name}/unsupervised", self.lambda_u * loss

    def answer(self, guess: Guess) -> tuple[Tensor, Tensor]:
        """Return what the strong view should say, and how much each guess counts."""
        if not guess.head.class_shape:
            return guess.head.harden(guess.probs)
        return self.target(guess), self.select(guess)

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Turn a head's scores of the weak view into probabilities."""
        return head.probabilities(step.out_w[name])

    def target(self, guess: Guess) -> Tensor:
        """Return the answer that the strong view should give: the likeliest class."""
        return guess.head.harden(guess.probs)[0]

    def select(self, guess: Guess) -> Tensor:
        """Return how much each guess counts, in [0, 1]: (mu*B,), (mu*B, H, W), ..."""
        raise NotImplementedError


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

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Return the probabilities of the weak view, at a temperature, aligned."""
        probs = head.probabilities(step.out_w[name], self.temperature)
        return self.aligned(name, probs)

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches the threshold, else 0."""
        return guess.head.confident(guess.probs, self.threshold)


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
