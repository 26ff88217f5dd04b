"""FixMatch: confident on the weak view, consistent on the strong one."""

__all__ = ["ConsistencyMethod", "FixMatch", "Guess", "alignments", "as_strong"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment
from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.methods.base import (
    Batch,
    Method,
    Outputs,
    TrainingSize,
    check_ranges,
    forward_views,
    heads_of,
    identity,
)
from workshop_lib.models.heads import Head


class Guess(NamedTuple):
    """The answer of one head to the weak views of a step, without gradient."""

    name: str
    head: Head
    probs: Tensor  # (mu*B, K), (mu*B, K, H, W) or (mu*B, 2, K)
    labeled: Tensor  # the same head's answer to the labelled images
    images: Tensor | None  # (mu*B,) which images of the data set these are


@dataclass(eq=False)
class ConsistencyMethod(Method):
    """A method whose weak view of an image teaches its strong view.

    For each head: guess on the weak view, decide how much each guess counts, and ask
    the strong view for the same answer. Subclasses say how much (`select`), and may
    change the target. A number (`Regression`) has no confidence: its guess is always
    trusted, and no threshold applies.

    Args:
        lambda_u: weight of the unlabelled part; 1 in most papers. Much above, wrong
            pseudo-labels outvote the labels; much below, it is supervised training.
        joint_forward: False runs the weak view by itself without gradient, which saves
            a third of the arithmetic and half of the memory. True is the papers' single
            forward over all views. `forward_views` says what differs.
    """

    views: ClassVar[tuple[str, ...]] = ("weak", "strong")

    lambda_u: float = 1.0
    joint_forward: bool = False

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield a supervised and an unsupervised term per head."""
        self.check_views(batch)
        (x,), (weak, strong) = batch.labeled, batch.views
        (out_x, out_s), (out_w,) = forward_views(
            model, [x, strong], [weak], joint=self.joint_forward
        )
        yield from self.supervised(model, out_x, batch.targets)
        guesses = self.guesses(model, out_w, out_x, batch)
        yield from self.unsupervised(model, guesses, out_w, out_s, batch)

    def guesses(
        self, model: nn.Module, out_w: Outputs, out_x: Outputs, batch: Batch
    ) -> dict[str, Guess]:
        """Return the guess of every head that has classes."""
        heads = [(name, head) for name, head in heads_of(model) if head.class_shape]
        return {
            name: self.guess(name, head, out_w, out_x, batch) for name, head in heads
        }

    def unsupervised(
        self,
        model: nn.Module,
        guesses: dict[str, Guess],
        out_w: Outputs,
        out_s: Outputs,
        batch: Batch,
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the unsupervised term of each head."""
        for name, head in heads_of(model):
            if name in guesses:
                target, weight = self.target(guesses[name]), self.select(guesses[name])
            else:
                target, weight = head.pseudo_label(out_w[name])
            target, weight, visible = as_strong(head, batch, target, weight)
            self.report(name, target, weight, visible)
            loss = masked_mean(head.loss(out_s[name], target), weight, visible)
            yield f"{name}/unsupervised", self.lambda_u * loss

    def guess(
        self, name: str, head: Head, out_w: Outputs, out_x: Outputs, batch: Batch
    ) -> Guess:
        """Turn a head's scores of the weak view into probabilities."""
        probs, labeled = (head.probabilities(out[name]) for out in (out_w, out_x))
        return Guess(name, head, probs, labeled, batch.index)

    def target(self, guess: Guess) -> Tensor:
        """Return the answer that the strong view should give: the likeliest class."""
        return guess.head.harden(guess.probs)[0]

    def select(self, guess: Guess) -> Tensor:
        """Return how much each guess counts, in [0, 1]: (mu*B,), (mu*B, H, W), ..."""
        raise TypeError(f"{type(self).__name__} does not define select(guess)")


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
        labeled_view, lambda_u, joint_forward: see `ConsistencyMethod`; "weak", 1 and
            True in the paper.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, fractions=["threshold"], positive=["temperature"])
        self.align = nn.ModuleDict()

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start an alignment per head, if asked for."""
        if self.alignment:
            self.align = alignments(model, self.momentum)

    def guess(
        self, name: str, head: Head, out_w: Outputs, out_x: Outputs, batch: Batch
    ) -> Guess:
        """Return the probabilities of the weak view, at a temperature, aligned."""
        guess = super().guess(name, head, out_w, out_x, batch)
        if self.temperature != 1:
            probs = head.probabilities(out_w[name], self.temperature)
            guess = guess._replace(probs=probs)
        if name in self.align:
            guess = guess._replace(probs=self.align[name](guess.probs))
        return guess

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches the threshold, else 0."""
        return guess.head.confident(guess.probs, self.threshold)


def as_strong(
    head: Head, batch: Batch, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Move pseudo-labels of pixels to where the strong view shows them.

    Returns:
        Target, weight, and which pixels are visible there; the last is None where
        every element is, as for anything but pixels.
    """
    if not head.dense or batch.follow is identity:
        return target, weight, None
    follow = batch.follow
    return follow(target), follow(weight), follow(torch.ones_like(weight))


def alignments(model: nn.Module, momentum: float, **options: Any) -> nn.ModuleDict:
    """Return a distribution alignment for every head that has classes."""
    return nn.ModuleDict(
        {
            name: DistributionAlignment(
                head.class_shape, momentum, prior=head.prior, **options
            )
            for name, head in heads_of(model)
            if head.class_shape
        }
    )
