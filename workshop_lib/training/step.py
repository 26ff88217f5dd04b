"""The training step, and its number format: half precision where that is faster."""

__all__ = [
    "Precision",
    "Trial",
    "choose_precision",
    "random_numbers_of",
    "relative_time",
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

from workshop_lib.errors import unknown_name
from workshop_lib.methods import Batch, Method
from workshop_lib.models import Model
from workshop_lib.ranks import rank
from workshop_lib.sample import Sample, interleaved
from workshop_lib.training.distributed import average_gradients

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


@contextmanager
def random_numbers_of(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Let dropout draw what belongs to a step, and leave the caller's numbers alone.

    Dropout knows no generator but torch's global one, which no checkpoint holds: drawn
    from the number of the step, a resumed training drops what it would have dropped.
    Each rank draws its own.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed((seed << 32) + (step << 8) + rank() % 256)
        yield


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
