"""Number formats: half precision where it is faster, single precision elsewhere."""

__all__ = ["Precision", "choose_precision"]

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional as F

from workshop_lib.errors import unknown_name

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """The number format of a training's forward passes. Losses stay in float32."""

    name: str  # fp32, bf16 or fp16
    device_type: str  # cpu or cuda

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which the forward passes run."""
        dtype = _DTYPES[self.name]
        return torch.autocast(self.device_type, dtype, enabled=self.name != "fp32")

    def scaler(self) -> torch.amp.GradScaler:
        """Return the loss scaler: in fp16's small range gradients vanish without."""
        return torch.amp.GradScaler(self.device_type, enabled=self.name == "fp16")


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """Turn a recipe's `precision` into a number format.

    "auto" takes bf16 on GPUs that have it, fp16 on those that have not (T4), and on a
    CPU whichever a short measurement shows faster: with AVX-512-BF16 bf16 is 2 to 3
    times faster, without it 25 times slower.

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
        return Precision("bf16" if native else "fp16", device.type)
    return Precision("bf16" if _cpu_is_faster_in_bf16() else "fp32", device.type)


@cache
def _cpu_is_faster_in_bf16() -> bool:
    """Time a convolution in both formats; bf16 must be clearly faster to be chosen."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        images = torch.ones(16, 32, 16, 16, dtype=dtype).to(
            memory_format=torch.channels_last
        )
        weight = torch.ones(32, 32, 3, 3, dtype=dtype)
        times = []
        for _ in range(4):
            start = time.perf_counter()
            F.conv2d(images, weight, padding=1)
            times.append(time.perf_counter() - start)
        seconds[dtype] = min(times[1:])
    return seconds[torch.bfloat16] < 0.75 * seconds[torch.float32]
