"""The methods before FixMatch: supervised, Pseudo-Label, Mean Teacher and UDA."""

__all__ = ["UDA", "MeanTeacher", "PseudoLabel", "RampUp", "Supervised"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from workshop_lib.losses.pseudo_labels import masked_mean, sharpen
from workshop_lib.methods.base import (
    Batch,
    Method,
    TrainingSize,
    as_strong,
    forward_views,
    heads_of,
)
from workshop_lib.methods.fixmatch import FixMatch, Guess, Step
from workshop_lib.models.heads import Head
from workshop_lib.models.model import averaged_copy


@dataclass(eq=False)
class Supervised(Method):
    """Cross-entropy on labelled images: the baseline for every other method.

    The network sees the few labelled images again and again, each time in another view.
    With four labels per class it soon memorises them, and only the augmentation makes
    it learn more than that. The gain of a semi-supervised method is its distance from
    the better of the two labelled views, with the same labels and steps.

        L = 1/B sum_b H(y_b, softmax(f(view(x_b))))

    Args:
        labeled_view: "weak" (flips and shifts) is FixMatch's own treatment of labelled
            images; "strong" (colour, geometry, cutout) is usually the better baseline
            when labels are few. To compare FixMatch with "weak" alone flatters it: part
            of its gain is then only augmentation.
    """

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield one supervised term per head."""
        yield from self.supervised(model, model(batch.labeled[0]), batch.targets)


class RampUp(nn.Module):
    """Factor for the weight of unlabelled images, by the number of steps done.

    In the first steps the network knows nothing, and what it believes about unlabelled
    images is worth nothing. A confidence threshold keeps such images out by itself; a
    method without one has to wait.

        t = min(1, step / length)
        linear: t          (Lee 2013, eq. 16)
        bell:   exp(-5 (1 - t)^2)          (Laine and Aila 2017, section 3)

    Args:
        length: steps until the factor is 1; 0 is 1 from the start.
        shape: "linear", or "bell": slower at first, from 0.007.

    The step is a buffer: a resumed training continues where it stopped.
    """

    step: Tensor

    def __init__(
        self, length: float, shape: Literal["linear", "bell"] = "linear"
    ) -> None:
        super().__init__()
        self.length, self.shape = length, shape
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Tensor:
        """Return the factor, a scalar in [0, 1] on the buffer's device."""
        if self.length == 0:
            return torch.ones((), device=self.step.device)
        t = (self.step / self.length).clamp(max=1)
        return t if self.shape == "linear" else torch.exp(-5 * (1 - t) ** 2)

    def advance(self) -> None:
        """Count one step of the optimiser."""
        self.step += 1


@dataclass(eq=False)
class PseudoLabel(Method):
    """Train on the network's own answers as if they were labels.

    The oldest and simplest way: the likeliest class of an unlabelled image becomes its
    label, in the same view. Confident predictions become more confident, which moves
    the decision boundary out of the crowds of images into the gaps between them. There
    is no second view to learn from: what the network has not understood, it cannot
    learn from itself, and that is what FixMatch's strong view adds.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u(step) / (mu B) sum_i mask_i H(argmax q_i, f(weak(u_i)))
        mask_i = 1 if max q_i >= threshold else 0,    q_i = softmax(f(weak(u_i)))

    Numbers (`Regression`) are left to the supervised term: in the same view a
    prediction always agrees with itself.

    Source: Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning
    Method for Deep Neural Networks", eq. 15 and 16. The paper has no threshold (here:
    0) and weighs the unlabelled part with up to 3; a threshold of 0.95 and a weight of
    1 became usual with later comparisons.

    Args:
        labeled_view: augmentation of labelled images; usually "weak".
        threshold: confidence from which a pseudo-label counts, usually 0.95. Too low:
            the network confirms its mistakes from the first step on.
        alignment, momentum: as in `FixMatch` (not in the paper); without alignment one
            class easily swallows the others.
        lambda_u: weight of the unlabelled part after the ramp-up, usually 1.
        ramp_up: fraction of the steps in which that weight rises linearly from 0,
            usually 0.4. Too short: pseudo-labels of an untrained network are learned as
            truth; too long: nothing is learned from unlabelled images until the end.
    """

    views: ClassVar[tuple[str, ...]] = ("weak",)

    threshold: float = 0.95
    alignment: bool = False
    momentum: float = 0.99
    lambda_u: float = 1.0
    ramp_up: float = 0.4

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start the ramp-up."""
        super().setup(model, size)
        self.ramp = RampUp(self.ramp_up * size.steps)

    def after_step(self, model: nn.Module) -> None:
        """Count the step, for the ramp-up."""
        self.ramp.advance()

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield a supervised and an unsupervised term per head."""
        (x,), (weak,) = batch.labeled, batch.views
        (out_x, out_u), _ = forward_views(model, [x, weak])
        yield from self.supervised(model, out_x, batch.targets)
        for name, head in heads_of(model):
            if not head.class_shape:
                continue
            probs = self.aligned(name, head.probabilities(out_u[name]))
            target, _ = head.harden(probs)
            weight = head.confident(probs, self.threshold)
            self.report(name, target, weight)
            loss = masked_mean(head.loss(out_u[name], target), weight)
            yield f"{name}/unsupervised", self.lambda_u * self.ramp() * loss


@dataclass(eq=False)
class MeanTeacher(Method):
    """Let a slowly moving average of the network teach the network.

    The average of the last hundred networks errs less than any of them, so its answers
    are better targets than one's own. The student is shown another view and drawn
    towards the whole distribution of the teacher, doubtful answers included; the
    teacher follows the student's weights and learns nothing by itself. A squared error
    cannot explode where the teacher is wrong, but it is also small where both are
    undecided: hence the large weight.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u(step) / (mu B K) sum_i |p_i - q_i|^2
        p_i = softmax(f(strong(u_i))),  q_i = softmax(t(weak(u_i)))
        t <- d t + (1 - d) f, after each step

    Source: Tarvainen and Valpola 2017, "Mean teachers are better role models",
    arXiv:1703.01780. Both networks are in training mode: the teacher normalises with
    its batch's statistics. The paper's student sees a second weak view, which teaches
    less than the strong one of later comparisons.

    Args:
        labeled_view: augmentation of labelled images; usually "weak".
        teacher_decay: d, 0.99 for a few thousand steps, 0.999 in long runs. Too high:
            the teacher is still the random network of the start; too low: it is the
            student, and teaches nothing.
        lambda_u: weight after the ramp-up, 50 to 100. Too high: student and teacher
            agree on one answer for all images before the labels have had an effect.
        ramp_up: fraction of the steps in which that weight rises from near 0 along a
            bell curve, usually 0.4.
    """

    views: ClassVar[tuple[str, ...]] = ("weak", "strong")

    teacher_decay: float = 0.999
    lambda_u: float = 50.0
    ramp_up: float = 0.4

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make the teacher, a copy of the model before the first step."""
        self.ramp = RampUp(self.ramp_up * size.steps, shape="bell")
        self.teacher = averaged_copy(model)

    def after_step(self, model: nn.Module) -> None:
        """Let the teacher follow the student, and count the step."""
        super().after_step(model)
        self.ramp.advance()

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield a supervised and an unsupervised term per head."""
        (x,), (weak, strong) = batch.labeled, batch.views
        (out_x, out_s), (out_t,) = forward_views(
            model, [x, strong], [weak], teacher=self.teacher
        )
        yield from self.supervised(model, out_x, batch.targets)
        for name, head in heads_of(model):
            probs = head.probabilities(out_t[name])
            answer, sure = head.harden(probs)
            weight = torch.ones_like(sure)  # every answer counts
            answer, weight, visible = as_strong(head, batch, answer, weight)
            self.report(name, answer, weight, visible)
            if head.class_shape:
                wanted = batch.follow(probs) if head.dense else probs
                error = (head.distribution(out_s[name]) - wanted).square().mean(dim=1)
            else:
                error = head.loss(out_s[name], probs)
            loss = masked_mean(error, weight, visible)
            yield f"{name}/unsupervised", self.lambda_u * self.ramp() * loss


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
