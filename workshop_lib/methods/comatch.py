"""CoMatch: classes and embeddings correct each other."""

__all__ = ["CoMatch", "comatch_loss"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.losses.consistency import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
    supervised_loss,
)
from workshop_lib.losses.graph_contrast import graph_contrast, pseudo_label_graph
from workshop_lib.losses.memory import PseudoLabelMemory
from workshop_lib.losses.window_alignment import WindowAlignment
from workshop_lib.methods.contrasting import Contrasting, check_knobs
from workshop_lib.methods.protocol import Batch, LossTerms
from workshop_lib.models.output import Output
from workshop_lib.ranks import gather_rows, gather_rows_with_gradient


def comatch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_s: Tensor,
    z_u_s: Tensor,
    z_u_c: Tensor,
    probs: Tensor,
    *,
    threshold: float = 0.95,
    graph_threshold: float = 0.8,
    graph_temperature: float = 0.2,
    lambda_u: float = 1.0,
    lambda_c: float = 1.0,
) -> LossTerms:
    """Compute CoMatch's loss, given the pseudo-labels of `CoMatch.pseudo_labels`.

    Gradient flows through all arguments but `y` and `probs`. With several ranks the
    graph is that of the global batch.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_s` (mu*B, K), embeddings `z_u_s` and
    `z_u_c` (mu*B, D) of unit length, `probs` (mu*B, K) -> `LossTerms` with parts
    loss_x, loss_u, loss_c, mask_rate.
    """
    loss_x = supervised_loss(logits_x, y)

    mask = confidence_mask(probs, threshold)  # (mu*B,)
    loss_u = consistency_loss(logits_u_s, probs, mask)  # soft labels, unlike FixMatch

    graph = pseudo_label_graph(gather_rows(probs), graph_threshold)  # (mu*B, mu*B)
    z_s, z_c = gather_rows_with_gradient(z_u_s), gather_rows_with_gradient(z_u_c)
    loss_c = graph_contrast(z_s, z_c, graph, graph_temperature)

    return LossTerms(
        total=loss_x + lambda_u * loss_u + lambda_c * loss_c,
        parts={
            "loss_x": loss_x.detach(),
            "loss_u": loss_u.detach(),
            "loss_c": loss_c.detach(),
            "mask_rate": mask.mean(),
        },
        pseudo_labels=probs.argmax(dim=1),
        mask=mask,
    )


class CoMatch(Contrasting):
    """Smooth pseudo-labels over neighbours; make neighbours of what is labeled alike.

    The network gives each image two things: class probabilities, and an embedding on
    the unit sphere. A pseudo-label is mixed with those of images seen lately whose
    embeddings are near, so that one odd answer is outvoted by its neighbourhood. In
    turn the embeddings of two views are trained to be neighbours where pseudo-labels
    agree, so that neighbourhoods become classes.

        p_i = alignment(softmax(f(weak(u_i)) / temperature))
        q_i = smoothing p_i + (1 - smoothing) recall(z(weak(u_i)))
        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i mask_i H(q_i, f(strong(u_i)))
          + lambda_c / (mu B) sum_i H(W_i, S_i)
        W: which pseudo-labels q agree; S: which embeddings are near, strong against
        contrastive view (`pseudo_label_graph`, `graph_contrast`)

    Source: Li, Xiong and Hoi 2021, "CoMatch: Semi-supervised Learning with Contrastive
    Graph Regularization". Its implementation counts steps in an epoch, and in later
    epochs smooths with a memory that may still be partly empty; here smoothing starts
    with the first step that finds the memory full.

    Args:
        num_classes: K.
        batch_size, mu: B and mu; with `queue_batches` they make the memory's size.
        labeled_view, projection_dim, joint_forward: see `Contrasting`. The labeled
            embeddings that enter the memory come from the pass with gradient in either
            case, and are cut from the graph.
        threshold: confidence, after smoothing, from which a pseudo-label counts; 0.95
            in the paper, 0.8 where only a few thousand steps are to be had. Smoothing
            lowers confidence: too high a threshold leaves `mask_rate` at 0 for longer
            than in FixMatch.
        temperature: of the pseudo-label's softmax; 1.
        alignment_batches: window of the distribution alignment, which is part of the
            method; 32. See `WindowAlignment`.
        queue_batches: steps that the memory reaches back; 5. Long memories hold
            embeddings of a network that has moved on.
        smoothing: weight of the classifier's own answer; 0.9. At 1 the memory is not
            asked; much lower, an early embedding, which knows nothing, decides.
        graph_threshold: agreement from which two images are to be neighbours; 0.8. Too
            low: images of different classes are pulled together, and everything
            collapses; at 1 only the two views of an image are.
        graph_temperature: of both comparisons of embeddings; 0.2.
        lambda_u: weight of the unlabeled part; 1 in the paper, 10 on ImageNet.
        lambda_c: weight of the contrastive part; 1, 5 on STL-10, 10 on ImageNet. Too
            high for the learning rate, and the classes are not learnt any more.
    """

    knobs: tuple[str, ...] = (
        *Contrasting.knobs,
        "num_classes",
        "batch_size",
        "mu",
        "threshold",
        "temperature",
        "queue_batches",
        "smoothing",
        "graph_threshold",
        "graph_temperature",
        "lambda_u",
        "lambda_c",
    )

    def __init__(
        self,
        *,
        num_classes: int,
        batch_size: int,
        mu: int,
        labeled_view: str = "weak",
        projection_dim: int = 64,
        threshold: float = 0.95,
        temperature: float = 1.0,
        alignment_batches: int = 32,
        queue_batches: int = 5,
        smoothing: float = 0.9,
        graph_threshold: float = 0.8,
        graph_temperature: float = 0.2,
        lambda_u: float = 1.0,
        lambda_c: float = 1.0,
        joint_forward: bool = False,
    ) -> None:
        super().__init__(
            labeled_view=labeled_view,
            projection_dim=projection_dim,
            joint_forward=joint_forward,
        )
        check_knobs(
            {"graph_temperature": graph_temperature, "queue_batches": queue_batches},
            {"smoothing": smoothing, "graph_threshold": graph_threshold},
        )
        self.threshold = threshold
        self.temperature = temperature
        self.smoothing = smoothing
        self.graph_threshold = graph_threshold
        self.graph_temperature = graph_temperature
        self.lambda_u = lambda_u
        self.lambda_c = lambda_c
        self.align = WindowAlignment(num_classes, alignment_batches)
        size = queue_batches * (mu + 1) * batch_size
        self.memory = PseudoLabelMemory(size, projection_dim, num_classes)

    @torch.no_grad()
    def pseudo_labels(
        self,
        logits_u_w: Tensor,
        z_u_w: Tensor,
        z_x: Tensor,
        y: Tensor,
        smooth: bool | None = None,
    ) -> Tensor:
        """Return aligned and smoothed pseudo-labels, and remember this batch.

        Smoothing asks the memory as it was before this batch. What is remembered is
        aligned but not smoothed, or a mistake would confirm itself; labeled images
        enter with their label.

        Args:
            smooth: None smooths once the memory is full; a bool overrules that.

        Shape: `logits_u_w` (mu*B, K), `z_u_w` (mu*B, D), `z_x` (B, D), `y` (B,) ->
        (mu*B, K) without gradient.
        """
        aligned = self.align(pseudo_label(logits_u_w, self.temperature))  # (mu*B, K)
        probs = self.memory.smooth(
            aligned,
            z_u_w,
            weight=self.smoothing,
            temperature=self.graph_temperature,
            ready=smooth,
        )
        if self.training:
            self.memory.push(z_u_w, aligned)
            self.memory.push(z_x, F.one_hot(y, aligned.shape[1]))
        return probs

    def loss(
        self, lab: Output, y: Tensor, strong: Output, contrastive: Output, probs: Tensor
    ) -> LossTerms:
        """Return `comatch_loss` with this method's knobs."""
        return comatch_loss(
            lab.logits,
            y,
            strong.logits,
            strong.embedding,
            contrastive.embedding,
            probs,
            threshold=self.threshold,
            graph_threshold=self.graph_threshold,
            graph_temperature=self.graph_temperature,
            lambda_u=self.lambda_u,
            lambda_c=self.lambda_c,
        )

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; see `comatch_loss`, `Contrasting.outputs`."""
        lab, weak, strong, contrastive = self.outputs(model, batch)
        probs = self.pseudo_labels(
            weak.logits, weak.embedding, lab.embedding, batch.y_lab
        )
        return self.loss(lab, batch.y_lab, strong, contrastive, probs)
