"""The command line: instant help with defaults, and plain words for mistakes."""

import contextlib
import io
import os
import re
import sys
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from tests.experiments.pictures import write_pictures
from tests.programs import read_flags, run_program
from workshop_lib import cli
from workshop_lib.commands.options import hyperparameters, with_settings
from workshop_lib.config import Config
from workshop_lib.data.catalog import datasets
from workshop_lib.experiments.baselines import BASELINES
from workshop_lib.methods import METHODS
from workshop_lib.presets import TASKS, TIMES, preset
from workshop_lib.settings import DataConfig, ModelConfig, OptimConfig, RunConfig

FAST = ("--steps", 6, "--eval-every", 3, "--batch-size", 4, "--mu", 2, "--size", 16)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)


@pytest.fixture
def photos(tmp_path):
    return write_pictures(tmp_path / "photos")


def run(*args: object) -> int:
    try:
        return cli.main([str(a) for a in args])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def shown(*args: object) -> str:
    """Return what a command prints, without frames and line ends."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(*args) == 0
    return " ".join(out.getvalue().replace("│", " ").split())


@pytest.mark.parametrize("args", [[], *([name] for name in cli.COMMANDS)])
def test_help_loads_neither_torch_nor_anything_else_heavy(args):
    program = (
        "import sys\n"
        "from workshop_lib import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'sklearn', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    found = run_program(sys.executable, "-c", program, *args, "--help")
    assert found.stderr.strip() == "[]"
    assert "usage: workshop" in found.stdout


def test_help_answers_within_a_second_of_processor_time():
    command = (sys.executable, "-m", "workshop_lib.cli", "train", "--help")
    taken = []
    for _ in range(3):  # a busy machine may slow one down
        before = sum(os.times()[2:4])  # of ended processes, user and system
        run_program(*command)
        taken.append(sum(os.times()[2:4]) - before)
    assert min(taken) < 1, taken


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_an_example_and_defaults(command):
    text = shown(command, "--help")
    assert f" {command} " in shown("--help")
    assert f"Example: workshop {command}" in text
    if command not in ("doctor", "evaluate"):
        assert "(default:" in text


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_and_hyperparameter_says_what_it_is(method):
    text = shown("train", "--method", method, "--help")
    sections = (DataConfig, ModelConfig, OptimConfig, RunConfig)
    names = [f.name for one in (*sections, METHODS[method]) for f in fields(one)]
    names[names.index("name")] = "data"
    for name in names:
        flag = f"--{name.replace('_', '-')}"
        found = re.search(rf"{flag}[ ,](.*?)\(default:", text)
        assert found, flag
        words = re.findall(r"[a-z]{3,}", found[1].split(flag)[-1])
        assert len(words) > 2, f"{flag} is not explained: {found[0]}"


@pytest.mark.parametrize("method", METHODS)
def test_what_is_read_from_the_source_is_what_is_imported(method):
    found = {k: v.default for k, v in hyperparameters(method).items()}
    assert found == METHODS[method]().hyperparameters()


@pytest.mark.parametrize("time_", TIMES)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["fixmatch", "freematch", "mean_teacher"])
def test_the_defaults_that_help_shows_are_those_of_the_preset(time_, task, method):
    args = ["--preset", time_, "--task", task, "--method", method]
    seen: list[Config] = []

    def command(config: Config) -> None:
        """Keep the config."""
        seen.append(config)

    flags = with_settings(command, args)
    flags(**{k: one.default for k, one in flags.__signature__.parameters.items()})
    assert seen == [preset(time_, task, method)]


def test_flags_of_every_kind_reach_the_config():
    args = ["--method", "comatch", "--threshold", "0.7", "--labels-per-class", "2"]
    args += ["--sensors", "s2", "s1", "--projection-dim", "32", "--data", "mini_eo:3"]
    args += ["--checkpointing", "--label-thresholds", "0.1", "0.9", "--freeze", "-1"]
    args += ["--split", "region", "--test-regions", "4", "--no-alignment"]
    wanted = preset(method="comatch").replace(
        threshold=0.7, labels_per_class=2, sensors=("s2", "s1"), projection_dim=32,
        name="mini_eo:3", checkpointing=True, label_thresholds=(0.1, 0.9), freeze=-1,
        split="region", test_regions=(4,), alignment=False,
    )  # fmt: skip
    assert read_flags(args) == wanted


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (("trian",), "Did you mean 'train'?"),
        (("train", "--method", "fixmatsh"), "Did you mean 'fixmatch'?"),
        (("train", "--task", "segmant"), "Did you mean 'segment'?"),
        (("train", "--preset", "clas"), "Did you mean 'class'?"),
        (("train", "--encoder", "resnet19"), "Did you mean 'resnet18'?"),
        (("train", "--stepss", "4"), "--steps"),
        (("train", "--optimizer", "adamm"), "'adamw'"),
        (("train", "--n-sigma", "2"), "methods that have it: softmatch"),
        (("train", "--heads", "covr"), "Did you mean 'cover'?"),
        (("compare", "--methods", "fixmach"), "Did you mean 'fixmatch'?"),
        (("compare", "--methods", "uda", "--n-sigma", "2"), "--n-sigma: none of"),
        (("compare", "--labels", "4;25"), "like 4,25"),
    ],
)
def test_the_nearest_name_is_offered(args, hint, capsys):
    assert run(*args) == 2
    captured = capsys.readouterr()
    assert hint in " ".join((captured.out + captured.err).replace("│", " ").split())


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("train", "--steps", "many"),
        ("train", "--preset"),
        ("train", "--encoder", "wrn-29-2", *FAST),
        ("split", "no/such/folder"),
        ("evaluate", "no/such/run"),
        ("results", "no/such/run"),
        ("budget", "--num-classes", "0"),
        ("data", "mini_eo:99999999999"),
        ("data", "mini_eo", "--picture", "no-ending"),
        ("data", "ucm", "get", "--from", "no/such.zip"),
        ("data", "ucm", "check", "--from", "some.zip"),
        ("data", "ucm", "--picture", "p.png"),
        ("data", "vaihingen", "get"),
        ("data", "no/such/folder", "check"),
        ("train", "--data", "ucm"),
        ("doctor", "--preset", "ci"),
    ],
)
def test_wrong_use_ends_with_2_and_words_not_a_traceback(args, capsys):
    assert run(*args) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert captured.out + captured.err


def test_the_doctor_survives_a_broken_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libtorch is broken')")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = (sys.executable, "-m", "workshop_lib.cli", "doctor")
    found = run_program(*command, code=1, env={**os.environ, "PYTHONPATH": path})
    assert "libtorch is broken" in found.stdout
    assert "Traceback" not in found.stderr


def test_from_a_folder_of_photos_to_scores(photos, tmp_path, capsys):
    assert run("data", photos, "--size", 16, "--picture", "classes.png") == 0
    assert "bright" in capsys.readouterr().out
    assert (tmp_path / "classes.png").stat().st_size > 1000
    train = ("train", "--data", photos, *FAST, "--labels-per-class", 2)
    assert run(*train, "--folder", "a") == 0
    first = capsys.readouterr().out
    assert re.search(r"test accuracy 0\.\d+ .*95 % interval|test accuracy 1", first)
    assert run(*train, "--folder", "a") == 0
    assert "loaded" in capsys.readouterr().out
    assert run(*train, "--folder", "b", "--method", "supervised") == 0
    capsys.readouterr()
    assert run("evaluate", "a", "--against", "b") == 0
    out = capsys.readouterr().out
    assert "recall" in out and "calibration error" in out and "95 % interval" in out
    assert "of the same 6 test images" in out
    assert "McNemar" in out and "Is the difference real?" in out
    assert run("evaluate", "a", "--against", "nowhere") == 2
    assert "not a finished run" in capsys.readouterr().err
    assert run("report", "a", "b") == 0
    assert (tmp_path / "a" / "report.html").stat().st_size > 1000
    assert run("report", "nowhere") == 2


def test_an_encoder_without_labels_and_a_training_from_it(photos, capsys):
    both = ("--data", photos, *FAST, "--labels-per-class", 2)
    assert run("pretrain", *both, "--folder", "encoder") == 0
    said = capsys.readouterr().out
    assert "no label was used" in said and "workshop train --init-from encoder" in said
    assert run("train", *both, "--init-from", "encoder", "--folder", "tuned") == 0
    assert "test accuracy" in capsys.readouterr().out
    assert run("embed", "encoder", "--no-three-d") == 0
    for ask in ("evaluate", "report"):
        assert run(ask, "encoder") == 2
        assert "learned without labels" in capsys.readouterr().err


def test_a_saved_split_is_what_is_trained_on(photos, capsys):
    saved = ("--label-fraction", 0.5, "--seed", 7, "--size", 16, "--save", "parts")
    assert run("split", photos, *saved) == 0
    said = capsys.readouterr().out
    assert "labeled 8, unlabeled 14, val 4, test 6" in said and "nothing found" in said
    train = ("train", "--data", photos, *FAST, "--split-folder", "parts")
    assert run(*train, "--folder", "a") == 0
    assert "8 labels" in capsys.readouterr().out


def test_maps_and_numbers_are_trained_and_scored_too(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("workshop_lib.data.load.MINI_EO_COUNT", 150)
    fast = ("--steps", 4, "--eval-every", 2, "--batch-size", 4, "--mu", 1)
    segment = ("--task", "segment", "--encoder", "unet-4", "--folder", "maps")
    number = ("--heads", "temperature", "--method", "supervised", "--folder", "number")
    for flags, said in ((segment, "mean IoU"), (number, "MAE")):
        assert run("train", *fast, *flags) == 0
        assert run("evaluate", flags[-1]) == 0
        assert said in capsys.readouterr().out
    assert run("evaluate", "maps", "--against", "maps") == 2
    assert "over several seeds" in capsys.readouterr().err
    np.save(tmp_path / "scene.npy", np.full((4, 90, 70), 0.2, np.float32))
    assert run("map", "maps", "scene.npy", "map.npy") == 0
    assert np.load(tmp_path / "map.npy").shape == (90, 70)
    assert "100.00 %" in capsys.readouterr().out
    assert run("map", "number", "scene.npy", "other.npy") == 2
    assert "--task segment" in capsys.readouterr().err


def test_the_budget_is_that_of_the_folder(photos, capsys):
    fast = ("--data", photos, *FAST, "--method", "supervised")
    assert run("budget", *fast) == 0
    (row,) = re.findall("images of the data set .*", capsys.readouterr().out)
    assert row.endswith(" MB")
    assert run("budget", *fast, "--num-images", 10**6, "--num-classes", 40) == 0
    (many,) = re.findall("images of the data set .*", capsys.readouterr().out)
    size = 10**6 * 3 * 16 * 16 / 1e6
    assert float(many.split()[-2]) == pytest.approx(size, rel=0.02)


def test_ones_own_folder_is_checked_and_split(photos, capsys):
    assert run("data", photos, "check") == 0
    assert "24 images in 2 classes: 24 .png\ncomplete" in capsys.readouterr().out
    assert run("data", photos, "split", "--labels-per-class", 3) == 0
    assert "written: splits/photos-3-seed0" in capsys.readouterr().out
    next(photos.glob("dark/*")).write_bytes(b"")
    assert run("data", photos, "check") == 1
    assert "FAULT: 1 images cannot be read" in capsys.readouterr().out


def test_the_help_of_data_names_every_data_set():
    text = shown("data", "--help")
    assert all(name in text for name in datasets())
    assert "--from" in text and "--given" not in text


def test_compare_and_results_from_a_shell(photos, tmp_path, capsys):
    flags = ("--data", photos, *FAST, "--precision", "fp32", "--seeds", 2)
    flags += ("--methods", "supervised_strong,freematch,supervised_all", "--labels", 1)
    assert run("compare", *flags, "--momentum", 0.9, "--folder", "c") == 0
    out = capsys.readouterr().out
    assert "(6 of 6)" in out and "±" in out and "0, 1" in out
    assert "momentum=0.9" in out
    assert run("results", "c", "--out", "table.md") == 0
    page = (tmp_path / "table.md").read_text()
    assert "| photos | all 14 | supervised |" in page
    assert "\nConfig of all: size=16, " in page
    assert run("results", "c", "--out", "table.csv") == 0
    assert len(pd.read_csv(tmp_path / "table.csv")) == 3
    assert run("results", "c", "--out", "table.pdf") == 2
    assert not (tmp_path / "table.pdf").exists()


def test_quickstart_writes_what_it_promises(photos, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    monkeypatch.setitem(TIMES, "ci", {"steps": 4, "eval_every": 2})
    assert run("quickstart", "--data", photos, "--folder", "quick") == 0
    rows = pd.read_csv(tmp_path / "quick" / "runs.csv")
    assert rows["name"].tolist() == list(BASELINES)
    assert rows["labels"].tolist() == [8, 8, 8, 8, 14]
    assert rows["split"].nunique() == 2 and rows["steps"].eq(4).all()
    page = (tmp_path / "quick" / "report.html").read_text(encoding="utf-8")
    assert "Supervised, strong augmentation" in page
    assert "workshop quickstart --split-seed 0" in page
    out = capsys.readouterr().out
    assert "workshop train --data FOLDER" in out and "(5 of 5)" in out
    for row in rows.itertuples():
        title = f"{BASELINES[row.name].title}  "
        (line,) = [x for x in out.splitlines() if x.startswith(title)]
        assert f"{row.value:6.1%}" in line and line.count("#") == round(30 * row.value)
    value = rows.set_index("name")["value"]
    better = max(value["supervised"], value["supervised_strong"])
    control = max(better, value["fixmatch_labelled_only"])
    assert f"labelled images  {100 * (control - better):+5.1f} points" in out
    gain = value["fixmatch"] - control
    assert f"the unlabelled images themselves {100 * gain:+5.1f} points" in out


def test_embeddings_are_drawn_and_written(photos, tmp_path, capsys):
    train = ("train", "--data", photos, *FAST, "--labels-per-class", 2)
    assert run(*train, "--folder", "a") == 0
    assert run("embed", "a", "--part", "unlabeled", "--no-three-d") == 0
    out = capsys.readouterr().out
    assert "silhouette" in out and "Features of 14 unlabeled images" in out
    folder = tmp_path / "a" / "embeddings" / "features-unlabeled"
    names = {path.name for path in folder.iterdir()}
    assert {"embeddings.npz", "maps_2d.png", "neighbours.png", "vectors.tsv"} <= names
    assert run("embed", "a", "--image", "bright/x.png") == 2
    assert "the name most like it" in capsys.readouterr().err
