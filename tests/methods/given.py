"""A model that returns given scores and embeddings: methods without a network."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from workshop_lib.methods import METHODS, Batch, Method, TrainingSize
from workshop_lib.models.heads import Head
from workshop_lib.sample import Sample


class Given(nn.Module):
    """Returns what the sample holds: scores by head, and "projection"."""

    def __init__(self, projection: int = 0, **heads: Head) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)
        self.projection = (
            SimpleNamespace(out_features=projection) if projection else None
        )

    def forward(self, x: Sample) -> dict[str, Tensor]:
        return dict(x)


def made(name: str, **options: object) -> Method:
    """Make a method with those of the options that it has."""
    known = METHODS[name]().hyperparameters()
    return METHODS[name](**{k: v for k, v in options.items() if k in known})


def total(method: Method, model: nn.Module, batch: Batch) -> Tensor:
    """Add up the terms of a method's loss."""
    return torch.stack([term for _, term in method.losses(model, batch)]).sum()


def ready(
    method: Method,
    model: nn.Module,
    images: int = 1,
    unlabeled: int | None = None,
    batch_size: int = 1,
    mu: int = 1,
    steps: int = 100,
) -> Method:
    """Set a method up, in the default number format of the test."""
    method.setup(
        model, TrainingSize(images, unlabeled or images, batch_size, mu, steps)
    )
    return method.to(torch.get_default_dtype())
