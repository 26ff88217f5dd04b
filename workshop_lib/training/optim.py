"""The optimiser: which weights decay, how fast each part learns, and the schedule."""

__all__ = [
    "OPTIMIZERS",
    "build_optimizer",
    "cosine_7_16",
    "set_learning_rate",
    "weight_decay_groups",
]

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models import Model
from workshop_lib.models.model import encoder_parameters
from workshop_lib.settings import OptimConfig

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


def weight_decay_groups(
    model: nn.Module,
    weight_decay: float,
    slow: Iterable[nn.Parameter] = (),
    relative_lr: float = 1.0,
) -> list[dict[str, Any]]:
    """Split parameters into those that decay and those that must not.

    Decay keeps weights small against overfitting. The scale and shift of a
    normalisation layer and biases cannot overfit, and shrinking them only weakens the
    signal. The split goes by the type of the module that owns the parameter: by its
    name ("bn") one would miss the normalisation in `downsample.1` of a ResNet.

    Args:
        model: whose parameters are split.
        weight_decay: of the first kind.
        slow: parameters with a learning rate of their own, such as a pretrained
            encoder's.
        relative_lr: their learning rate as a fraction of the others'.

    Returns:
        Groups as torch optimisers take them, each with "relative_lr": the slow ones
        first, decaying before not decaying; empty groups are left out. Frozen
        parameters are in none, shared ones in one.
    """
    slowly = {id(p) for p in slow}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            spared = isinstance(module, NORM_LAYERS) or name.endswith("bias")
            key = (id(parameter) not in slowly, spared)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": groups[key],
            "weight_decay": 0.0 if key[1] else weight_decay,
            "relative_lr": 1.0 if key[0] else relative_lr,
        }
        for key in sorted(groups)
    ]


def build_optimizer(model: Model, settings: OptimConfig) -> torch.optim.Optimizer:
    """Build the optimiser of a config, at its peak learning rate.

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
    if (
        settings.lr <= 0
        or settings.weight_decay < 0
        or not 0 <= settings.sgd_momentum < 1
    ):
        raise WorkshopError(
            f"lr={settings.lr}, weight_decay={settings.weight_decay},"
            f" sgd_momentum={settings.sgd_momentum}: expected lr > 0 (usual: 0.002 with"
            " adamw, 0.03 with sgd), weight_decay >= 0 and sgd_momentum in [0, 1)."
        )
    slow = encoder_parameters(model) if settings.encoder_lr != 1 else ()
    groups = weight_decay_groups(
        model, settings.weight_decay, slow, settings.encoder_lr
    )
    for group in groups:
        group["lr"] = settings.lr * group["relative_lr"]
    # One kernel for all weights; elsewhere torch picks the fastest way that it knows.
    on = {p.device.type for p in model.parameters()}
    fused = True if on <= {"cpu", "cuda"} else None
    match settings.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=settings.lr, fused=fused)
        case "sgd":
            # Nesterov looks ahead along the momentum; without any there is no ahead.
            return torch.optim.SGD(
                groups,
                lr=settings.lr,
                momentum=settings.sgd_momentum,
                nesterov=settings.sgd_momentum > 0,
                fused=fused,
            )
        case "plain_sgd":
            return torch.optim.SGD(groups, lr=settings.lr, fused=fused)
        case "momentum":
            momentum = settings.sgd_momentum
            return torch.optim.SGD(groups, settings.lr, momentum, fused=fused)
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=settings.lr)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=settings.lr)
        case "adam":
            return torch.optim.Adam(groups, lr=settings.lr, fused=fused)
        case _:
            raise unknown_name("optimizer", settings.optimizer, OPTIMIZERS)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, settings: OptimConfig, step: int
) -> None:
    """Set every group's learning rate for a step, counted from 0."""
    factor = cosine_7_16(step, settings.steps, settings.warmup_steps)
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * factor * group["relative_lr"]


def cosine_7_16(step: int, total: int, warmup: int = 0) -> float:
    """Return the factor of the peak learning rate at a step.

    The cosine stops at 7/16 of a half turn: cos(7 pi/16 * progress) falls slowly at
    first and ends at 0.195, not at 0, so that the last steps still learn (Sohn et al.
    2020, section 2.4).

    Args:
        step: steps already taken, from 0.
        total: steps of the whole training, warm-up included.
        warmup: steps of the linear rise from 0; the paper has none, Adam needs some.

    Returns:
        A number in [0, 1]; multiply the peak rate by it. Meant for step <= total.

    Raises:
        WorkshopError: a negative step or warm-up, or no steps at all.
    """
    if step < 0 or total < 1 or warmup < 0:
        raise WorkshopError(
            f"step={step}, total={total}, warmup={warmup}: expected step >= 0,"
            " total >= 1 and warmup >= 0."
        )
    # 1) the linear rise
    if step < warmup:
        return step / warmup
    # 2) the slow fall
    progress = (step - warmup) / max(1, total - warmup)
    return max(0.0, math.cos(7 * math.pi / 16 * progress))
