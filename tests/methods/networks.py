"""A tiny network, and batches with all the views that a method asks for."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from workshop_lib.methods import Batch
from workshop_lib.models import Model, build_model
from workshop_lib.models.class_heads import MultiLabel
from workshop_lib.models.heads import Features, Head, Regression
from workshop_lib.models.model import ProjectionHead
from workshop_lib.sample import Sample

WIDTH = 6


class Trunk(nn.Module):
    """One convolution; with `norm` batch normalisation and its statistics.

    Told the metadata it sees the same images a little brighter.
    """

    decoder, metadata, reads_metadata = None, True, True

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.norm = nn.BatchNorm2d(WIDTH) if norm else nn.Identity()

    def forward(self, x: Sample) -> Features:
        images = x["s2"] if self.reads_metadata else x["s2"] - 0.3
        maps = self.norm(self.conv(images)).tanh()  # (B, WIDTH, H, W)
        vector = maps.mean((2, 3))
        return Features(vector, (maps,), maps.shape[2:], context=vector)


def small_model(heads, projection=0, norm=False):
    head = ProjectionHead(WIDTH, WIDTH, projection) if projection else None
    return Model(cast(Any, Trunk(norm)), heads, head)


def built_for(cls, encoder, heads):
    """Build a network with the projection and the metadata that a method needs."""
    more = {"projection_dim": 8 * cls.needs_projection}
    more["metadata"] = 2 * cls.withholds_metadata
    return build_model(encoder, {"s2": 3}, heads, **more)


def target_of(head: Head, n: int, size: int) -> Tensor:
    """Classes 0, 1, 2, 0, ... of whatever the head predicts."""
    classes = torch.arange(n) % 3
    if head.dense:
        return classes.view(-1, 1, 1).expand(n, size, size).to(torch.uint8)
    if isinstance(head, MultiLabel):
        return nn.functional.one_hot(classes, 3).to(torch.get_default_dtype())
    if isinstance(head, Regression):
        return classes.to(torch.get_default_dtype())
    return classes


def batch_for(method, model, B=4, mu=2, seed=0, size=4):
    """Draw a batch: of the labelled images and of mu times as many unlabelled ones."""
    generator = torch.Generator().manual_seed(seed)

    def views(n: int, names: tuple[str, ...]) -> tuple[Sample, ...]:
        shapes = {"s2": (n, 3, size, size)}
        shapes |= {"metadata": (n, 2)} if method.withholds_metadata else {}
        return tuple(
            {k: torch.randn(shape, generator=generator) for k, shape in shapes.items()}
            for _ in names
        )

    return Batch(
        views(B, method.labeled_views),
        {name: target_of(head, B, size) for name, head in model.heads.items()},
        views(mu * B, method.views),
        torch.arange(mu * B),
    )
