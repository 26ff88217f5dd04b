"""Contrastive methods: a third view, whose embeddings are compared; CCSSL."""

__all__ = ["CCSSL", "ContrastiveMethod"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.contrastive import class_aware_contrast, contrast_weights
from workshop_lib.methods.base import Batch, TrainingSize, forward_views, heads_of
from workshop_lib.methods.fixmatch import FixMatch, Step
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
        super().setup(model, size)
        name = type(self).__name__
        scenes = [
            key
            for key, head in heads_of(model)
            if len(head.class_shape) == 1 and not head.dense
        ]
        if len(scenes) != 1:
            raise WorkshopError(
                f"{name} compares images by their class, and this model has"
                f" {len(scenes)} heads with a class per scene: for maps, several labels"
                " or numbers use FixMatch or one of its relatives."
            )
        if getattr(model, "projection", None) is None:
            raise WorkshopError(
                f"{name} compares embeddings and needs a model with a projection head:"
                " build it with projection_dim=64."
            )
        self.scene = scenes[0]

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield FixMatch's terms, then the contrastive ones."""
        (x,), (weak, strong, contrastive) = batch.labeled, batch.views
        (out_x, out_s, out_c), (out_w,) = forward_views(
            model, [x, strong, contrastive], [weak], joint=self.joint_forward
        )
        yield from self.supervised(model, out_x, batch.targets)
        guesses = self.guesses(model, Step(batch, out_x, out_w, out_s))
        yield from self.unsupervised(guesses)
        # Images are compared with those of all ranks
        (probs,) = (gather_rows(g.probs) for g in guesses if g.name == self.scene)
        z_s, z_c = (
            gather_rows_with_gradient(out["projection"]) for out in (out_s, out_c)
        )
        for name, loss in self.contrast(probs, z_s, z_c).items():
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
        labeled_view, threshold, temperature, lambda_u, joint_forward: see `FixMatch`.
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
