"""Memory of a training, predicted without allocating it.

The real step (`training_step`) runs on tensors that have a shape and no content
(torch's fake tensors), and every allocation and release is added up. That takes a
second, whatever the size of images and batch.
"""

__all__ = ["MemoryEstimate", "MemoryTracker", "estimate_memory"]

import copy
import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from workshop_lib.config import Config
from workshop_lib.methods import Batch, Method, TrainingSize
from workshop_lib.sample import METADATA, Sample, images_at_a_time, interleaved
from workshop_lib.training.inputs import initial_model
from workshop_lib.training.optim import Ema, build_optimizer
from workshop_lib.training.step import Precision, training_step

VALIDATION = 0.15  # fraction of the images, as `Split.random` draws them


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by purpose, at the fullest moment of a step; and its arithmetic.

    The highest sum at any moment. The allocator's own waste, the workspace of a GPU's
    convolution library and the GPU context (0.3 to 0.6 GB) come on top.
    """

    rows: dict[str, int]  # what adds up to the total, in words
    kept: int  # views and activations, at the end of the forward pass
    step: int  # all that one step takes: kept, gradients, and what lives for a moment
    flops: int  # of one step: multiplications and additions of convolutions, products
    images_with_gradient: int  # in one step

    @property
    def total(self) -> int:
        """Bytes at the fullest moment."""
        return sum(self.rows.values())


class MemoryTracker(TorchDispatchMode):
    """Context that adds up the bytes of tensors from moment to moment.

    What torch makes within it is counted until it is released, each storage once.

    >>> with MemoryTracker() as tracker:
    ...     half = torch.zeros(1024) * 2  # the zeros are gone when the line ends
    >>> tracker.live, tracker.peak
    (4096, 8192)
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = self.flops = 0
        self._bytes: dict[int, int] = {}  # by storage

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
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


def estimate_memory(
    config: Config,
    facts: Mapping[str, Any],
    *,
    num_images: int = 4000,
    image_bytes: int = 0,
    precision: str = "fp32",
) -> MemoryEstimate:
    """Run two steps and a validation of a config on fake tensors; the second counts.

    Args:
        config: what to train; its `precision` is not looked at.
        facts: sensors, metadata and heads, as `Inputs.facts` gives them.
        num_images: in the data set.
        image_bytes: of one of them as it is stored, with its targets.
        precision: "fp32", "bf16" or "fp16".

    Raises:
        WorkshopError: a config that cannot be built.
    """
    optim = config.optim
    half = "bf16" if precision in ("bf16", "fp16") else "fp32"  # alike in size
    autocast = Precision(half, "cpu")
    scaler = autocast.scaler()
    with torch.device("meta"):  # no numbers are drawn for weights that nothing reads
        model = initial_model(config, dict(facts), load_pretrained=False)
        model.save_memory(
            checkpointing=config.run.checkpointing, micro_batch=config.run.micro_batch
        )
        method = copy.deepcopy(config.method)
        counts = (num_images, num_images, optim.batch_size, optim.mu, optim.steps)
        method.setup(model, TrainingSize(*counts))
        ema = Ema(model, optim.ema_decay)
    side = config.data.size  # of what it reads
    if config.model.features:
        strides = [b.input_stride for b in model.encoder.each_backbone()]
        whole = config.model.skipped_stages > 0
        side = math.ceil(config.model.feature_size / max(strides)) if whole else 1
    with FakeTensorMode(allow_non_fake_inputs=True), MemoryTracker() as tracker:
        for module in (model, ema.model, method):
            module.to_empty(device="cpu")
        rows = {
            "weights": _size(model),
            "averaged weights": _size(ema.model),
            "memory of the method": _size(method),
        }
        trained = nn.ModuleList([model, method])
        optimizer = build_optimizer(trained, optim)
        live: list[int] = []  # at the end of each forward pass
        for _ in range(2):  # the optimiser makes its own memory in the first
            start = tracker.live
            tracker.peak, tracker.flops = start, 0
            batch = _fake_batch(config, facts, side, method)
            what = model, method, optimizer, batch, autocast, scaler
            training_step(*what, lambda: live.append(tracker.live))
            del batch, what
            ema.update(model)
            method.after_step(model)
            method.log, method.pseudo_labels = {}, {}
            optimizer.zero_grad(set_to_none=True)  # as the next step begins
        step, flops = tracker.peak - start, tracker.flops

        before, tracker.peak = tracker.live, tracker.live
        at_once = images_at_a_time(_fake_sample(facts, side, 1))
        n = min(math.ceil(VALIDATION * num_images), at_once)
        stored = _fake_sample(facts, side, n)
        with torch.no_grad():
            model.eval()({k: v.contiguous().clone() for k, v in stored.items()})
        validation = tracker.peak - before
    kept = live[-1] - start
    learns = sum(p.nbytes for p in trained.parameters() if p.requires_grad)
    rows["optimiser"] = start - sum(rows.values())
    rows["images of the data set"] = num_images * image_bytes
    if validation > step:
        rows["validation"] = validation
    else:
        gradients = min(step - kept, learns)
        rows |= {"kept for the backward pass": kept, "gradients": gradients}
        rows["temporaries"] = step - kept - gradients
    return MemoryEstimate(rows, kept, step, flops, model.most_images)


def _fake_batch(
    config: Config, facts: Mapping[str, Any], side: int, method: Method
) -> Batch:
    B, unlabeled = config.optim.batch_size, config.optim.batch_size * config.optim.mu
    targets = {}
    for name, about in facts["heads"].items():
        kind, K = about["kind"], about["num_classes"]
        shape = {"dense": (B, side, side), "multilabel": (B, K)}.get(kind, (B,))
        dtype = {"dense": torch.uint8, "categorical": torch.int64}.get(kind)
        targets[name] = torch.zeros(shape, dtype=dtype)
    return Batch(
        labeled=tuple(_fake_sample(facts, side, B) for _ in method.labeled_views),
        targets=targets,
        views=tuple(_fake_sample(facts, side, unlabeled) for _ in method.views),
        index=torch.zeros(unlabeled, dtype=torch.int64),
    )


def _fake_sample(facts: Mapping[str, Any], side: int, n: int) -> Sample:
    sensors = facts["sensors"].items()
    sample = {k: interleaved(torch.empty(n, C, side, side)) for k, C in sensors}
    if facts["metadata"]:
        sample[METADATA] = torch.empty(n, facts["metadata"])
    return sample


def _size(module: nn.Module) -> int:
    return sum(t.nbytes for t in [*module.parameters(), *module.buffers()])
