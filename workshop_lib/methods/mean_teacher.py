"""Mean Teacher: agree with a moving average of one's own weights."""

__all__ = ["MeanTeacher"]

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.losses.ramp_up import RampUp
from workshop_lib.methods.base import (
    Batch,
    Method,
    TrainingSize,
    check_ranges,
    forward_views,
    heads_of,
)
from workshop_lib.methods.fixmatch import as_strong
from workshop_lib.models.heads import Head
from workshop_lib.models.model import ema_update_weights_


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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, fractions=["teacher_decay", "ramp_up"])
        self.ramp = RampUp(0, shape="bell")
        self.teacher: nn.Module | None = None

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make the teacher, a copy of the model before the first step."""
        self.ramp = RampUp(self.ramp_up * size.steps, shape="bell")
        self.teacher = copy.deepcopy(model).requires_grad_(False)

    def after_step(self, model: nn.Module) -> None:
        """Let the teacher follow the student, and count the step."""
        ema_update_weights_(self._teacher(), model, self.teacher_decay)
        self.ramp.advance()

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield a supervised and an unsupervised term per head."""
        self.check_views(batch)
        with torch.no_grad():
            out_teacher = self._teacher()(batch.views[0])
        (out_x, out_s), _ = forward_views(model, [batch.labeled[0], batch.views[1]])
        yield from self.supervised(model, out_x, batch.targets)
        for name, head in heads_of(model):
            answer, weight = head.pseudo_label(out_teacher[name])
            weight = torch.ones_like(weight)  # every answer counts
            answer, weight, visible = as_strong(head, batch, answer, weight)
            self.report(name, answer, weight, visible)
            error = self._error(head, out_s[name], out_teacher[name], batch)
            loss = masked_mean(error, weight, visible)
            yield f"{name}/unsupervised", self.lambda_u * self.ramp() * loss

    def _error(self, head: Head, out_s: Tensor, out_t: Tensor, batch: Batch) -> Tensor:
        """Return the squared difference of probabilities; of numbers their loss."""
        if not head.class_shape:
            return head.loss(out_s, head.pseudo_label(out_t)[0])
        target = head.probabilities(out_t)
        if head.dense:
            target = batch.follow(target)
        return (head.distribution(out_s) - target).square().mean(dim=1)

    def _teacher(self) -> nn.Module:
        if self.teacher is None:
            raise WorkshopError(
                "there is no teacher yet: call setup(model, size) once before the first"
                " step."
            )
        return self.teacher
