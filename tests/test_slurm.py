"""Job scripts: bash reads them, all processes start, a job out of time goes on."""

import os
import shutil
import signal
import subprocess
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.experiments.pictures import four_steps, write_pictures
from tests.programs import read_flags
from workshop_lib import cli
from workshop_lib.commands.training import slurm
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json
from workshop_lib.methods import METHODS
from workshop_lib.presets import TASKS, TIMES, preset, train_flags
from workshop_lib.training.checkpoint import load_checkpoint

needs_bash = pytest.mark.skipif(
    shutil.which("bash") is None or os.name == "nt", reason="needs bash"
)
ROOT = Path(__file__).parents[1]
CONFIG = preset("class")

# Starts two tasks here, passes signals on, returns the highest code: as srun does.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
pids=()
for id in 0 1; do
    SLURM_PROCID=$id SLURM_LOCALID=$id SLURM_NTASKS=2 "$@" &
    pids+=($!)
done
trap 'kill -USR1 "${pids[@]}"' USR1
highest=0
for pid in "${pids[@]}"; do
    while true; do
        wait "$pid"
        code=$?
        kill -0 "$pid" 2>/dev/null || break
    done
    ((code > highest)) && highest=$code
done
exit "$highest"
"""
SCONTROL = """#!/bin/bash
case $1 in
    show) printf '127.0.0.1\\nelsewhere\\n' ;;
    requeue) echo "requeue $2" >> "$REQUEUED" ;;
esac
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name, task", [*product(["class"], TASKS), *product(TIMES, ["features"])]
)
def test_the_flags_of_a_config_make_that_config(name, task, method, monkeypatch):
    config = preset(name, task, method, name="my images/it's", labeled_view="strong")
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")  # of the shell, not of the cluster
    assert read_flags(train_flags(config)) == config


@settings(max_examples=20)
@given(
    alignment=st.booleans(),
    projection_dim=st.none() | st.integers(0, 512),
    lr=st.floats(1e-9, 10),
    bands=st.text("AB0189,", max_size=8),
    sensors=st.lists(st.sampled_from(["s2", "s1"])).map(tuple),
    freeze=st.integers(-1, 2),
    label_thresholds=st.tuples(st.floats(0, 0.4), st.floats(0.5, 1)),
)
def test_any_setting_survives_the_way_through_the_shell(**changes):
    config = preset("class").replace(**changes)
    assert read_flags(train_flags(config)) == config


def job_script(place: Path, config: Config = CONFIG, **options: Any) -> str:
    """Write a job script, and return it."""
    slurm(config, out=place / "job.sh", **{"hours": 1, **options})
    return (place / "job.sh").read_text()


@needs_bash
@pytest.mark.parametrize("gpus", [0, 4])
def test_bash_understands_the_script(gpus, tmp_path):
    config = preset(method="comatch", name="my images/$it's `here`")
    text = job_script(tmp_path, config, nodes=2, gpus=gpus, folder=Path("runs/a b"))
    subprocess.run(["bash", "-n", str(tmp_path / "job.sh")], check=True)
    # Directives count only before the first command
    lines = text.splitlines()
    first = next(k for k, one in enumerate(lines) if one and not one.startswith("#"))
    wanted = [k for k, one in enumerate(lines) if one.startswith("#SBATCH")]
    assert max(wanted) < first
    for one in ("--nodes=2", "--signal=B:USR1@120", "--requeue"):
        assert f"#SBATCH {one}" in lines
    assert (f"#SBATCH --gpus-per-node={gpus}" in lines) == (gpus > 0)
    assert f"#SBATCH --ntasks-per-node={max(1, gpus)}" in lines
    assert "#SBATCH --job-name=comatch--it-s-here-" in lines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nodes": 0}, "nodes=0.*: give at least 1"),
        ({"gpus": -1}, "gpus=-1"),
        ({"hours": 0.03}, "minutes=2: it must be at least 5"),
        ({"nodes": 3}, "16 for 3 processes.*multiple of 3"),
        ({"options": ["-p gpu"]}, "like partition=gpu"),
    ],
)
def test_what_a_cluster_would_refuse_is_refused_here(options, said, tmp_path):
    with pytest.raises(WorkshopError, match=said):
        job_script(tmp_path, **options)
    assert not (tmp_path / "job.sh").exists()


def test_the_time_limit_is_a_day_or_what_is_asked_for(tmp_path):
    assert "--time=24:00:00\n" in job_script(tmp_path, hours=24)
    assert "--time=25:05:00\n" in job_script(tmp_path, hours=25 + 5 / 60)


def test_the_command_writes_the_script(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--batch-size", "8", "--gpus", "4", "--hours", "1.5"]
    options = ["--options", "partition=gpu", "account=me"]
    assert cli.main(["slurm", *flags, *options]) == 0
    text = (tmp_path / "job.sh").read_text()
    assert "--time=01:30:00" in text and "#SBATCH --account=me\n" in text
    assert "--batch-size 8" in text
    assert "sbatch job.sh" in capsys.readouterr().out
    assert cli.main(["slurm", "--batch-size", "9", "--gpus", "2", "--hours", "1"]) == 2
    assert (tmp_path / "job.sh").read_text() == text


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Path:
    """A folder with some images, and a PATH with a srun that starts two tasks."""
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("REQUEUED", str(tmp_path / "requeued"))
    monkeypatch.setenv("SLURM_JOB_ID", str(os.getpid()))
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[1-2]")
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)
    write_pictures(tmp_path / "photos")
    return tmp_path


def submit(folder: Path, steps: int) -> "subprocess.Popen[str]":
    """Start a job as SLURM would on its first node."""
    config = four_steps(Path("photos")).replace(size=8, steps=steps, eval_every=20)
    job_script(folder, config, nodes=2, gpus=0, cpus=1, folder=Path("run"))
    return subprocess.Popen(
        ["bash", "job.sh"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(job: "subprocess.Popen[str]") -> str:
    try:
        return job.communicate(timeout=500)[0]
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)


needs_gloo = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch has no gloo",
)


@needs_bash
@needs_gloo
@pytest.mark.slow
def test_a_job_starts_its_processes_and_ends(cluster):
    job = submit(cluster, steps=20)
    said = end(job)
    assert job.returncode == 0, said
    assert said.count("test accuracy") == 1  # rank 0 alone prints
    assert read_json(cluster / "run" / "run.json")["processes"] == 2
    assert not (cluster / "requeued").exists()


@needs_bash
@needs_gloo
@pytest.mark.slow
def test_a_job_out_of_time_saves_is_queued_again_and_goes_on(cluster):
    last = cluster / "run" / "last.pt"
    job = submit(cluster, steps=100_000)
    deadline = time.monotonic() + 400
    while not last.exists():
        assert job.poll() is None and time.monotonic() < deadline, end(job)
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR1)  # to the script alone, as --signal=B: says
    said = end(job)
    assert "the same command continues from there" in said
    assert (cluster / "requeued").read_text() == f"requeue {os.getpid()}\n"
    assert job.returncode == 0
    reached = load_checkpoint(last)["step"]
    assert reached % 10 == 0 and not (cluster / "run" / "run.json").exists()

    job = submit(cluster, steps=100_000)  # what the queue does
    deadline = time.monotonic() + 400
    # While one is written the last has another name
    while not last.exists() or load_checkpoint(last)["step"] == reached:
        assert job.poll() is None and time.monotonic() < deadline, end(job)
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR1)
    assert f"resuming from step {reached}" in end(job)


@needs_bash
@pytest.mark.slow
def test_a_job_that_fails_is_not_queued_again(cluster):
    shutil.rmtree(cluster / "photos")
    job = submit(cluster, steps=20)
    said = end(job)
    assert job.returncode == 2
    assert "neither 'mini_eo' nor a folder" in said
    assert not (cluster / "requeued").exists()
