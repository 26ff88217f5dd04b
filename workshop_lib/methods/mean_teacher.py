"""Mean Teacher: agree with the average of one's own recent past."""

__all__ = ["MeanTeacher", "mean_teacher_loss"]

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.consistency import pseudo_label, supervised_loss
from workshop_lib.losses.ramp_up import RampUp
from workshop_lib.methods.forward import forward_views
from workshop_lib.methods.protocol import Batch, LossTerms, Method
from workshop_lib.models.average import follow_weights


def mean_teacher_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_teacher: Tensor,
    logits_student: Tensor,
    lambda_u: Tensor | float = 50.0,
) -> LossTerms:
    """Compute Mean Teacher's loss from logits; none flows into `logits_teacher`.

    Shape: `logits_x` (B, K), `y` (B,), `logits_teacher` and `logits_student` (mu*B, K)
    -> `LossTerms` with parts loss_x, loss_u, mask_rate (1: every image counts).
    """
    loss_x = supervised_loss(logits_x, y)

    target = pseudo_label(logits_teacher)  # (mu*B, K), no gradient
    probs = torch.softmax(logits_student.to(target.dtype), dim=1)  # (mu*B, K)
    loss_u = F.mse_loss(probs, target)

    mask = torch.ones_like(target[:, 0])  # (mu*B,)
    return LossTerms(
        total=loss_x + lambda_u * loss_u,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "mask_rate": mask.mean(),
        },
        pseudo_labels=target.argmax(dim=1),
        mask=mask,
    )


class MeanTeacher(Method):
    """Let a slowly moving average of the network teach the network.

    The average of the last hundred networks errs less than any of them, so its answers
    are better targets than one's own. The student is shown another view and drawn
    towards the whole distribution of the teacher, unsure answers included; the teacher
    follows the student's weights and learns nothing by itself. A squared error cannot
    explode where the teacher is wrong, but it also is small where both are unsure:
    hence the large weight.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u(step) / (mu B K) sum_i |p_i - q_i|^2
        p_i = softmax(f(strong(u_i))),  q_i = softmax(t(weak(u_i)))
        t <- d t + (1 - d) f, after each step

    Source: Tarvainen and Valpola 2017, "Mean teachers are better role models". Both
    networks are in training mode: the teacher normalises with its batch's statistics.

    Args:
        steps: of the whole training, which the ramp-up is a share of.
        labeled_view: augmentation of labeled images; "weak" as a rule.
        student_view: "strong", as in later comparisons. "weak" is the paper's: two weak
            views, which teach less.
        ema_decay: d, 0.99 for a few thousand steps, 0.999 in long runs. Too high: the
            teacher is still the random network of the start; too low: it is the
            student, and teaches nothing.
        lambda_u: weight after the ramp-up, 50 to 100. Too high: student and teacher
            agree on one answer for all images before the labels were heard.
        ramp_up: share of the steps in which that weight rises from near 0 along a bell
            curve, usually 0.4.
    """

    knobs = ("steps", "labeled_view", "ema_decay", "lambda_u", "ramp_up")

    def __init__(
        self,
        *,
        steps: int,
        labeled_view: str = "weak",
        student_view: str = "strong",
        ema_decay: float = 0.999,
        lambda_u: float = 50.0,
        ramp_up: float = 0.4,
    ) -> None:
        super().__init__()
        self.labeled_views = (labeled_view,)
        self.views = ("weak", student_view)
        self.ema_decay = ema_decay
        self.lambda_u = lambda_u
        self.ramp = RampUp(ramp_up * steps, shape="bell")
        self.teacher: nn.Module | None = None

    def attach(self, model: nn.Module, num_images: int, num_unlabeled: int) -> None:
        """Make the teacher, a copy of the model as it is before the first step."""
        self.teacher = copy.deepcopy(model).requires_grad_(False)

    def after_step(self, model: nn.Module) -> None:
        """Let the teacher follow the student, and count the step."""
        follow_weights(self._teacher(), model, self.ema_decay)
        self.ramp.advance()

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `mean_teacher_loss`.

        Raises:
            WorkshopError: other views than one labeled and two unlabeled ones, or no
                teacher yet.
        """
        x, for_teacher, for_student = self.views_of(batch)
        with torch.no_grad():
            logits_teacher = self._teacher()(for_teacher).logits  # (mu*B, K)
        (of_x, of_student), _ = forward_views(model, [x, for_student])
        return mean_teacher_loss(
            of_x.logits,
            batch.y_lab,
            logits_teacher,
            of_student.logits,
            lambda_u=self.lambda_u * self.ramp(),
        )

    def _teacher(self) -> nn.Module:
        if self.teacher is None:
            raise WorkshopError(
                "there is no teacher yet: call attach(model, num_images,"
                " num_unlabeled) once before the first step."
            )
        return self.teacher
