"""The first words of every notebook: device, memory, versions, preset, and the menu."""

import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from tests.programs import run_program
from workshop_lib import __version__, session
from workshop_lib.errors import WorkshopError

GIB = 2**30


@pytest.fixture(autouse=True)
def at_a_desk(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)
    monkeypatch.setattr(session, "in_notebook", lambda: True)


def test_setup_says_what_figures_depend_on(capsys):
    device = session.setup()
    said = capsys.readouterr().out
    assert device == session.pick_device()
    for part in (torch.__version__, f"device {device.type}", __version__):
        assert part in said
    free, total = map(
        float, re.search(r"memory ([\d.]+) of ([\d.]+) GiB", said).groups()
    )
    assert 0 < free <= total
    assert "preset class" in said
    assert "Colab" not in said
    assert str(Path.home()) not in said and os.sep + "tmp" not in said


def test_a_notebook_names_its_preset_and_a_command_may_have_its_own(
    monkeypatch, capsys
):
    monkeypatch.setenv("WORKSHOP_PRESET", "clas")
    with pytest.raises(WorkshopError, match="Did you mean 'class'"):
        session.setup()
    monkeypatch.setattr(session, "in_notebook", lambda: False)
    session.setup()
    assert "preset" not in capsys.readouterr().out


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_colab_without_a_gpu_is_told_which_menu(monkeypatch, capsys, device):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20990101-000000")
    monkeypatch.setattr(session, "pick_device", lambda: torch.device(device))
    monkeypatch.setattr(session, "versions", dict)
    monkeypatch.setattr(session, "memory", lambda device: (1.0, 2.0))
    session.setup()
    told = "Runtime > Change runtime type" in capsys.readouterr().out
    assert told == (device == "cpu")


def test_memory_is_that_of_the_machine_or_of_the_gpu(monkeypatch):
    machine = SimpleNamespace(total=16 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    monkeypatch.setattr(session, "available_memory", lambda: 3 * GIB)
    assert session.memory(torch.device("cpu")) == (3.0, 16.0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda d: (10 * GIB, 15 * GIB))
    assert session.memory(torch.device("cuda")) == (10.0, 15.0)


ALLOCATOR = """
import platform
import psutil, torch
from workshop_lib.session import tune_allocator

def resident():
    return psutil.Process().memory_info().rss / 2**20  # MB

glibc = platform.system() == "Linux" and platform.libc_ver()[0] == "glibc"
assert tune_allocator() == glibc
before = resident()
some = [torch.ones(2**20) for _ in range(64)]  # 4 MB each
last = torch.ones(2**10)  # lies above them
del some
assert not glibc or resident() - before > 200, "of 256"
"""


def test_freed_memory_stays_in_the_process():
    run_program(sys.executable, "-c", ALLOCATOR, timeout=120)
