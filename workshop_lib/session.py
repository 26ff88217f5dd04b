"""The machine: which device, and the settings that make a CPU quick."""

__all__ = [
    "in_notebook",
    "is_out_of_memory",
    "memory",
    "peak_memory",
    "pick_device",
    "setup",
    "tune_allocator",
    "versions",
]

import ctypes
import os
import platform
import re
import sys
from functools import cache

import psutil
import torch

from workshop_lib import __version__
from workshop_lib.doctor import COLAB_HINT, available_memory
from workshop_lib.presets import preset, preset_time


def pick_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def tune_allocator() -> bool:
    """Keep freed memory inside the process (glibc only); returns whether it could.

    Without it, large CPU tensors are handed back to the system and fetched again, page
    by page, in every step: about half of the time of a small network's step. The price
    is that the process keeps its peak memory until it ends, which is too high where the
    address space is limited (`ulimit -v`): nothing is kept there.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    import resource  # Unix only

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return False
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
    mallopt = ctypes.CDLL("libc.so.6").mallopt
    # Older versions of glibc refuse a threshold above 32 MiB
    kept = mallopt(mmap_threshold, 1 << 30) or mallopt(mmap_threshold, 1 << 25)
    trimmed = mallopt(trim_threshold, (1 << 31) - 1)
    return bool(mallopt(top_pad, 1 << 27) and kept and trimmed)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, of a GPU or of the machine.

    On a CPU torch raises a plain RuntimeError, known by its text alone.
    """
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # The last is oneDNN's word for a workspace that it could not get.
    texts = "can't allocate memory|not enough memory|could not create a primitive"
    return isinstance(error, RuntimeError) and bool(re.search(texts, str(error)))


def peak_memory(device: torch.device) -> int:
    """Return the most memory taken so far, in bytes.

    On a GPU by tensors; on a CPU by the whole program, with torch itself and the images
    (a program that trains twice cannot tell the second peak from a higher first one).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # which Windows does not have

    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory(device: torch.device) -> tuple[float, float]:
    """Return free and total memory in GiB, of the GPU or of the machine."""
    found = (available_memory(), psutil.virtual_memory().total)
    if device.type == "cuda":
        found = torch.cuda.mem_get_info(device)
    return found[0] / 2**30, found[1] / 2**30


def in_notebook() -> bool:
    """Return whether this code runs in a Jupyter kernel (JupyterLab, Colab, ...)."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


def versions() -> dict[str, str]:
    """Name what a figure depends on: Python, torch, device, threads."""
    device = pick_device()
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else platform.machine()
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": f"{device.type} ({name})",
        "threads": str(torch.get_num_threads()),
    }


def setup() -> torch.device:
    """Prepare a notebook or a command: allocator, device; print what was found.

    Returns:
        The device that trainings will use.

    Raises:
        WorkshopError: in a notebook, WORKSHOP_PRESET names no preset.
    """
    tune_allocator()
    device = pick_device()
    print(", ".join(f"{k} {v}" for k, v in versions().items()))
    free, total = memory(device)
    known = f"workshop_lib {__version__}, memory {free:.1f} of {total:.1f} GiB free"
    if in_notebook():  # a command may have been given another one with --preset
        preset()  # a misspelt name is refused now, not when the first training starts
        known += f", preset {preset_time()}"
    print(known)
    if device.type == "cpu" and "COLAB_RELEASE_TAG" in os.environ:
        print(f"No GPU here. {COLAB_HINT}")
    return device
