"""Consistency: what the network says of the weak view teaches the strong view."""

__all__ = ["ConsistencyMethod", "Guess", "Step"]

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.methods.base import (
    Batch,
    Method,
    Outputs,
    TrainingSize,
    as_strong,
    forward_views,
    heads_of,
)
from workshop_lib.models.heads import Head
from workshop_lib.models.model import ema_update_weights_


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

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make the teacher, a copy of the model before the first step, if asked for."""
        if self.teacher_decay:
            self.teacher = copy.deepcopy(model).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "ConsistencyMethod":
        """Set the mode of what is remembered; a teacher answers as in evaluation."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def after_step(self, model: nn.Module) -> None:
        """Let the teacher follow the network."""
        if self.teacher is not None:
            ema_update_weights_(self.teacher, model, self.teacher_decay)

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
