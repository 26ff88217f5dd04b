"""The network as it is before the first step."""

__all__ = ["initial_model"]

from collections.abc import Sequence

import torch
from torch import nn

from workshop_lib.channels import groups
from workshop_lib.methods import projection_dim
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.training.start import load_trunk


def initial_model(
    recipe: Recipe, in_channels: int, num_classes: int, bands: Sequence[str] = ()
) -> nn.Module:
    """Build the network of a recipe with the weights that its training starts from.

    They are drawn from the recipe's seed alone (and those of a trunk loaded, where it
    names one): a finished run can be compared with
    what it was before training. The caller's random numbers stay as they are.

    Args:
        recipe: names the model, its projection and the seed.
        in_channels: bands of the images, C.
        num_classes: K.
        bands: names of the C channels, by which fusion models find their modalities.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = build_model(
            recipe.model,
            in_channels=in_channels,
            num_classes=num_classes,
            projection_dim=projection_dim(recipe),
            modalities=groups(bands),
            fusion=recipe.fusion,
        )
    if recipe.start_from:
        resnet = recipe.model.removeprefix("fcn-").split(":")[0]
        load_trunk(model, recipe.start_from, resnet)
    return model
