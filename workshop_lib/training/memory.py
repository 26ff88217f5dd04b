"""How much memory a training will take, without taking it.

The step is acted out on tensors that have a shape and no content (torch's fake
tensors), and every allocation and release is added up, as the real step would make
them. That takes a second, whatever the size of images and batch.
"""

__all__ = ["VALIDATION", "Ledger", "MemoryNeed", "act_out"]

import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from workshop_lib.channels import groups
from workshop_lib.methods import Batch, Method, build_method, projection_dim
from workshop_lib.models import build_model
from workshop_lib.models.predict import images_at_a_time
from workshop_lib.recipe import Recipe
from workshop_lib.training.ema import Ema
from workshop_lib.training.optimizer import build_optimizer
from workshop_lib.training.pixel_task import TILES_AT_A_TIME

VALIDATION = 0.15  # share of the images, as `Split.random` draws them
_HALF = ("bf16", "fp16")  # alike in size


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes by what they are for, at the fullest moment of a step; and its arithmetic.

    `total` is the highest sum at any moment. The allocator's own waste, the workspace
    of a GPU's convolution library and the GPU context (0.3 to 0.6 GB) come on top.
    """

    weights: int
    optimizer: int
    average: int  # the weights that are evaluated
    method: int  # a teacher, queues, a label per image
    images: int  # of the data set
    kept: int  # views and what the layers made of them, at the end of the forward pass
    gradients: int  # those that are there at the fullest moment
    temporaries: int  # what else is there for a moment
    validation: int  # in place of the last three, where it takes more than they do
    flops: int  # of one step: multiplications and additions of convolutions, products
    images_with_gradient: int  # in one step

    @property
    def total(self) -> int:
        """Bytes at the fullest moment."""
        held = self.weights + self.optimizer + self.average + self.method + self.images
        step = self.kept + self.gradients + self.temporaries
        return held + max(step, self.validation)

    def rows(self) -> list[tuple[str, int]]:
        """Return what adds up to the total, with words for it."""
        step = self.kept + self.gradients + self.temporaries
        rows = [
            ("weights", self.weights),
            ("optimiser", self.optimizer),
            ("averaged weights", self.average),
            ("memory of the method", self.method),
            ("images of the data set", self.images),
        ]
        if self.validation > step:
            return [*rows, ("validation", self.validation)]
        return [
            *rows,
            ("kept for the backward pass", self.kept),
            ("gradients", self.gradients),
            ("temporaries", self.temporaries),
        ]


class Ledger(TorchDispatchMode):
    """Adds up what tensors take from moment to moment, each storage once.

    A context: what torch makes within it is counted until it is released.

    >>> with Ledger() as ledger:
    ...     half = torch.zeros(1024) * 2  # the zeros are gone when the line ends
    >>> ledger.live, ledger.peak
    (4096, 8192)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.flops = 0
        self._bytes: dict[int, int] = {}  # by storage

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and note what it made."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=out)
        for made in tree_leaves(out):
            if isinstance(made, Tensor):
                self._note(made.untyped_storage())
        return out

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._bytes:
            self._bytes[key] = storage.nbytes()
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._release, key)

    def _release(self, key: int) -> None:
        self.live -= self._bytes.pop(key)


def act_out(
    recipe: Recipe,
    *,
    shape: tuple[int, int, int],
    num_classes: int,
    num_images: int,
    image_bytes: int,
    precision: str,
    band_names: Sequence[str] = (),
) -> MemoryNeed:
    """Act out two steps and a validation of a recipe; the second step counts.

    Args:
        recipe: what to train; its `precision` is not looked at.
        shape: (C, H, W) of what the network reads.
        num_classes: K.
        num_images: in the data set.
        image_bytes: that one of them takes where it is stored.
        precision: "fp32", "bf16" or "fp16".
        band_names: of the C channels, for a recipe that fuses modalities.

    Raises:
        WorkshopError: a recipe that cannot be built.
    """
    with torch.device("meta"):  # no numbers are drawn for weights that nobody needs
        model = build_model(
            recipe.model,
            in_channels=shape[0],
            num_classes=num_classes,
            projection_dim=projection_dim(recipe),
            modalities=groups(band_names),
            fusion=recipe.fusion,
        )
        model.save_memory(
            checkpointing=recipe.checkpointing, micro_batch=recipe.micro_batch
        )
        method = build_method(recipe, num_classes)
        method.attach(model, num_images, num_images)
        ema = Ema(model, recipe.ema_decay)
    with FakeTensorMode(), Ledger() as ledger:
        for module in (model, method, ema.model):
            _make_fake(module)
        weights, average, of_method = (_size(m) for m in (model, ema.model, method))
        optimizer = build_optimizer(model, recipe)
        for _ in range(2):  # the optimiser makes its own memory in the first
            start = ledger.live
            ledger.peak, ledger.flops = start, 0
            kept = _step(recipe, shape, model, method, optimizer, precision, ledger)
            ema.update(model)
            method.after_step(model)
            optimizer.zero_grad(set_to_none=True)  # as the next step begins
        step = ledger.peak - start
        looked_at = math.ceil(VALIDATION * num_images)
        maps = recipe.task == "segment"
        validation = _validation(model, shape, looked_at, maps, ledger)
    kept -= start
    gradients = min(step - kept, sum(p.nbytes for p in model.parameters()))
    return MemoryNeed(
        weights=weights,
        optimizer=start - weights - average - of_method,
        average=average,
        method=of_method,
        images=num_images * image_bytes,
        kept=kept,
        gradients=gradients,
        temporaries=step - kept - gradients,
        validation=validation,
        flops=ledger.flops,
        images_with_gradient=model.most_images,
    )


def _step(
    recipe: Recipe,
    shape: tuple[int, int, int],
    model: nn.Module,
    method: Method,
    optimizer: torch.optim.Optimizer,
    precision: str,
    ledger: Ledger,
) -> int:
    """Take one step on fake images; returns the bytes at the end of its forward."""
    batch = _batch(recipe, shape, method)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision in _HALF):
        terms = method(model, batch)
    kept = ledger.live
    terms.total.backward()
    optimizer.step()
    return kept


def _batch(recipe: Recipe, shape: tuple[int, int, int], method: Method) -> Batch:
    def views(n: int, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        layout = torch.channels_last
        return tuple(
            torch.empty(n, *shape).contiguous(memory_format=layout) for _ in names
        )

    B, unlabeled = recipe.batch_size, recipe.batch_size * recipe.mu
    maps = recipe.task == "segment"  # a label for each pixel
    of_image = shape[1:] if maps else ()
    source = torch.zeros(unlabeled, *of_image, dtype=torch.int64)
    return Batch(
        x_lab=views(B, method.labeled_views),
        y_lab=torch.zeros(B, *of_image, dtype=torch.int64),
        x_unl=views(unlabeled, method.views),
        unlabeled_index=torch.zeros(unlabeled, dtype=torch.int64),
        source=source if maps and method.views else None,
    )


def _validation(
    model: nn.Module, shape: tuple[int, ...], count: int, maps: bool, ledger: Ledger
) -> int:
    """Look at images (C, H, W) as `predict` does; returns the bytes that it takes.

    One batch tells all: of images that is; of maps the probabilities stay, until all
    tiles that are scored at a time have theirs.
    """
    start, ledger.peak, flops = ledger.live, ledger.live, ledger.flops
    at_a_time = images_at_a_time(shape)
    together = min(count, TILES_AT_A_TIME if maps else at_a_time)
    model.eval()
    probs = []
    with torch.no_grad():
        for first in range(0, together, at_a_time):
            images = torch.empty(min(at_a_time, together - first), *shape)
            normalized = images.contiguous(memory_format=torch.channels_last)
            probs.append(model(normalized).logits.float().softmax(dim=1))
        torch.cat(probs)
    ledger.flops = flops  # those of the step are asked for
    return ledger.peak - start


def _make_fake(module: nn.Module) -> None:
    """Exchange a module's tensors for fake ones of the same layout."""
    make: Callable[[Tensor], Tensor] = lambda t: torch.empty_strided(  # noqa: E731
        t.size(), t.stride(), dtype=t.dtype
    )
    for part in module.modules():
        for name, p in part._parameters.items():
            if p is not None:
                part._parameters[name] = nn.Parameter(make(p), p.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = make(buffer)


def _size(module: nn.Module) -> int:
    return sum(t.nbytes for t in [*module.parameters(), *module.buffers()])
