"""A model that returns given scores and embeddings: methods without a network."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from workshop_lib.methods import METHODS, Batch, Method, TrainingSize
from workshop_lib.models.heads import Head
from workshop_lib.sample import Sample, num_images


class Given(nn.Module):
    """Returns what the sample holds: scores by head, and "projection"."""

    def __init__(self, projection: int = 0, **heads: Head) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)
        self.encoder = SimpleNamespace(metadata=True, reads_metadata=True)
        self.projection = (
            SimpleNamespace(out_features=projection) if projection else None
        )

    def forward(self, x: Sample) -> dict[str, Tensor]:
        return {"context": torch.zeros(num_images(x), 1), **x}


class Told(Given):
    """Returns the first column of what it is given if told metadata, else another."""

    def forward(self, x: Sample) -> dict[str, Tensor]:
        column = 0 if self.encoder.reads_metadata else 1
        return {name: values[:, column] for name, values in x.items()}


def made(name: str, **options: object) -> Method:
    """Make a method with those of the options that it has."""
    known = METHODS[name]().hyperparameters()
    return METHODS[name](**{k: v for k, v in options.items() if k in known})


def total(method: Method, model: nn.Module, batch: Batch) -> Tensor:
    """Add up the terms of a method's loss."""
    return torch.stack([term for _, term in method.losses(model, batch)]).sum()


def ready(method, model, images=1, unlabeled=None, batch_size=1, mu=1, steps=100):
    """Set a method up, in the default number format of the test."""
    size = TrainingSize(images, unlabeled or images, batch_size, mu, steps)
    method.setup(model, size)
    return method.to(torch.get_default_dtype())
