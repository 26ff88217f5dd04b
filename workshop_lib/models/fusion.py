"""Where modalities meet in a network: at the pixels, on the way, or at the end.

    early    all channels stacked; one backbone reads them
    middle   a stem for each modality; their maps stacked; one backbone
    late     a backbone for each modality; their features side by side
    shared   a stem for each modality, one backbone that all of them go through

Each is a trunk, images (B, C, H, W) to features (B, D), over any backbone of this
package, so heads, methods and everything else stay as they are. Facts (a season, a
place) reach early fusion as the maps they are packed as; the others read the one number
behind each map by a small network of its own. For networks that score pixels see
`models.fusion_maps`.
"""

__all__ = [
    "FUSIONS",
    "Early",
    "Fill",
    "Late",
    "Middle",
    "Shared",
    "fuse",
    "parameter_counts",
    "stem",
]

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from workshop_lib.channels import Group
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.heads import Classifier, ProjectionHead

STEM = 24  # maps that a stem makes of a modality, whatever its number of channels
FACTS = 32  # numbers that are made of all facts together
_OF_EACH = ("backbones", "networks", "stems")  # parts that each modality has its own of

Backbone = Callable[[int], Classifier]  # channels in -> a network whose trunk is used


class Fill(nn.Module):
    """Put something there where a modality is missing (NaN): at first the mean.

    Zero is the mean of the training images after `Normalize`. The number of each
    channel is learnt: a network may come to know "not there" from "as usual".

    Shape: (B, C, H, W), NaN or not -> the same without NaN.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Replace NaN."""
        value = self.value.to(x.dtype).view(1, -1, 1, 1)
        return torch.where(x.isnan(), value, x)


def stem(channels: int) -> nn.Sequential:
    """Bring a modality into a form that backbones can share: (B, STEM, H, W)."""
    return nn.Sequential(
        nn.Conv2d(channels, STEM, 3, padding=1, bias=False),
        nn.BatchNorm2d(STEM),
        nn.LeakyReLU(0.1, inplace=True),
    )


class _Facts(nn.Module):
    """Two layers on the numbers behind the maps of facts: (B, C, H, W) -> (B, 32)."""

    def __init__(self, facts: Sequence[Group]) -> None:
        super().__init__()
        self.where = [k for fact in facts for k in range(fact.start, fact.stop)]
        self.net = nn.Sequential(
            nn.Linear(len(self.where), FACTS),
            nn.LeakyReLU(0.1),
            nn.Linear(FACTS, FACTS),
            nn.LeakyReLU(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        vectors: Tensor = self.net(x[:, self.where].mean((2, 3)))
        return vectors


class Trunk(nn.Module):
    """What a fusion makes of images: features of `feature_dim` numbers."""

    feature_dim: int


class _Fusion(Trunk):
    """What all have: the door, the modalities that are images, and the facts."""

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self.images = [group for group in groups if group.kind == "image"]
        facts = [group for group in groups if group.kind == "fact"]
        self.fill = Fill(groups[-1].stop)
        self.facts = _Facts(facts) if facts else None

    def with_facts(self, features: list[Tensor], x: Tensor) -> Tensor:
        """Put features (B, D) of all modalities side by side, facts last."""
        facts = [self.facts(x)] if self.facts is not None else []
        return torch.cat([*features, *facts], 1)

    @property
    def fact_width(self) -> int:
        """Numbers that the facts add to the features."""
        return FACTS if self.facts is not None else 0


class Early(Trunk):
    """All channels stacked: the backbone itself sees which go together, per pixel."""

    def __init__(self, groups: Sequence[Group], backbone: Backbone) -> None:
        super().__init__()
        channels = groups[-1].stop
        network = backbone(channels)
        self.feature_dim = network.feature_dim
        self.fill, self.backbone = Fill(channels), network.trunk

    def forward(self, x: Tensor) -> Tensor:
        """Read all channels together. Shape: (B, C, H, W) -> (B, D)."""
        features: Tensor = self.backbone(self.fill(x))
        return features


class Late(_Fusion):
    """A backbone for each modality: none can disturb another before the end."""

    def __init__(self, groups: Sequence[Group], backbone: Backbone) -> None:
        super().__init__(groups)
        networks = {group.name: backbone(group.width) for group in self.images}
        self.feature_dim = self.fact_width + sum(
            network.feature_dim for network in networks.values()
        )
        self.backbones = nn.ModuleDict({k: n.trunk for k, n in networks.items()})

    def forward(self, x: Tensor) -> Tensor:
        """Read each modality by itself. Shape: (B, C, H, W) -> (B, D)."""
        x = self.fill(x)
        features = [self.backbones[g.name](x[:, g.channels]) for g in self.images]
        return self.with_facts(features, x)


class Shared(_Fusion):
    """One backbone for all: what it learns of shapes from one sensor serves the rest.

    The modalities go through it in one batch: batch normalisation then sees the same
    mixture in training as in its running averages.
    """

    def __init__(self, groups: Sequence[Group], backbone: Backbone) -> None:
        super().__init__(groups)
        self.stems = nn.ModuleDict({g.name: stem(g.width) for g in self.images})
        network = backbone(STEM) if self.images else None
        self.backbone = network.trunk if network is not None else None
        width = network.feature_dim if network is not None else 0
        self.feature_dim = self.fact_width + width * len(self.images)

    def forward(self, x: Tensor) -> Tensor:
        """Read all modalities by one backbone. Shape: (B, C, H, W) -> (B, D)."""
        x = self.fill(x)
        if self.backbone is None:
            return self.with_facts([], x)
        maps = [self.stems[g.name](x[:, g.channels]) for g in self.images]
        features = self.backbone(torch.cat(maps))  # (modalities * B, D)
        return self.with_facts(list(features.chunk(len(maps))), x)


class Middle(_Fusion):
    """A stem for each modality, then one backbone on all their maps."""

    def __init__(self, groups: Sequence[Group], backbone: Backbone) -> None:
        super().__init__(groups)
        self.stems = nn.ModuleDict({g.name: stem(g.width) for g in self.images})
        network = backbone(STEM * len(self.images) + self.fact_width)
        self.feature_dim, self.backbone = network.feature_dim, network.trunk

    def forward(self, x: Tensor) -> Tensor:
        """Read the stems' maps together. Shape: (B, C, H, W) -> (B, D)."""
        x = self.fill(x)
        maps = [self.stems[g.name](x[:, g.channels]) for g in self.images]
        if self.facts is not None:
            numbers = self.facts(x)[:, :, None, None]
            maps.append(numbers.expand(-1, -1, *x.shape[2:]))
        features: Tensor = self.backbone(torch.cat(maps, 1))
        return features


FUSIONS: dict[str, Callable[[Sequence[Group], Backbone], Trunk]] = {
    "early": Early,
    "middle": Middle,
    "late": Late,
    "shared": Shared,
}


def fuse(
    fusion: str,
    groups: Sequence[Group],
    backbone: Backbone,
    *,
    num_classes: int,
    projection_dim: int = 0,
) -> Classifier:
    """Build a classifier of packed images.

    Args:
        fusion: "early", "middle", "late" or "shared".
        groups: the modalities, as `workshop_lib.channels.groups` finds them.
        backbone: makes a classifier for a number of channels; its trunk is used.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.

    Raises:
        WorkshopError: an unknown fusion, or no modality.
    """
    if fusion not in FUSIONS:
        raise unknown_name("fusion", fusion, FUSIONS)
    if not groups:
        raise WorkshopError("no modalities to fuse: pack some (data.modalities.pack).")
    trunk = FUSIONS[fusion](groups, backbone)
    width = trunk.feature_dim
    return Classifier(
        trunk,
        in_channels=groups[-1].stop,
        feature_dim=width,
        num_classes=num_classes,
        projection=ProjectionHead(width, width, projection_dim)
        if projection_dim
        else None,
    )


def parameter_counts(model: nn.Module) -> dict[str, int]:
    """Count the numbers that a fused network learns, part by part.

    Returns:
        By the name of the part ("backbones.s2", of maps "networks.s2", "facts",
        "classifier"), then "total".
    """
    trunk = getattr(model, "trunk", None)
    early_maps = isinstance(trunk, nn.Sequential) and isinstance(trunk[0], Fill)
    words = {"0": "fill", "1": "network"} if early_maps else {}
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        steps = name.removeprefix("trunk.").split(".")
        steps[0] = words.get(steps[0], steps[0])
        part = ".".join(steps[: 2 if steps[0] in _OF_EACH else 1])
        counts[part] = counts.get(part, 0) + parameter.numel()
    return {**counts, "total": sum(counts.values())}
