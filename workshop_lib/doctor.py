"""Is this machine ready for the workshop, and if not, what is to be done?

`workshop doctor` prints what `diagnose` finds. Nothing here imports torch at the top:
a missing or broken torch is the most frequent illness, and the doctor must survive it.
"""

__all__ = ["COLAB_HINT", "Check", "available_memory", "diagnose", "exit_code", "table"]

import importlib
import os
import platform
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from workshop_lib.files import free_space

TORCH = (2, 4)  # as in pyproject.toml; a test keeps the two in step
DISK_GB = 2.0  # generated data, runs and reports of the whole workshop
MEMORY_GB = 2.0  # the quickstart's peak, with room for a notebook beside it
COLAB_HINT = (
    "In Colab: Runtime > Change runtime type > T4 GPU > Save, then run the cells again."
    " Everything also works without."
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    `found` is what the machine has; `advice` is what to do, empty where all is well.
    `essential` says that the workshop cannot run at all without it.
    """

    name: str
    found: str
    advice: str = ""
    essential: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing is to be done."""
        return not self.advice


def diagnose(folder: Path | str = "runs") -> list[Check]:
    """Look at Python, packages, disk, memory and device; download nothing.

    Args:
        folder: where runs will be written; it is not created.
    """
    folder = Path(folder)
    return [
        Check("Python", f"{platform.python_version()} at {sys.executable}"),
        _check_package("torch", TORCH),
        _check_package("torchvision"),  # whose release must be that of torch
        _check_disk(folder),
        _check_memory(),
        _check_device(),
    ]


def exit_code(checks: list[Check]) -> int:
    """Return 0 where everything essential is well, otherwise 1 (2 means wrong use)."""
    return int(any(check.essential and not check.ok for check in checks))


def table(checks: list[Check]) -> str:
    """Lay the checks out as lines: a mark, the name, what was found; then the advice.

    The marks are words, not colours, so that they survive a pipe and a screen reader.
    """
    lines = []
    for check in checks:
        mark = "ok" if check.ok else ("FAIL" if check.essential else "note")
        lines.append(f"{mark:<6}{check.name:<13}{check.found}")
        lines += [f"      -> {check.advice}"] if check.advice else []
    if exit_code(checks):
        lines.append("Something essential is missing: follow the arrows (->) above.")
    else:
        lines.append("Ready. Next: workshop quickstart")
    return "\n".join(lines)


def available_memory() -> int:
    """Return the bytes of memory that this process may still take.

    In a container (Linux, control groups version 2) that is what its limit leaves: the
    machine around it may have much more.
    """
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no such file, or "max" for no limit
        group = Path("/sys/fs/cgroup")
        limit, used = (
            int((group / f"memory.{name}").read_text()) for name in ("max", "current")
        )
        return max(0, min(free, limit - used))
    return free


def _check_package(name: str, least: tuple[int, ...] = ()) -> Check:
    try:
        version: str = importlib.import_module(name).__version__
    except Exception as error:  # a broken build raises whatever it likes
        return Check(name, _oneline(error), _reinstall())
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return Check(name, version, "" if numbers >= least else _reinstall())


def _check_disk(folder: Path) -> Check:
    """Check that runs can be written, and that there is room for them."""
    place = folder.absolute()
    if place.is_file():
        return Check("disk", f"{place} is a file", "move it elsewhere")
    while not place.is_dir():  # the closest folder that exists
        place = place.parent
    try:
        # A real file: permission bits say nothing on network drives and full disks.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"workshop")
    except OSError as error:
        advice = f"change the rights of {place}, or work in a folder of your own"
        return Check("disk", _oneline(error), advice)
    free = free_space(place) / 1e9
    advice = f"free some space: {DISK_GB:.0f} GB are needed for data and runs"
    return Check("disk", f"{free:.1f} GB free", "" if free >= DISK_GB else advice)


def _check_memory() -> Check:
    free = available_memory() / 1e9
    advice = (
        f"{MEMORY_GB:.0f} GB are needed: close other programs and notebooks"
        " (Jupyter: Kernel > Shut Down All Kernels)"
    )
    found = f"{free:.1f} GB available"
    return Check("memory", found, "" if free >= MEMORY_GB else advice)


def _check_device() -> Check:
    """Describe what trainings will run on; never essential, as a CPU is enough."""
    cores = _cores()
    on_cpu = f"CPU, {cores} core{'s' * (cores != 1)}"
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            gpu, count = torch.cuda.get_device_properties(0), torch.cuda.device_count()
            # Compute capability 8 (Ampere) brought bf16; older ones imitate it, slowly
            precision = "bf16" if gpu.major >= 8 else "fp16"
            more = f" (first of {count})" if count > 1 else ""
            found = f"{gpu.name}, {gpu.total_memory / 1e9:.1f} GB, {precision}{more}"
            return Check("device", found, essential=False)
        advice = _gpu_advice(built_with_cuda=torch.version.cuda is not None)
    except Exception as error:  # a driver that is half installed raises here
        found = f"{on_cpu}; GPU: {_oneline(error)}"
        return Check("device", found, _reinstall(), essential=False)
    if not advice and cores < 2:
        advice = "with one core the quickstart takes about twice as long"
    return Check("device", on_cpu, advice, essential=False)


def _gpu_advice(built_with_cuda: bool) -> str:
    """Say how to get at a GPU that is there but not seen; nothing where none is."""
    if "COLAB_RELEASE_TAG" in os.environ:
        return COLAB_HINT
    if shutil.which("nvidia-smi") is None:
        return ""
    if built_with_cuda:
        return "run nvidia-smi: an old driver needs an update, or a torch built for it"
    return "this torch is for CPUs only: make clean, then make setup without TORCH=cpu"


def _cores() -> int:
    """Count the cores this process may use: on shared machines fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _oneline(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def _reinstall() -> str:
    if "COLAB_RELEASE_TAG" in os.environ:
        return "Runtime > Disconnect and delete runtime gives a fresh Colab machine"
    return (
        f"make clean, then make setup: it brings torch {TORCH[0]}.{TORCH[1]} or newer,"
        " and the torchvision of its release"
    )
