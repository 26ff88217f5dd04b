"""Thresholds that adapt: FlexMatch, by class, and AdaMatch, to the labelled images."""

__all__ = ["AdaMatch", "CurriculumThreshold", "FlexMatch"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.losses.memory import per_class
from workshop_lib.methods.base import TrainingSize, alignments, per_head
from workshop_lib.methods.fixmatch import ConsistencyMethod, Guess, Step
from workshop_lib.models.heads import Head
from workshop_lib.ranks import gather_rows, mean_over_ranks


class CurriculumThreshold(nn.Module):
    """Remember each image's last confident label; ask less of the rarer classes.

        beta_k = count_k / max_j count_j
        threshold_k = threshold beta_k / (2 - beta_k)

    where count_k is the number of images whose last confident label is k, and with
    `warm_up` the images without any count as one more class in the maximum. A tile
    counts by fractions: the pixels that were confident when any last were. Of several
    labels per image each has its own counts, of absent and present.

    Args:
        class_shape: (K,), or (2, K) for several labels per image.
        num_images: entries of the memory; `index` counts in it.
        num_unlabeled: how many of them are ever drawn.
        threshold: of the class learned best.
        warm_up: see above; keeps all thresholds low until most images had their turn.

    `memory` (num_images + 1, 1 + K), fractions by class with "not confident yet" first,
    and `learned` = beta (K,) are buffers, and change in training mode only.
    """

    memory: Tensor
    learned: Tensor

    def __init__(
        self,
        class_shape: Sequence[int],
        num_images: int,
        num_unlabeled: int,
        threshold: float = 0.95,
        warm_up: bool = True,
    ) -> None:
        super().__init__()
        self.never_drawn = num_images - num_unlabeled
        self.threshold, self.warm_up = threshold, warm_up
        C, *labels = class_shape
        # One entry more than images: a bin for the answers that are not kept.
        memory = torch.zeros(num_images + 1, 1 + C, *labels)
        memory[:, 0] = 1
        self.register_buffer("memory", memory)
        self.register_buffer("learned", torch.zeros(*class_shape))

    def forward(self, probs: Tensor, index: Tensor) -> Tensor:
        """Return the mask by the thresholds before this batch, then remember it.

        Shape: `probs` (N, K), (N, K, H, W) or (N, 2, K), `index` (N,) int64 -> 0 and 1
        of shape (N,), (N, H, W) or (N, K).
        """
        confidence, pseudo = probs.max(dim=1)
        beta = per_class(self.learned, pseudo).to(probs.dtype)
        mask = confidence >= self.threshold * beta / (2 - beta)
        if self.training:
            self._remember(index, confidence >= self.threshold, pseudo)
        return mask.to(probs.dtype)

    def _remember(self, index: Tensor, sure: Tensor, pseudo: Tensor) -> None:
        index, sure, pseudo = (gather_rows(rows) for rows in (index, sure, pseudo))
        C = len(self.learned)
        classes = torch.where(sure, pseudo + 1, 0)  # 0: not confident
        found = F.one_hot(classes, 1 + C).movedim(-1, 1).to(self.memory.dtype)
        pixels = tuple(range(self.memory.ndim, found.ndim))  # of a dense head
        if pixels:
            found, sure = found.mean(pixels), sure.flatten(1).any(1)
        bin_ = len(self.memory) - 1
        # Not memory[index[sure]]: a GPU would have to be asked how many are confident.
        if sure.ndim == 1:
            self.memory[torch.where(sure, index, bin_)] = found
        else:  # several labels per image, each kept or replaced by itself
            keep = sure[:, None].expand_as(found)  # (N, 3, K)
            self.memory[index] = torch.where(keep, found, self.memory[index])
        self.memory[bin_] = 0  # whichever came last: checkpoints must be alike
        self.memory[bin_, 0] = 1

        counts = self.memory[:-1].sum(0)  # (1 + K,) or (3, K)
        counts[0] -= self.never_drawn
        most = counts.amax(0) if self.warm_up else counts[1:].amax(0)
        learned = counts[1:] / most.clamp_min(1)
        # Where all images agree, on one class or on none, there is nothing to compare.
        compare = counts.amax(0) < counts.sum(0)
        self.learned.copy_(torch.where(compare, learned, self.learned))


@dataclass(eq=False)
class FlexMatch(ConsistencyMethod):
    """FixMatch with one threshold per class, lower where learning is behind.

    A fixed threshold lets the easy classes through and keeps the hard ones out, which
    therefore stay hard. FlexMatch counts for how many images each class has lately been
    over the threshold, takes that for how well the class is learned, and lowers the
    threshold of the others. When all classes are learned alike, it is FixMatch again.

        mask_i = 1 if max q_i >= threshold_k with k = argmax q_i,  else 0

    with `CurriculumThreshold`'s thresholds from before this step.

    Source: Zhang et al. 2021, "FlexMatch: Boosting Semi-Supervised Learning with
    Curriculum Pseudo Labeling", arXiv:2110.08263, eq. 5 to 11.

    Args:
        labeled_view, lambda_u, joint_forward, teacher_decay: see `ConsistencyMethod`.
        threshold: of the class learned best, and for being counted; 0.95. Too high: the
            thresholds stay near 0 for long, and every image counts, even the wrong.
        warm_up: True keeps all thresholds low until most images have been over the
            threshold once. False: two confident images at the start already set them.
    """

    threshold: float = 0.95
    warm_up: bool = True

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make the memory of one entry per image, for every head with classes."""
        super().setup(model, size)
        how = size.num_images, size.num_unlabeled, self.threshold, self.warm_up
        self.curriculum = per_head(
            model, lambda head: CurriculumThreshold(head.class_shape, *how)
        )

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches the threshold of its class."""
        curriculum = cast(CurriculumThreshold, self.curriculum[guess.name])
        mask: Tensor = curriculum(guess.probs, guess.step.batch.index)
        self.log[f"{guess.name}/learned"] = curriculum.learned.mean()
        return mask


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
        labeled_view, lambda_u, joint_forward, teacher_decay: see `ConsistencyMethod`.
        threshold: fraction of the labelled confidence that counts; 0.9. With few
            labels, soon memorised, that confidence nears 1 and this is a fixed
            threshold.
        momentum: of the alignment's averages; 0.999, less in a short run.
    """

    threshold: float = 0.9
    momentum: float = 0.999

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start an alignment with the labelled predictions per head with classes."""
        super().setup(model, size)
        self.align = alignments(
            model, self.momentum, target="labeled", start="first batch"
        )

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Return the weak view's probabilities, aligned with the labelled ones."""
        probs, labeled = (head.probabilities(o[name]) for o in (step.out_w, step.out_x))
        return self.aligned(name, probs, labeled)

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches its fraction of the labelled one."""
        reached = mean_over_ranks(guess.labeled.amax(dim=1).mean())
        self.log[f"{guess.name}/threshold"] = self.threshold * reached
        mask = guess.probs.amax(dim=1) >= self.threshold * reached
        return mask.to(guess.probs.dtype)
