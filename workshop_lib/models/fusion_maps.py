"""Where modalities meet in a network that scores pixels: `models.fusion`, for maps.

    early    all channels stacked; one network reads them
    middle   a stem for each modality; their maps stacked; one network
    late     a network for each modality; their scores added
    shared   a stem for each modality, one network that all of them go through; its
             scores added

Any segmenter serves as the network. Adding scores is what late fusion of scenes does
too: one linear layer on features side by side is the sum of a layer on each.

Facts (a season, a place) stay maps and are read pixel by pixel, by convolutions of one
pixel: in a box that CutMix took from another tile they are that tile's.
"""

__all__ = ["MAP_FUSIONS", "LateMaps", "MiddleMaps", "SharedMaps", "fuse_maps"]

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from workshop_lib.channels import Group
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.fusion import FACTS, STEM, Fill, stem
from workshop_lib.models.segmenter import Segmenter

Network = Callable[[int], Segmenter]  # channels in -> a segmenter whose trunk is used


class _MapFusion(nn.Module):
    """What all have: the door, the modalities that are images, and the facts."""

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self.images = [group for group in groups if group.kind == "image"]
        facts = [group for group in groups if group.kind == "fact"]
        self.where = [k for fact in facts for k in range(fact.start, fact.stop)]
        self.fill = Fill(groups[-1].stop)
        self.facts: nn.Module | None = None
        if facts:
            self.facts = nn.Sequential(
                nn.Conv2d(len(self.where), FACTS, 1),
                nn.LeakyReLU(0.1),
                nn.Conv2d(FACTS, FACTS, 1),
                nn.LeakyReLU(0.1),
            )

    def of_facts(self, x: Tensor) -> list[Tensor]:
        """Return what is made of the facts, (B, 32, H, W), or nothing."""
        return [] if self.facts is None else [self.facts(x[:, self.where])]


class _AddedScores(_MapFusion):
    """Scores of all modalities are added; facts have their say at each pixel."""

    def __init__(self, groups: Sequence[Group], num_classes: int) -> None:
        super().__init__(groups)
        self.score: nn.Module | None = None
        if self.facts is not None:
            self.score = nn.Conv2d(FACTS, num_classes, 1)

    def add_up(self, scores: Sequence[Tensor], x: Tensor) -> Tensor:
        """Add the scores of images (B, K, H, W) and those of the facts."""
        total = torch.stack(list(scores)).sum(0)
        for facts in self.of_facts(x):
            assert self.score is not None  # made where there are facts
            total = total + self.score(facts)
        return total


class MiddleMaps(_MapFusion):
    """A stem for each modality, then one network on all their maps."""

    def __init__(
        self, groups: Sequence[Group], network: Network, num_classes: int
    ) -> None:
        super().__init__(groups)
        self.stems = nn.ModuleDict({g.name: stem(g.width) for g in self.images})
        width = STEM * len(self.images) + (FACTS if self.facts is not None else 0)
        self.network = network(width).trunk

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel. (B, C, H, W) -> (B, K, H, W)."""
        x = self.fill(x)
        maps = [self.stems[g.name](x[:, g.channels]) for g in self.images]
        scores: Tensor = self.network(torch.cat([*maps, *self.of_facts(x)], 1))
        return scores


class LateMaps(_AddedScores):
    """A network for each modality: none can disturb another before the scores."""

    def __init__(
        self, groups: Sequence[Group], network: Network, num_classes: int
    ) -> None:
        super().__init__(groups, num_classes)
        self.networks = nn.ModuleDict(
            {g.name: network(g.width).trunk for g in self.images}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel. (B, C, H, W) -> (B, K, H, W)."""
        x = self.fill(x)
        scores = [self.networks[g.name](x[:, g.channels]) for g in self.images]
        return self.add_up(scores, x)


class SharedMaps(_AddedScores):
    """One network for all, asked once for each modality, all in one batch."""

    def __init__(
        self, groups: Sequence[Group], network: Network, num_classes: int
    ) -> None:
        super().__init__(groups, num_classes)
        self.stems = nn.ModuleDict({g.name: stem(g.width) for g in self.images})
        self.network = network(STEM).trunk

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel. (B, C, H, W) -> (B, K, H, W)."""
        x = self.fill(x)
        maps = [self.stems[g.name](x[:, g.channels]) for g in self.images]
        scores = self.network(torch.cat(maps))  # (modalities * B, K, H, W)
        return self.add_up(scores.chunk(len(maps)), x)


MAP_FUSIONS: dict[str, Callable[[Sequence[Group], Network, int], nn.Module]] = {
    "middle": MiddleMaps,
    "late": LateMaps,
    "shared": SharedMaps,
}


def fuse_maps(
    fusion: str, groups: Sequence[Group], network: Network, *, num_classes: int
) -> Segmenter:
    """Build a segmenter of packed images.

    Args:
        fusion: "early", "middle", "late" or "shared".
        groups: the modalities, as `workshop_lib.channels.groups` finds them.
        network: makes a segmenter for a number of channels; its trunk is used.
        num_classes: K.

    Raises:
        WorkshopError: an unknown fusion; or one that has nothing to fuse: other than
            early takes two modalities, and one of them has to be an image.
    """
    channels = groups[-1].stop
    if fusion == "early":
        found = network(channels)
        found.trunk = nn.Sequential(Fill(channels), found.trunk)
        return found
    if fusion not in MAP_FUSIONS:
        raise unknown_name("fusion", fusion, ("early", *MAP_FUSIONS))
    if len(groups) < 2 or all(group.kind == "fact" for group in groups):
        raise WorkshopError(
            f"fusion={fusion!r} of {', '.join(group.name for group in groups)}: maps"
            " are fused so from two modalities or more, at least one of them an image"
            " (a fact alone is the same at all pixels); use fusion='early'."
        )
    trunk = MAP_FUSIONS[fusion](groups, network, num_classes)
    return Segmenter(trunk, in_channels=channels, num_classes=num_classes)
