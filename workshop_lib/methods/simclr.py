"""SimCLR: a network learns from images alone, before it sees any label.

Self-supervised, not semi-supervised: no label takes part, and what comes out is an
encoder, not a classifier. Both are abbreviated SSL elsewhere.
"""

__all__ = ["COLLAPSED", "SimCLR", "matched", "spread"]

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.contrastive import nt_xent, similarity
from workshop_lib.methods.base import (
    Batch,
    Method,
    TrainingSize,
    forward_views,
    heads_of,
)
from workshop_lib.models.model import PROJECTION
from workshop_lib.ranks import gather_rows_with_gradient

COLLAPSED = 0.1  # a spread below this: nearly all images have one embedding


@dataclass(eq=False)
class SimCLR(Method):
    """Embed two views of one image alike, and different images apart.

    Which of the other images shows the same place? To answer, a network has to encode
    what both views show, and to ignore what differs between them: so the augmentation
    decides what is learnt. No label is seen, neither in the loss nor elsewhere; what
    the heads say afterwards means nothing. The encoder is the result: start another
    training from it (`init_from`), with the few labels there are.

        L = NT-Xent(z_0, z_1),   z_v = projection(encoder(view_v(u_i))) of unit length

    (see `nt_xent`). Two views come from augmentation, or from two sensors that saw the
    same place: then each sensor has its own backbone, and both go through one
    projection.

    The log says `matched`, the share of views that lie nearest to their partner among
    all views of the batch, and `spread` (1 well spread, 0 all images alike); validation
    asks the neighbours (`val_knn`).

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual
    Representations", arXiv:2002.05709. Two sensors as two views: Scheibenreif et al.
    2022, "Self-Supervised Vision Transformers for Land-Cover Segmentation and
    Classification", CVPR EarthVision workshop.

    Args:
        labeled_view: has no effect: no labelled image is drawn.
        pairs: what the two views of a pair are. "augmentations" of one image; or
            "sensors": needs several, and fusion="late". More than two sensors are
            compared two by two.
        view: the augmentation. Empty takes "contrastive" (crop, turns, jitter, gray),
            and for sensors "none", as they differ enough. Parts of it are left out by a
            minus sign, "contrastive-jitter-gray", to see what each is good for. For
            sensors "weak" turns and shifts all sensors of a place alike.
        temperature: 0.1 to 0.5. Low: the most similar other images decide; at 10 all
            count alike, and the network learns to tell few images apart.
        negatives: False only pulls the two views together, nothing pushes images apart:
            all embeddings become one. To show the collapse.

    Raises:
        WorkshopError: see `Method`; in `setup`, a model without projection, or whose
            first head predicts pixels.
    """

    needs_projection: ClassVar[bool] = True

    pairs: Literal["augmentations", "sensors"] = "augmentations"
    view: str = ""
    temperature: float = 0.1
    negatives: bool = True

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """None: no labelled image is ever drawn."""
        return ()

    @property
    def views(self) -> tuple[str, ...]:  # type: ignore[override]
        """Two draws of the augmentation; of sensors one, as each shows another view."""
        if self.projects_sensors:
            return (self.view or "none",)
        return (self.view or "contrastive",) * 2

    @property
    def projects_sensors(self) -> bool:  # type: ignore[override]
        """Whether each sensor has an embedding of its own."""
        return self.pairs == "sensors"

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Check that there is something to compare."""
        super().setup(model, size)
        (name, main), *_ = heads_of(model)
        if main.dense:
            raise WorkshopError(
                f"{name!r} predicts pixels, but validation asks which images are alike:"
                " take heads=('scene',), and give the encoder to maps by init_from."
            )

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the contrast of the views, compared with those of all ranks."""
        outs, _ = forward_views(model, batch.views)
        z = torch.stack([out[PROJECTION] for out in outs], dim=1)
        z = z.flatten(1, -2)  # (n, V, P): two draws, or a view of each sensor
        views = gather_rows_with_gradient(z).unbind(1)  # V times (N, P), of all ranks
        pairs = list(combinations(views, 2))
        self.log["matched"] = torch.stack([matched(a, b) for a, b in pairs]).mean()
        self.log["spread"] = torch.stack([spread(one) for one in views]).mean()
        yield "contrast", torch.stack([self.contrast(a, b) for a, b in pairs]).mean()

    def contrast(self, z0: Tensor, z1: Tensor) -> Tensor:
        """Return the loss of one pair of views. Shape: (N, P), (N, P) -> scalar."""
        if self.negatives:
            return nt_xent(z0, z1, self.temperature)
        return -F.cosine_similarity(z0, z1).mean()


@torch.no_grad()
def matched(z0: Tensor, z1: Tensor) -> Tensor:
    """Return the share of views that are nearest to the other view of their image.

    Among all 2N - 1 other views, as in NT-Xent's softmax: the share of its questions
    that are answered right.

    Args:
        z0, z1: embeddings of two views of the same images, of unit length.

    Shape: (N, P), (N, P) -> scalar in [0, 1].

    >>> float(matched(torch.eye(4), torch.eye(4)))
    1.0
    """
    z = torch.cat([z0, z1])  # (2N, P)
    nearest = similarity(z, z, 1.0).fill_diagonal_(-torch.inf).argmax(dim=1)  # (2N,)
    partner = torch.arange(len(z), device=z.device).roll(len(z0))
    return (nearest == partner).float().mean()


@torch.no_grad()
def spread(z: Tensor) -> Tensor:
    """Return how far embeddings of unit length are spread over the sphere.

    The standard deviation of each coordinate over the images, averaged, times sqrt(P):
    1 where they point everywhere alike, 0 where all are the same (collapse).

    Shape: (N, P) -> scalar, 0 to 1.

    >>> float(spread(torch.ones(5, 4) / 2))
    0.0
    """
    return z.std(dim=0, correction=0).mean() * z.shape[1] ** 0.5
