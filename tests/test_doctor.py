"""The doctor sees what is wrong and says what to do, and survives a broken machine."""

import importlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from workshop_lib import doctor
from workshop_lib.doctor import Check, diagnose, exit_code, table


def fake_import(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    """Let the doctor's imports give these; an exception is raised instead."""
    real = importlib.import_module

    def give(name: str) -> Any:
        module = modules.get(name)
        if isinstance(module, Exception):
            raise module
        return real(name) if module is None else module

    monkeypatch.setattr(importlib, "import_module", give)


def fake_torch(gpus: int = 0, major: int = 8, cuda: str | None = "13.2") -> Any:
    properties = SimpleNamespace(
        name="Some GPU", major=major, total_memory=16_000_000_000
    )
    return SimpleNamespace(
        __version__="2.9.1+cu130",
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(
            is_available=lambda: gpus > 0,
            device_count=lambda: gpus,
            get_device_properties=lambda index: properties,
        ),
    )


def test_looking_changes_nothing(tmp_path):
    checks = diagnose(tmp_path / "runs")
    assert len({check.name for check in checks}) == len(checks) == 6
    assert all(check.found for check in checks)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "ok"),
    [("2.4.0", True), ("2.15.0+cpu", True), ("2.3.1+cu118", False), ("1.13.1", False)],
)
def test_torch_version(monkeypatch, version, ok):
    fake_import(monkeypatch, torch=SimpleNamespace(__version__=version))
    assert doctor._check_package("torch", doctor.TORCH).ok is ok


def test_full_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "free_space", lambda folder: 10**8)
    check = doctor._check_disk(tmp_path)
    assert not check.ok and check.found == "0.1 GB free"


def test_folder_that_cannot_be_written(monkeypatch, tmp_path):
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    # Not by permission bits: whoever runs the tests as root may write anywhere.
    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    check = doctor._check_disk(tmp_path / "deep" / "runs")
    assert not check.ok and check.essential
    assert str(tmp_path) in check.advice and "Permission denied" in check.found


@pytest.mark.parametrize(
    ("limit", "left"),
    [(None, 8.0), ("max", 8.0), ("3000000000", 2.0), ("64000000000", 8.0)],
)
def test_memory_is_what_a_container_leaves(monkeypatch, limit, left):
    def read(path: Path) -> str:
        if limit is None:
            raise FileNotFoundError(path)
        return {"memory.max": f"{limit}\n", "memory.current": "1000000000\n"}[path.name]

    machine = SimpleNamespace(available=8_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read)
    assert doctor.available_memory() == left * 1e9
    check = doctor._check_memory()
    assert check.found == f"{left:.1f} GB available" and check.ok
    monkeypatch.setattr(doctor, "MEMORY_GB", 9.0)
    assert "close other programs" in doctor._check_memory().advice


@pytest.mark.parametrize(("major", "precision"), [(7, "fp16"), (8, "bf16")])
def test_gpu_is_described(monkeypatch, major, precision):
    fake_import(monkeypatch, torch=fake_torch(gpus=2, major=major))
    check = doctor._check_device()
    assert check.ok
    assert check.found == f"Some GPU, 16.0 GB, {precision} (first of 2)"


@pytest.mark.parametrize(
    ("colab", "driver", "cuda", "cores", "advice"),
    [
        (True, False, "13.2", 2, "Change runtime type"),
        (False, True, None, 2, "without TORCH=cpu"),
        (False, True, "13.2", 2, "nvidia-smi"),
        (False, False, "13.2", 1, "twice as long"),
        (False, False, "13.2", 2, ""),
    ],
)
def test_without_a_gpu_the_advice_fits_the_machine(
    monkeypatch, colab, driver, cuda, cores, advice
):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    if colab:
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/smi" if driver else None)
    monkeypatch.setattr(doctor, "_cores", lambda: cores)
    fake_import(monkeypatch, torch=fake_torch(cuda=cuda))
    check = doctor._check_device()
    assert check.found == ("CPU, 1 core" if cores == 1 else "CPU, 2 cores")
    assert advice in check.advice and check.ok is (advice == "")
    assert exit_code([check]) == 0, "a CPU is enough"


def test_table_shows_marks_advice_and_next_step():
    well = Check("Python", "3.12")
    ill = Check("disk", "0.1 GB free", "free some space")
    hint = Check("device", "CPU, 2 cores", "take a GPU", essential=False)
    lines = table([well, ill, hint]).splitlines()
    assert lines[0].split() == ["ok", "Python", "3.12"]
    assert lines[1].startswith("FAIL") and lines[2].strip().startswith("-> free")
    assert any(line.startswith("note") for line in lines)
    assert "essential" in lines[-1]
    assert table([well, hint]).splitlines()[-1] == "Ready. Next: workshop quickstart"


@pytest.mark.gpu
def test_real_gpu_is_seen():
    check = doctor._check_device()
    assert check.ok and "GB" in check.found
