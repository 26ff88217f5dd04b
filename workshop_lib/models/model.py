"""A model: one encoder, a head for each thing to predict, an optional projection."""

__all__ = [
    "CONTEXT",
    "PROJECTION",
    "Model",
    "ProjectionHead",
    "encoder_parameters",
    "parameter_counts",
]

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils._pytree import tree_map

from workshop_lib.models.encoders import CheckpointedSequential, recompute
from workshop_lib.models.fusion import Encoder
from workshop_lib.models.heads import Features, Head, HeadWeights
from workshop_lib.sample import Sample, num_images, take

# Entries of a model's output beside those of its heads
PROJECTION, CONTEXT = "projection", "context"
# Below this length a projection counts as zero. Not smaller: the gradient of the
# division grows with its inverse.
_SHORTEST = 1e-6


class ProjectionHead(nn.Module):
    """Project a feature to a unit vector whose direction contrastive losses compare.

    Two linear layers with an activation between (the head g of SimCLR, Chen et al.
    2020), then division by the length. A zero vector stays zero instead of becoming
    NaN.

    Args:
        in_features: length of the feature.
        hidden_features: length between the two layers; usually that of the feature.
        out_features: length of the projection; 64 and 128 are usual.
        slope: of the LeakyReLU between the layers; 0 is a plain ReLU.

    Shape: (B, in_features) -> (B, out_features), each row of length 1, in float32 or
    finer also under mixed precision. Features of S sensors side by side are projected
    one by one: (B, S * in_features) -> (B, S, out_features).
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        slope: float = 0.1,
    ) -> None:
        super().__init__()
        self.out_features = out_features
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.activation = nn.LeakyReLU(slope)
        self.fc2 = nn.Linear(hidden_features, out_features)

    def forward(self, feature: Tensor) -> Tensor:
        """Project features (B, in_features) to unit vectors (B, out_features)."""
        if feature.shape[1] != self.fc1.in_features:
            feature = feature.unflatten(1, (-1, self.fc1.in_features))
        z = self.fc2(self.activation(self.fc1(feature)))  # (B, out_features)
        # In half precision _SHORTEST would round to zero and 0/0 come back.
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        return F.normalize(z, dim=-1, eps=_SHORTEST)


class Model(nn.Module):
    """An encoder whose features several heads read.

    Args:
        encoder: sample -> features.
        heads: by the name of what they predict; any name but "projection"
            and "context".
        projection: for contrastive methods; None for none.

    Shape: sample of B images -> dictionary of each head's scores, and "projection"
    (B, P) where there is one, or (B, S, P) of S sensors; with metadata also "context"
    (B, E), see `Features`.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: Mapping[str, Head],
        projection: ProjectionHead | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict(heads)
        self.projection = projection
        self.head_weights: HeadWeights | None = None  # of their losses; None: 1
        self.micro_batch = 0
        self.most_images = 0  # largest batch encoded with gradient
        self.frozen_stages = 0

    def forward(self, sample: Sample) -> dict[str, Tensor]:
        """Score a sample with every head."""
        features = self.features(sample)
        out: dict[str, Tensor] = {k: head(features) for k, head in self.heads.items()}
        if self.projection is not None:
            out[PROJECTION] = self.projection(features.vector)
        if features.context is not None:
            out[CONTEXT] = features.context
        return out

    def features(self, sample: Sample) -> Features:
        """Return what the heads read."""
        if torch.is_grad_enabled():
            self.most_images = max(self.most_images, num_images(sample))
        return in_parts(self.encoder, sample, self.micro_batch)

    def save_memory(self, *, checkpointing: bool, micro_batch: int) -> None:
        """Choose how a batch goes through the encoder; weights and loss do not change.

        Args:
            checkpointing: keep only the borders of blocks for the backward pass and
                recompute what lies between (`CheckpointedSequential`). Changes no
                number.
            micro_batch: images at a time, 0 for all (`in_parts`). Batch normalisation
                in training then takes its statistics from as many.
        """
        self.micro_batch = micro_batch
        for part in self.encoder.modules():
            if isinstance(part, CheckpointedSequential):
                part.checkpointing = checkpointing

    def freeze(self, stages: int = -1) -> None:
        """Keep the first stages as they are: no gradient, evaluation mode.

        A frozen batch normalisation keeps the statistics it was trained with.

        Args:
            stages: number of stages of each backbone, with the stems before them; -1
                for the whole encoder, 0 for nothing.
        """
        for part in self._frozen():
            part.requires_grad_(True)
        self.frozen_stages = stages
        for part in self._frozen():
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Model":
        """Switch to training or evaluation; frozen parts stay in evaluation."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def _frozen(self) -> Iterator[nn.Module]:
        if self.frozen_stages < 0:
            yield self.encoder
        elif self.frozen_stages:
            yield self.encoder.stems
            for backbone in self.encoder.each_backbone():
                yield from backbone.stages[: self.frozen_stages]


def in_parts(encoder: nn.Module, sample: Sample, most: int) -> Features:
    """Send a sample through an encoder a few images at a time, order preserved.

    With gradient, each part is recomputed in the backward pass, so only the layers of
    one part are in memory at any time. Heads and losses then see the whole batch: a
    loss that compares all images with each other is unchanged.

    Batch normalisation in training does change: its statistics are those of a part.
    Every n-th image goes into a part, not the next few, so that each part has its
    fraction of the labelled images and of each view, as the whole batch has.

    Args:
        encoder: sample of b images -> their features.
        sample: B images.
        most: images per part (three where a part of one would remain, from which batch
            normalisation cannot estimate a variance); 0 for all.
    """
    total = num_images(sample)
    n = max(1, min(math.ceil(total / most), total // 2)) if most else 1
    if n == 1:
        return encoder(sample)
    parts = [take(sample, slice(k, None, n)) for k in range(n)]
    run = partial(recompute, encoder) if torch.is_grad_enabled() else encoder
    found = [run(part) for part in parts]
    order = torch.arange(total, device=found[0].vector.device)
    order = torch.cat([order[k::n] for k in range(n)]).argsort()

    def whole(*parts: Any) -> Any:
        return torch.cat(parts)[order] if isinstance(parts[0], Tensor) else parts[0]

    return tree_map(whole, *found)


def encoder_parameters(model: Model) -> list[nn.Parameter]:
    """Return the trainable weights before the decoder: what pretraining can provide.

    For a learning rate of their own, lower than that of decoder and heads.
    """
    return [
        p
        for name, p in model.encoder.named_parameters()
        if p.requires_grad and not name.startswith("decoder.")
    ]


def parameter_counts(model: Model) -> dict[str, int]:
    """Count the parameters of a model, part by part.

    Returns:
        By the name of the part ("backbone", with late fusion "backbones.s2";
        "stems.s1", "missing", "metadata", "decoder", "heads.scene", "projection"),
        then "total".
    """
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        steps = name.removeprefix("encoder.").split(".")
        part = {"shifts": "metadata"}.get(steps[0], steps[0])
        if part in ("backbones", "stems", "heads"):
            part = f"{part}.{steps[1]}".replace("backbones.all", "backbone")
        counts[part] += parameter.numel()
    return {**counts, "total": counts.total()}


def averaged_copy(model: nn.Module) -> nn.Module:
    """Copy a model, in evaluation mode and without gradient, for its weights' average.

    `ema_update_weights_` lets it follow the model.
    """
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def ema_update_weights_(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the weights of a copy a little towards those of a model, in place.

        average <- d average + (1 - d) model      (Tarvainen and Valpola 2017)

    Buffers (the running statistics of batch normalisation) are copied, not averaged, as
    the FixMatch implementations do.

    Args:
        average: a copy of the model.
        model: the network in training.
        decay: d. 1/(1-d) is about the number of calls that are averaged.
    """
    # One call for all tensors: a loop over them costs more than the arithmetic.
    step = get_ema_multi_avg_fn(decay)
    step(list(average.parameters()), list(model.parameters()), 0)
    for mine, latest in zip(average.buffers(), model.buffers(), strict=True):
        mine.copy_(latest)
