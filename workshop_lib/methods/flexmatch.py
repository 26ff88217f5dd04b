"""FlexMatch: a lower threshold for the classes that are harder to learn."""

__all__ = ["CurriculumThreshold", "FlexMatch", "flexmatch_loss"]

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.consistency import (
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.methods.weak_strong import WeakStrong
from workshop_lib.ranks import gather_rows

UNSURE = -1  # of an image that has not been over the threshold yet


class CurriculumThreshold(nn.Module):
    """Remember each image's last sure label; ask less of the classes met rarely.

        beta_k = count_k / max_j count_j
        threshold_k = threshold beta_k / (2 - beta_k)

    where count_k is the number of images whose last sure label is k, and with
    `warm_up` the images without any count as one more class in the maximum.

    Args:
        num_classes: K.
        num_images: entries of the memory; `index` counts in it.
        num_unlabeled: how many of them are ever drawn.
        threshold: of a class learnt best.
        warm_up: see above; keeps all thresholds low until most images had their turn.

    `label` (num_images + 1,) and `learnt` = beta (K,) are buffers, and change in
    training mode only.
    """

    label: Tensor
    learnt: Tensor

    def __init__(
        self,
        num_classes: int,
        num_images: int,
        num_unlabeled: int,
        threshold: float = 0.95,
        warm_up: bool = True,
    ) -> None:
        super().__init__()
        self.never_drawn = num_images - num_unlabeled
        self.threshold = threshold
        self.warm_up = warm_up
        # One entry more than images: a bin for the answers that are not kept.
        self.register_buffer("label", torch.full((num_images + 1,), UNSURE))
        self.register_buffer("learnt", torch.zeros(num_classes))

    def forward(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return the mask by the thresholds of before this batch, then remember it.

        Shape: `probs` (N, K), `index` (N,) int64 -> (N,) of 0 and 1.
        """
        confidence, pseudo = probs.max(dim=1)  # (N,), (N,)
        beta = self.learnt[pseudo].to(probs.dtype)  # (N,)
        mask = confidence >= self.threshold * beta / (2 - beta)
        if self.training:
            self._remember(index, confidence >= self.threshold, pseudo)
        return mask.to(probs.dtype)

    def _remember(self, index: Tensor, sure: Tensor, pseudo: Tensor) -> None:
        index, sure, pseudo = (gather_rows(rows) for rows in (index, sure, pseudo))
        bin_ = len(self.label) - 1
        # Not label[index[sure]]: how many are sure, a GPU would have to be asked.
        self.label[torch.where(sure, index, bin_)] = pseudo
        self.label[bin_] = UNSURE  # whichever came last: checkpoints must be alike

        label = self.label[:-1]  # (num_images,)
        counts = label.new_zeros(1 + len(self.learnt))  # (1 + K,), unsure ones first
        counts.index_add_(0, label - UNSURE, torch.ones_like(label))
        counts[0] -= self.never_drawn
        most = counts.max() if self.warm_up else counts[1:].max()
        learnt = counts[1:] / most.clamp_min(1)  # (K,)
        # Where all images agree, on one class or on none, there is nothing to compare.
        compare = counts.max() < counts.sum()
        self.learnt.copy_(torch.where(compare, learnt, self.learnt))


def flexmatch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    index: Tensor,
    curriculum: CurriculumThreshold,
    lambda_u: float = 1.0,
) -> LossTerms:
    """Compute FlexMatch's loss from logits, and move the curriculum on.

    Gradient flows through `logits_x` and `logits_u_s` only.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K), `index`
    (mu*B,) which images of the data set these are -> `LossTerms` with parts loss_x,
    loss_u, mask_rate, learnt (mean beta of the classes).
    """
    loss_x = supervised_loss(logits_x, y)

    probs = pseudo_label(logits_u_w)  # (mu*B, K), no gradient
    pseudo = probs.argmax(dim=1)  # (mu*B,)
    mask = curriculum(probs, index)  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, pseudo, mask)

    return LossTerms(
        total=loss_x + lambda_u * loss_u,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "mask_rate": mask.mean(),
            "learnt": curriculum.learnt.mean(),
        },
        pseudo_labels=pseudo,
        mask=mask,
    )


class FlexMatch(WeakStrong):
    """FixMatch with one threshold per class, lower where learning is behind.

    A fixed threshold lets the easy classes through and keeps the hard ones out, which
    therefore stay hard. FlexMatch counts for how many images each class has lately been
    over the threshold, takes that for how well the class is learnt, and lowers the
    threshold of the others. When all classes are learnt alike, it is FixMatch again.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(argmax q_i, f(strong(u_i)))
        mask_i = 1 if max q_i >= threshold_k with k = argmax q_i,  else 0
        q_i = softmax(f(weak(u_i)))

    with `CurriculumThreshold`'s thresholds, of before this step.

    Source: Zhang et al. 2021, "FlexMatch: Boosting Semi-Supervised Learning with
    Curriculum Pseudo Labeling", eq. 5 to 11.

    Args:
        num_classes: K.
        labeled_view, joint_forward: see `WeakStrong`; "weak" and True in the paper.
        threshold: of the class learnt best, and for being counted; 0.95. Too high: the
            thresholds stay near 0 for long, and every image counts, also the wrong.
        warm_up: True keeps all thresholds low until most images have been over the
            threshold once. False: two sure images at the start already set them.
        lambda_u: weight of the unlabeled part, 1.

    It has a memory of one label per image, made by `attach`.
    """

    knobs = (*WeakStrong.knobs, "num_classes", "threshold", "lambda_u")

    def __init__(
        self,
        *,
        num_classes: int,
        labeled_view: str = "weak",
        threshold: float = 0.95,
        warm_up: bool = True,
        lambda_u: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(labeled_view=labeled_view, joint_forward=joint_forward)
        self.num_classes = num_classes
        self.threshold = threshold
        self.warm_up = warm_up
        self.lambda_u = lambda_u
        self.curriculum: CurriculumThreshold | None = None

    def attach(self, model: nn.Module, num_images: int, num_unlabeled: int) -> None:
        """Make the memory of one label per image."""
        self.curriculum = CurriculumThreshold(
            self.num_classes, num_images, num_unlabeled, self.threshold, self.warm_up
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `flexmatch_loss` and `WeakStrong.logits`.

        Raises:
            WorkshopError: no memory yet, or the batch does not say which images it has.
        """
        if self.curriculum is None or batch.unlabeled_index is None:
            raise WorkshopError(
                "FlexMatch remembers a label per image: call attach(model, num_images,"
                " num_unlabeled) once, and give unlabeled_index with each batch."
            )
        logits_x, logits_u_w, logits_u_s = self.logits(model, batch)
        return flexmatch_loss(
            logits_x,
            batch.y_lab,
            logits_u_w,
            logits_u_s,
            batch.unlabeled_index,
            self.curriculum,
            lambda_u=self.lambda_u,
        )
