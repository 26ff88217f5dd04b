"""Contrastive methods compare the embeddings of a third view: CCSSL and CoMatch."""

__all__ = ["CCSSL", "CCSSLCoMatch", "CoMatch", "ContrastiveMethod"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.losses.contrastive import (
    class_aware_contrast,
    contrast_weights,
    graph_contrast,
    pseudo_label_graph,
)
from workshop_lib.losses.memory import MovingAverageAlignment, PseudoLabelMemory
from workshop_lib.methods.base import TrainingSize, heads_of, scene_head
from workshop_lib.methods.fixmatch import FixMatch, Guess, Step
from workshop_lib.models.heads import Head
from workshop_lib.ranks import gather_rows, gather_rows_with_gradient


@dataclass(eq=False)
class ContrastiveMethod(FixMatch):
    """FixMatch, and a comparison of embeddings by the pseudo-labels of the scene.

    The weak view is asked for a pseudo-label, the strong one learns it, and the
    embeddings of the strong and of the contrastive view are compared. The comparison
    goes by one class per image, so it needs exactly one head with a class per scene;
    other heads are taught as by `FixMatch`.

    Args:
        lambda_c: weight of the contrastive part; 1. Too high for the learning rate, and
            the classes are not learned any more.
        others: see `FixMatch`.

    Raises:
        WorkshopError: in `setup`, a model that has no head with a class per scene or
            several, or no projection head: its features are not of unit length.
    """

    views: ClassVar[tuple[str, ...]] = ("weak", "strong", "contrastive")
    needs_projection: ClassVar[bool] = True

    lambda_c: float = 1.0

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Find the head whose pseudo-labels compare embeddings."""
        self.scene = scene_head(model, type(self).__name__)
        super().setup(model, size)

    def unsupervised(self, guesses: list[Guess]) -> Iterator[tuple[str, Tensor]]:
        """Yield FixMatch's terms, then the contrastive ones."""
        yield from super().unsupervised(guesses)
        (guess,) = (g for g in guesses if g.name == self.scene)
        # Images are compared with those of all ranks
        views = (guess.step.out_s, *guess.step.others)
        z_s, z_c = (gather_rows_with_gradient(out["projection"]) for out in views)
        for name, loss in self.contrast(gather_rows(guess.probs), z_s, z_c).items():
            yield name, self.lambda_c * loss

    def contrast(self, probs: Tensor, z_s: Tensor, z_c: Tensor) -> dict[str, Tensor]:
        """Compare the embeddings of the strong and of the contrastive view.

        Shape: pseudo-labels (mu*B, K), embeddings (mu*B, D) twice -> scalars by name.
        """
        raise NotImplementedError


@dataclass(eq=False)
class CCSSL(ContrastiveMethod):
    """Gather embeddings by pseudo-label, each image weighted by its confidence.

    A confirmed mistake is FixMatch's weak point; contrast between images without
    classes does not make any, but also pushes images of one class apart. Class-aware
    contrast pulls images with the same pseudo-label together, by the product of their
    confidences: wrong labels, mostly doubtful ones, hardly count. All images take part,
    even those below FixMatch's threshold. Images that belong to no class at all can be
    told from the rest by their confidence and are contrasted one by one.

        L = FixMatch + lambda_c contrast_temperature / 0.07 * 1/2N sum_a l_a
        l_a = - sum_{b != a} w_ab log p_ab / sum_{b != a} w_ab      (N = mu B, 2N views)
        p_ab = share of exp(z_a . z_b / contrast_temperature) among all b != a
        w_ab = c_a c_b if the pseudo-labels are the same, else 0; 1 for the other view

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning",
    arXiv:2203.02261; see `class_aware_contrast` for where its implementation differs
    from its text.

    Args:
        labeled_view, threshold, temperature, lambda_u: see `FixMatch`.
        joint_forward, teacher_decay: see `FixMatch`.
        alignment, momentum: as in `FixMatch` (the paper does not); the confidences of
            the contrast are those after alignment.
        ood_threshold: confidence below which an image is contrasted by itself; 0 leaves
            that out, 0.9 where unlabelled images are of foreign classes. Too high:
            plain contrast of images, which pushes classes apart.
        contrast_temperature: 0.07 in the paper. Lower looks only at the nearest.
        lambda_c: weight of the contrast; 1, 2 in the paper on Semi-iNat. The loss is
            large by nature (the logarithm of 2 mu B); what counts is its gradient.
    """

    ood_threshold: float = 0.0
    contrast_temperature: float = 0.07

    def contrast(self, probs: Tensor, z_s: Tensor, z_c: Tensor) -> dict[str, Tensor]:
        """Return the class-aware contrast."""
        weights = contrast_weights(probs, self.ood_threshold)
        loss = class_aware_contrast(z_s, z_c, weights, self.contrast_temperature)
        return {"contrast": loss}


@dataclass(eq=False)
class CoMatch(ContrastiveMethod):
    """Smooth pseudo-labels over neighbours; make neighbours of equal pseudo-labels.

    The network gives each image two things: class probabilities, and an embedding on
    the unit sphere. A pseudo-label is mixed with those of recent images whose
    embeddings are near, so that one odd answer is outvoted by its neighbourhood. In
    turn the embeddings of two views are trained to be neighbours where pseudo-labels
    agree, so that neighbourhoods become classes.

        p_i = alignment(softmax(f(weak(u_i)) / temperature))
        q_i = memory_weight p_i + (1 - memory_weight) recall(z(weak(u_i)))
        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(q_i, f(strong(u_i)))
          + lambda_c / (mu B) sum_i H(W_i, S_i)
        W: which pseudo-labels q agree; S: which embeddings are near, strong against
        contrastive view (`pseudo_label_graph`, `graph_contrast`)

    With several ranks the graph is that of the global batch.

    Source: Li, Xiong and Hoi 2021, "CoMatch: Semi-supervised Learning with Contrastive
    Graph Regularization", arXiv:2011.11183. Its implementation counts steps in an
    epoch, and in later epochs smooths with a memory that may still be partly empty;
    here smoothing starts with the first step that finds the memory full.

    Args:
        labeled_view, joint_forward, teacher_decay, temperature: see `FixMatch`. The
            labelled embeddings that enter the memory come from the pass with gradient
            in any case, and are cut from the graph.
        alignment, momentum: for other heads than the scene's, as in `FixMatch`. The
            scene's alignment over `alignment_batches` is part of the method.
        threshold: confidence, after smoothing, from which a pseudo-label counts; 0.95
            in the paper, 0.8 when you can afford only a few thousand steps. Smoothing
            lowers confidence: too high a threshold leaves the mask rate at 0 for longer
            than in FixMatch.
        alignment_batches: window of the distribution alignment; 32. See
            `MovingAverageAlignment`.
        queue_batches: steps that the memory reaches back; 5. Long memories hold
            embeddings of a network that has changed since.
        memory_weight: weight of the classifier's own answer; 0.9. At 1 the memory is
            not asked; much lower, an early embedding, which knows nothing, decides.
        graph_threshold: agreement from which two images are to be neighbours; 0.8. Too
            low: images of different classes are pulled together, and everything
            collapses; at 1 only the two views of an image are.
        graph_temperature: of both comparisons of embeddings; 0.2.
        lambda_u: weight of the unlabelled part; 1 in the paper, 10 on ImageNet.
        lambda_c: weight of the contrastive part; 1, 5 on STL-10, 10 on ImageNet.
    """

    alignment_batches: int = 32
    queue_batches: int = 5
    memory_weight: float = 0.9
    graph_threshold: float = 0.8
    graph_temperature: float = 0.2

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Make alignment and memory of the scene's classes."""
        super().setup(model, size)
        if self.scene in self.align:
            del self.align[self.scene]
        (K,) = dict(heads_of(model))[self.scene].class_shape
        D = model.projection.out_features  # type: ignore[union-attr]
        self.window = MovingAverageAlignment(K, self.alignment_batches)
        length = self.queue_batches * (size.mu + 1) * size.batch_size
        self.memory = PseudoLabelMemory(length, D, K)  # type: ignore[arg-type]

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Return aligned and smoothed pseudo-labels of the scene; see `smooth`."""
        probs = super().probabilities(name, head, step)
        if name != self.scene:
            return probs
        y = step.batch.targets[name][:, None]  # (B, 1)
        labels = F.one_hot(y[:, 0].clamp_min(0), probs.shape[1])  # (B, K)
        own = head.probabilities(step.out_x[name])
        labels = torch.where(y >= 0, labels, own)  # unknown: own answer
        z_w, z_x = step.out_w["projection"], step.out_x["projection"]
        return self.smooth(probs, z_w, z_x, labels)

    @torch.no_grad()
    def smooth(self, probs: Tensor, z_w: Tensor, z_x: Tensor, labels: Tensor) -> Tensor:
        """Return aligned and smoothed pseudo-labels, and remember this batch.

        Smoothing asks the memory as it was before this batch. What is remembered is
        aligned but not smoothed, or a mistake would confirm itself; labelled images
        enter with their label.

        Shape: `probs` (mu*B, K), `z_w` (mu*B, D), `z_x` (B, D), `labels` (B, K)
        one-hot -> (mu*B, K) without gradient.
        """
        aligned = self.window(probs)  # (mu*B, K)
        smoothed = self.memory.smooth(
            aligned, z_w, weight=self.memory_weight, temperature=self.graph_temperature
        )
        if self.training:
            self.memory.push(z_w, aligned)
            self.memory.push(z_x, labels)
        return smoothed

    def target(self, guess: Guess) -> Tensor:
        """Return soft labels for the scene, unlike FixMatch; hard ones elsewhere."""
        return guess.probs if guess.name == self.scene else super().target(guess)

    def contrast(self, probs: Tensor, z_s: Tensor, z_c: Tensor) -> dict[str, Tensor]:
        """Return the contrast of embeddings on the graph of pseudo-labels."""
        graph = pseudo_label_graph(probs, self.graph_threshold)
        return {"contrast": graph_contrast(z_s, z_c, graph, self.graph_temperature)}


@dataclass(eq=False)
class CCSSLCoMatch(CoMatch, CCSSL):
    """CoMatch with class-aware contrast added.

    CoMatch's graph connects images whose pseudo-labels agree and compares one view with
    the other. Class-aware contrast compares all views with each other, and weighs by
    confidence instead of cutting at a threshold. Both work on the same embeddings, and
    the pseudo-labels of both are smoothed.

        L = CoMatch + lambda_c class-aware contrast      (see `CCSSL`)

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning",
    arXiv:2203.02261.

    Args:
        ood_threshold, contrast_temperature: as in `CCSSL`.
        lambda_c: weight of each of the two contrasts; 1. They add up: where CoMatch
            alone is at its limit, halve it.
        others: see `CoMatch`.
    """

    def contrast(self, probs: Tensor, z_s: Tensor, z_c: Tensor) -> dict[str, Tensor]:
        """Return CoMatch's contrast and the class-aware one."""
        (loss,) = CCSSL.contrast(self, probs, z_s, z_c).values()
        return {**super().contrast(probs, z_s, z_c), "class_contrast": loss}
