"""Where a training's views come from: made anew for each batch, or computed once."""

__all__ = ["CachedViews", "ImageViews", "Views", "model_inputs", "open_views"]

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.augment.per_image import in_pieces
from workshop_lib.augment.policies import get_policy
from workshop_lib.channels import groups
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import unknown_name
from workshop_lib.ranks import own_rows
from workshop_lib.recipe import Recipe
from workshop_lib.training.features import feature_views


class Views(Protocol):
    """What a trainer needs: the images as they are, and views of some of them.

    `inputs` are the images as validation looks at them, (N, C, H, W) each: one, or
    several views whose predictions are averaged; the first is plain. `draw` gives views
    (B, C, H, W) of the images of `index`, normalised and channels last: what goes into
    a network. Of several ranks each makes its own share of them.
    """

    inputs: list[Tensor]

    def draw(
        self,
        index: Tensor,
        policy: str,
        generator: torch.Generator,
        normalize: Normalize,
    ) -> Tensor:
        """Return a view of each image of `index` (B,), or of this rank's share."""
        ...


class ImageViews:
    """Augment whole batches on the device, every time anew.

    Args:
        scenes: the images; moved to the device once.
        policies: names of the policies that will be asked for.
        device: where they are augmented.
        dropout: chance of each modality to be missing in a strong view.
    """

    def __init__(
        self,
        scenes: Scenes,
        policies: Iterable[str],
        device: torch.device,
        dropout: float = 0.0,
    ) -> None:
        self.inputs = [scenes.images.to(device)]
        parts = groups(scenes.bands)
        self.policies = {
            name: get_policy(name, scenes.is_rgb, modalities=parts, dropout=dropout)
            for name in policies
        }

    def draw(
        self,
        index: Tensor,
        policy: str,
        generator: torch.Generator,
        normalize: Normalize,
    ) -> Tensor:
        """Return a view of each image of `index` (B,): (B, C, H, W), channels last.

        `numbers`, then `show`, which whoever has masks to move calls apart.
        """
        drawn = self.numbers(index, policy, generator)
        return self.show(index, policy, drawn, normalize)

    def numbers(
        self, index: Tensor, policy: str, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Draw what happens to each image of `index`, for all ranks.

        The random numbers must not depend on how many ranks there are.
        """
        shape = (len(index), *self.inputs[0].shape[1:])
        return self.policies[policy].draw(shape, generator)

    def show(
        self,
        index: Tensor,
        policy: str,
        drawn: tuple[Tensor, ...],
        normalize: Normalize,
    ) -> Tensor:
        """Do what was drawn: (B, C, H, W), channels last, or this rank's share.

        From the stored bytes to the normalised view a few images at a time, so that
        they stay in the cache. Normalised last: here and in `CachedViews`, nowhere
        else.
        """
        images, change = self.inputs[0], self.policies[policy]

        def view(positions: Tensor, *drawn: Tensor) -> Tensor:
            some = to_float(images.index_select(0, positions))
            return normalize(change.apply(some, *drawn))

        mine = own_rows(index)
        return in_pieces(
            view,
            (len(mine), *images.shape[1:]),
            mine,
            *(own_rows(each) for each in drawn),
            memory_format=torch.channels_last,
        )


class CachedViews:
    """Draw among the features that a frozen backbone gave for a few views per image.

    A feature is treated as an image of one pixel with D bands, so that normalisation,
    prediction and evaluation are those of images.

    Args:
        recipe: names the backbone and how many views there are.
        scenes: the images.
        policies: names of the policies that will be asked for.
        device: where the features are computed and kept.
    """

    def __init__(
        self,
        recipe: Recipe,
        scenes: Scenes,
        policies: Iterable[str],
        device: torch.device,
    ) -> None:
        wanted = {"none", "weak", *policies}
        found = feature_views(recipe, scenes.images, sorted(wanted), device)
        self.inputs = [view.to(device) for view in _inputs(found)]
        self.features = {name: found[name].to(device) for name in policies}  # (V, N, D)

    def draw(
        self,
        index: Tensor,
        policy: str,
        generator: torch.Generator,
        normalize: Normalize,
    ) -> Tensor:
        """Return the features of one stored view of each image: (B, D, 1, 1)."""
        if policy not in self.features:
            raise unknown_name("cached view", policy, self.features)
        views = self.features[policy]
        which = torch.randint(
            len(views), index.shape, generator=generator, device=generator.device
        )
        features = views[own_rows(which), own_rows(index)]
        return normalize(_as_images(features)).contiguous(
            memory_format=torch.channels_last
        )


def open_views(
    recipe: Recipe, scenes: Scenes, policies: Iterable[str], device: torch.device
) -> Views:
    """Return the views that a recipe trains on: of images, or of their features."""
    names = sorted(set(policies))
    if recipe.features:
        return CachedViews(recipe, scenes, names, device)
    return ImageViews(scenes, names, device, recipe.modality_dropout)


def model_inputs(recipe: Recipe, images: Tensor, device: torch.device) -> list[Tensor]:
    """Return what a recipe's model reads in place of images, to evaluate it.

    From pixels: the images themselves. With a frozen backbone: the features of the
    plain images and of the stored weak views, computed on `device` and kept for the
    next time; predictions are averaged over them (`predict_mean`), which costs nothing
    more than they have cost already and is right more often than any single one.

    Shape: (N, C, H, W) -> [the same], or 1 + `feature_views` of (N, D, 1, 1).
    """
    if not recipe.features:
        return [images]
    return _inputs(feature_views(recipe, images, ["none", "weak"], device))


def _inputs(found: dict[str, Tensor]) -> list[Tensor]:
    return [_as_images(view) for view in (*found["none"], *found["weak"])]


def _as_images(features: Tensor) -> Tensor:
    return features.float()[..., None, None]  # (B, D) -> (B, D, 1, 1)
