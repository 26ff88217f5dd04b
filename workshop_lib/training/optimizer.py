"""The optimiser, and which weights it lets shrink."""

__all__ = ["OPTIMIZERS", "build_optimizer", "weight_decay_groups"]

from typing import Any

import torch
from torch import nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.recipe import Recipe

NORM_LAYERS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


# From the oldest to the one that a class takes
OPTIMIZERS = ("plain_sgd", "momentum", "sgd", "adagrad", "rmsprop", "adam", "adamw")


def weight_decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters into those that decay and those that must not.

    Decay keeps weights small against overfitting. The scale and shift of a
    normalisation layer and biases cannot overfit, and shrinking them only weakens the
    signal. The split goes by the type of the module that owns the parameter: by its
    name ("bn") one would miss the normalisation in `downsample.1` of a ResNet.

    Returns:
        Two groups as torch optimisers take them, decaying first; frozen parameters are
        in neither, shared ones in one.
    """
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            spared = isinstance(module, NORM_LAYERS) or name.endswith("bias")
            (no_decay if spared else decay).append(parameter)
    return [
        {"params": decay, "weight_decay": weight_decay},
        {"params": no_decay, "weight_decay": 0.0},
    ]


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the optimiser that a recipe asks for, at its peak learning rate.

    "adamw" reaches its best within a few thousand steps and hardly minds the learning
    rate: the choice for a class. "sgd" with Nesterov momentum is the paper's (Sohn et
    al. 2020), for long runs. The others are the steps from one to the other, to be
    compared in a lesson: "plain_sgd" without momentum, "momentum" without Nesterov's
    look ahead, "adagrad" (a rate for each weight, that only falls), "rmsprop" (one that
    forgets), "adam" (with momentum; its decay goes through the gradient).
    Weight decays are not comparable: AdamW shrinks weights by lr * weight_decay
    directly, the others add weight_decay * weight to the gradient.

    Raises:
        WorkshopError: unknown optimiser, or a learning rate or decay out of range.
    """
    if recipe.lr <= 0 or recipe.weight_decay < 0 or not 0 <= recipe.momentum < 1:
        raise WorkshopError(
            f"lr={recipe.lr}, weight_decay={recipe.weight_decay},"
            f" momentum={recipe.momentum}: expected lr > 0 (usual: 0.002 with adamw,"
            " 0.03 with sgd), weight_decay >= 0 and momentum in [0, 1)."
        )
    groups = weight_decay_groups(model, recipe.weight_decay)
    # One kernel for all weights; elsewhere torch picks the fastest way that it knows.
    on = {p.device.type for p in model.parameters()}
    fused = True if on <= {"cpu", "cuda"} else None
    match recipe.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=recipe.lr, fused=fused)
        case "sgd":
            # Nesterov looks ahead along the momentum; without any there is no ahead.
            return torch.optim.SGD(
                groups,
                lr=recipe.lr,
                momentum=recipe.momentum,
                nesterov=recipe.momentum > 0,
                fused=fused,
            )
        case "plain_sgd":
            return torch.optim.SGD(groups, lr=recipe.lr, fused=fused)
        case "momentum":
            momentum = recipe.momentum
            return torch.optim.SGD(groups, recipe.lr, momentum, fused=fused)
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=recipe.lr)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=recipe.lr)
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.lr, fused=fused)
        case _:
            raise unknown_name("optimizer", recipe.optimizer, OPTIMIZERS)
