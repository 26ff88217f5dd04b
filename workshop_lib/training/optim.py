"""The optimiser of a training, its learning rate, and the average of the weights."""

__all__ = ["OPTIMIZERS", "Ema", "build_optimizer", "learning_rate", "set_learning_rate"]

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from workshop_lib.errors import unknown_name
from workshop_lib.models import Model
from workshop_lib.models.model import (
    averaged_copy,
    ema_update_weights_,
    encoder_parameters,
)
from workshop_lib.settings import OptimConfig

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
    signal; learned weights of losses have no reason to shrink. The split goes by the
    type of the module that owns the parameter: by its own name ("bn") one would miss
    the normalisation in `downsample.1` of a ResNet.

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
    for name, parameter in model.named_parameters():  # shared ones once
        if parameter.requires_grad:
            owner = type(model.get_submodule(name.rpartition(".")[0]))
            # BatchNorm2d, LayerNorm, ...
            spared = "Norm" in owner.__name__
            spared |= name.endswith(("bias", "log_variance"))
            key = (id(parameter) not in slowly, spared)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": groups[fast, spared],
            "weight_decay": 0.0 if spared else weight_decay,
            "relative_lr": 1.0 if fast else relative_lr,
        }
        for fast, spared in sorted(groups)
    ]


def build_optimizer(model: nn.Module, settings: OptimConfig) -> torch.optim.Optimizer:
    """Build the optimiser of a config, at its peak learning rate.

    "adamw" reaches its best within a few thousand steps and hardly minds the learning
    rate: the choice for a class. "sgd" with Nesterov momentum is the paper's (Sohn et
    al. 2020), for long runs. The others are the steps from one to the other, to be
    compared in a lesson: "plain_sgd" without momentum, "momentum" without Nesterov's
    look ahead, "adagrad" (a rate for each weight, that only falls), "rmsprop" (one that
    forgets), "adam" (with momentum; its decay goes through the gradient).
    Weight decays are not comparable: AdamW shrinks weights by lr * weight_decay
    directly, the others add weight_decay * weight to the gradient.

    Args:
        model: or several modules in one: a model, and the method that has a network of
            its own to train.
        settings: of the optimiser.

    Raises:
        WorkshopError: an unknown optimiser.
    """
    models = [m for m in model.modules() if isinstance(m, Model)]
    slow = [p for m in models for p in encoder_parameters(m)]
    rates = (slow, settings.encoder_lr) if settings.encoder_lr != 1 else ()
    groups = weight_decay_groups(model, settings.weight_decay, *rates)
    for group in groups:
        group["lr"] = settings.lr * group["relative_lr"]
    # One kernel for all weights; elsewhere torch picks the fastest way that it knows.
    on = {p.device.type for p in model.parameters()}
    fused = True if on <= {"cpu", "cuda"} else None
    momentum = settings.sgd_momentum
    kinds: dict[str, Any] = {
        "plain_sgd": partial(SGD, fused=fused),
        "momentum": partial(SGD, momentum=momentum, fused=fused),
        # Nesterov looks ahead along the momentum; without any there is no ahead.
        "sgd": partial(SGD, momentum=momentum, nesterov=momentum > 0, fused=fused),
        "adagrad": Adagrad,
        "rmsprop": RMSprop,
        "adam": partial(Adam, fused=fused),
        "adamw": partial(AdamW, fused=fused),
    }
    if settings.optimizer not in kinds:
        raise unknown_name("optimizer", settings.optimizer, kinds)
    return kinds[settings.optimizer](groups, lr=settings.lr)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, settings: OptimConfig, step: int
) -> None:
    """Set every group's learning rate for a step, counted from 0."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(settings, step) * group["relative_lr"]


def learning_rate(settings: OptimConfig, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    return settings.lr * cosine_7_16(step, settings.steps, settings.warmup_steps)


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

    >>> [round(cosine_7_16(step, total=100, warmup=10), 2) for step in (0, 5, 10, 100)]
    [0.0, 0.5, 1.0, 0.2]
    """
    # 1) the linear rise
    if step < warmup:
        return step / warmup
    # 2) the slow fall
    progress = (step - warmup) / max(1, total - warmup)
    return max(0.0, math.cos(7 * math.pi / 16 * progress))


class Ema:
    """Exponential moving average of a model's weights: what is evaluated and shipped.

    The last steps of training jump about a good solution; their average lies nearer to
    it than any of them, and its validation curve is smooth enough to choose a
    checkpoint by. It is only looked at: pseudo-labels come from the model in training.

        theta_ema <- d theta_ema + (1 - d) theta      (Tarvainen and Valpola 2017)

    Buffers (the running statistics of batch normalisation) are copied, not averaged, as
    the FixMatch implementations do.
    It starts with min(d, (1+t)/(10+t)) at update t = 0, 1, ..., so that the random
    initial weights are forgotten within tens of steps.

    Args:
        model: is copied; the copy is in evaluation mode and takes no gradient.
        decay: d in [0, 1). 1/(1-d) is about the number of steps that are averaged:
            0.999 in FixMatch, 0.99 for runs of a few thousand steps. Too high for a
            short run: the average is still at the initial weights when training ends.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = averaged_copy(model)
        self.decay = decay
        self.updates = 0

    def update(self, model: nn.Module) -> None:
        """Take the weights of `model` into the average; call it after every step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ema_update_weights_(self.model, model, decay)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and numbers from which `load_state_dict` resumes."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])
