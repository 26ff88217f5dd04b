"""The training step, alone or on several ranks, in half precision where it pays."""

__all__ = [
    "Precision",
    "SyncedBatchNorm",
    "choose_precision",
    "random_numbers_of",
    "relative_time",
    "synchronize_batch_norm",
    "training_step",
    "trial_step",
]

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workshop_lib import ranks
from workshop_lib.errors import unknown_name
from workshop_lib.methods import Batch, Method
from workshop_lib.models import Model
from workshop_lib.sample import Sample, interleaved

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_CLEARLY = 0.75  # bf16 must take less than this share of fp32's time to be worth it
_HOPELESS = 3.0  # after one slow try: where bf16 is emulated it takes 25 times as long
_ROUNDS, _SECONDS = (3, 40), 1.0  # fewest and most; between them, time decides
_PIXELS = 2**16  # of all images of a trial: the whole batch at 32 px, one image at 224

# What was measured in this process, by network, shape of its batch and threads: the
# same training must not get another format because the machine was busy for a moment.
_MEASURED: dict[tuple[object, ...], float] = {}


@dataclass(frozen=True)
class Precision:
    """The number format of a training's forward passes. Losses stay in float32."""

    name: str  # fp32, bf16 or fp16
    device_type: str  # cpu or cuda
    reason: str = ""  # how "auto" came to it, for people; empty if it was asked for

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" if self.reason else self.name

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which the forward passes run."""
        dtype = _DTYPES[self.name]
        return torch.autocast(self.device_type, dtype, enabled=self.name != "fp32")

    def scaler(self) -> torch.amp.GradScaler:
        """Return the loss scaler: in fp16's small range gradients vanish without."""
        return torch.amp.GradScaler(self.device_type, enabled=self.name == "fp16")


def training_step(
    model: Model,
    method: Method,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    precision: Precision,
    scaler: torch.amp.GradScaler,
    after_forward: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """Take one step: forward pass, loss, backward pass, update of the weights.

    Returns:
        The terms of the loss by name, and "loss", their sum. Nothing is read back.
    """
    method.log, terms = {}, dict[str, Tensor]()
    with precision.autocast():
        for name, term in method.losses(model, batch):
            terms[name] = terms[name] + term if name in terms else term
        weigh = model.head_weights
        parts = list(terms.values()) if weigh is None else weigh(terms)
        loss = torch.stack(parts).sum()
    after_forward()
    scaler.scale(loss).backward()  # fp16 only: its small gradients would vanish
    average_gradients(model, method)
    scaler.step(optimizer)
    scaler.update()
    return {"loss": loss, **terms}


def average_gradients(*modules: nn.Module) -> None:
    """Give all ranks the gradient of the global batch: the mean of their own.

    One message for all weights, sent when the backward pass is over.
    """
    if ranks.world_size() == 1:
        return
    trained = nn.ModuleList(modules).parameters()
    gradients = [p.grad for p in trained if p.grad is not None]
    mean = ranks.mean_over_ranks(torch.cat([g.flatten() for g in gradients]))
    parts = mean.split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


@contextmanager
def random_numbers_of(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Let dropout draw what belongs to a step, and leave the caller's numbers alone.

    Dropout knows no generator but torch's global one, which no checkpoint holds: drawn
    from the number of the step, a resumed training drops what it would have dropped.
    Each rank draws its own.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed((seed << 32) + (step << 8) + ranks.rank() % 256)
        yield


class SyncedBatchNorm(nn.BatchNorm2d):
    """Normalise by the statistics of all ranks' images, as one process would.

    With a part of the batch each, ranks that normalise for themselves train another
    network: its statistics are those of fewer images, and they depend on the number of
    ranks. Here each rank tells the others its mean and variance, channel by channel:

        mean = mean_r m_r,    variance = mean_r v_r + mean_r (m_r - mean)^2

    which is exact, as all parts are of one size, and loses no digits as a mean of
    squares would. Gradient flows through the exchange: one message forward, one
    backward. torch's own SyncBatchNorm does the same, but on GPUs only.

    Shape: (n, C, ...) -> the same; n images of the global batch on this rank.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Take the place of the one- and three-dimensional layers too."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in evaluation, and without other ranks, as the plain layer."""
        if not self.training or ranks.world_size() == 1:
            return super().forward(x)
        dims = [d for d in range(x.ndim) if d != 1]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dims, correction=0)  # (C,) of this rank
        told = ranks.gather_rows_with_gradient(torch.stack([mean, variance])[None])
        means, variances = told.unbind(1)  # (world_size, C)
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        if self.num_batches_tracked is not None:  # else the batch is computed again
            count = ranks.world_size() * x.numel() // x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.detach(), self.momentum)
            unbiased = variance.detach() * count / (count - 1)
            self.running_var.lerp_(unbiased, self.momentum)

        scale = (variance + self.eps).rsqrt() * self.weight  # (C,)
        shape = [-1 if d == 1 else 1 for d in range(x.ndim)]
        centred = wide - mean.view(shape)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def synchronize_batch_norm(model: nn.Module) -> None:
    """Let every batch normalisation of a model look at all ranks; alone, do nothing.

    Weights, buffers and their names stay, so a checkpoint does not depend on the number
    of processes that made it.
    """
    for layer in model.modules():
        if ranks.world_size() > 1 and isinstance(
            layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
        ):
            layer.__class__ = SyncedBatchNorm  # the same layer with another `forward`


@dataclass(frozen=True)
class Trial:
    """Some work that stands for a training: `run` does it once, `key` names it."""

    run: Callable[[], object]
    key: tuple[object, ...]


def trial_step(model: nn.Module, batch: int, like: Sample) -> Trial:
    """Make a trial of a network: forward and backward through a copy of it.

    The network itself, its batch statistics and the caller's random numbers stay as
    they are. Large images are tried a few at a time: what counts is the ratio of two
    formats, and it hardly depends on how many there are.

    Args:
        model: on the device it will be trained on.
        batch: images of a step with gradient.
        like: images of each sensor, and metadata, of which only the shapes matter.
    """
    shapes = {name: tuple(values.shape[1:]) for name, values in like.items()}
    largest = max(math.prod(shape[1:]) for shape in shapes.values())
    # Two at least: batch normalisation has no variance of a single value.
    n = max(2, min(batch, _PIXELS // max(1, largest)))
    twin = copy.deepcopy(model).train()
    device = next(twin.parameters()).device
    sample = {}
    for name, shape in shapes.items():
        values = torch.linspace(-1, 1, n * math.prod(shape), device=device)
        sample[name] = interleaved(values.view(n, *shape))

    def run() -> None:
        with torch.random.fork_rng(devices=[]):  # dropout draws
            outputs = twin(sample).values()
            torch.stack([o.float().square().mean() for o in outputs]).sum().backward()

    return Trial(run, (str(model), n, str(shapes), torch.get_num_threads()))


def _small_convolution() -> Trial:
    """Make a trial where there is no network to try: one layer of a Wide ResNet."""
    layer = nn.Conv2d(32, 32, 3, padding=1, bias=False)
    images = interleaved(torch.ones(16, 32, 16, 16))
    return Trial(lambda: layer(images), ("convolution", torch.get_num_threads()))


def choose_precision(
    wanted: str,
    device: torch.device,
    make_trial: Callable[[], Trial] = _small_convolution,
) -> Precision:
    """Turn the setting `precision` into a number format.

    "auto" takes bf16 on GPUs that have it, fp16 on those that have not (T4), and on a
    CPU whichever a short trial of the network shows faster: with AVX-512-BF16 bf16
    makes a Wide ResNet 2 to 3 times faster and a tiny head slower, without it
    everything 25 times slower. One knows only after measuring.

    Args:
        wanted: "auto", "fp32", "bf16" or "fp16".
        device: where the training will run.
        make_trial: returns what "auto" measures on a CPU (`trial_step`).

    Raises:
        WorkshopError: an unknown name.
    """
    if wanted not in ("auto", *_DTYPES):
        raise unknown_name("precision", wanted, ("auto", *_DTYPES))
    if wanted != "auto":
        return Precision(wanted, device.type)
    if device.type == "cuda":
        # Emulated bf16 (before Ampere) counts as supported but is slow.
        native = torch.cuda.get_device_capability(device)[0] >= 8
        why = "this GPU has it" if native else "this GPU has no bf16"
        return Precision("bf16" if native else "fp16", device.type, why)
    trial = make_trial()
    if trial.key not in _MEASURED:
        _MEASURED[trial.key] = relative_time(trial)
    share = _MEASURED[trial.key]
    why = f"bf16 would take {share:.1f} times as long here, measured"
    if share < _CLEARLY:
        why = f"{1 / share:.1f} times as fast as fp32 here, measured"
    return Precision("bf16" if share < _CLEARLY else "fp32", device.type, why)


def relative_time(trial: Trial) -> float:
    """Return the time that bf16 takes as a fraction of fp32's: the best of each.

    The two take turns, so that a busy moment of the machine meets both.
    """
    single, half = Precision("fp32", "cpu"), Precision("bf16", "cpu")
    best = {each: _seconds(trial.run, each) for each in (single, half)}  # warm-up
    if best[half] > max(_HOPELESS * best[single], _SECONDS / 2):
        return best[half] / best[single]
    best = dict.fromkeys(best, math.inf)
    fewest, most = _ROUNDS
    end = time.perf_counter() + _SECONDS
    for done in range(most):
        if done >= fewest and time.perf_counter() > end:
            break
        for each in best:
            best[each] = min(best[each], _seconds(trial.run, each))
    return best[half] / best[single]


def _seconds(run: Callable[[], object], precision: Precision) -> float:
    start = time.perf_counter()
    with precision.autocast():
        run()
    return time.perf_counter() - start
