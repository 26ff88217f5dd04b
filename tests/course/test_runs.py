"""Runs that notebooks share: trained once, loaded after that, never mixed up."""

from pathlib import Path

import IPython.display
import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.course import runs
from workshop_lib.course.runs import class_run, run_folder
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.plots import AccessibleFigure
from workshop_lib.presets import preset

SMALL = short(eval_every=2)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")


@pytest.fixture
def scenes() -> Dataset:
    return tiny()


@pytest.fixture
def split(scenes: Dataset) -> Split:
    return parts(scenes)


class Screen:
    """What a notebook shows: one picture, and how often it was exchanged."""

    def __init__(self) -> None:
        self.places = 0
        self.drawn: list[AccessibleFigure] = []

    def display(self, figure: AccessibleFigure, *, display_id: bool) -> "Screen":
        assert display_id  # else the picture could not be exchanged
        self.places += 1
        self.drawn.append(figure)
        return self

    def update(self, figure: AccessibleFigure) -> None:
        self.drawn.append(figure)

    def steps(self) -> list[list[float]]:
        """The steps on the line of validation accuracy, picture by picture."""
        return [list(f.axes[0].lines[0].get_xdata()) for f in self.drawn]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(runs, "in_notebook", lambda: True)
    monkeypatch.setattr(IPython.display, "display", screen.display)
    return screen


def test_trained_once_then_loaded(scenes, split, capsys):
    run = class_run("fixmatch", scenes, split, SMALL)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("fixmatch: 6 steps, kept in runs/ci/fixmatch-")
    assert [line.split()[1] for line in said[1:]] == ["2/6", "4/6", "6/6"]
    written = (run.folder / "last.pt").stat().st_mtime_ns
    again = class_run("fixmatch", scenes, split, SMALL)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(": loaded") and str(run.folder) in line
    assert (run.folder / "last.pt").stat().st_mtime_ns == written
    assert again.log.equals(run.log)


def test_the_curve_grows_in_one_place(scenes, split, screen):
    class_run("fixmatch", scenes, split, SMALL)
    assert screen.places == 1
    assert screen.steps() == [[2], [2, 4], [2, 4, 6], [2, 4, 6]]
    assert {figure.axes[0].get_xlim() for figure in screen.drawn} == {(0, 6)}
    titles = [figure.axes[0].get_title("left") for figure in screen.drawn]
    assert titles[0] == "fixmatch: step 2 of 6"
    assert titles[-1] == "fixmatch: step 6 of 6"
    screen.drawn.clear()
    class_run("fixmatch", scenes, split, SMALL)  # loaded
    assert screen.steps() == [[2, 4, 6]]


def test_after_an_interruption_it_goes_on(scenes, split, screen, monkeypatch):
    whole = class_run("fixmatch", scenes, split, SMALL)
    whole.folder.rename("whole")
    screen.drawn.clear()
    draw, drawn = runs.growing_curve, []

    def interrupted(*args, **kwargs):
        drawn.append(args)
        if len(drawn) == 1:
            raise KeyboardInterrupt
        return draw(*args, **kwargs)

    monkeypatch.setattr(runs, "growing_curve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        class_run("fixmatch", scenes, split, SMALL)
    run = class_run("fixmatch", scenes, split, SMALL)
    # The step of the interruption is missing on the way, and there in the end
    assert screen.steps() == [[4], [4, 6], [2, 4, 6]]
    same = ["step", "loss", "mask_rate", "val_accuracy"]
    assert run.log[same].equals(whole.log[same])


def test_each_config_has_its_folder(monkeypatch):
    base = preset()
    own = run_folder("supervised", base.replace(method="supervised"))
    assert own == Path("runs/ci/supervised")
    assert run_folder("fixmatch", base) == Path("runs/ci/fixmatch")
    other = run_folder("fixmatch", base.replace(name="ucm"))
    assert other.parent == own.parent and other.name.startswith("fixmatch-")
    assert other != run_folder("fixmatch", base.replace(name="eurosat"))
    monkeypatch.setenv("WORKSHOP_PRESET", "class")
    assert run_folder("fixmatch", preset()) == Path("runs/class/fixmatch")


def test_the_default_is_the_preset(scenes, split, monkeypatch):
    seen = {}

    class EnoughError(Exception):
        """Nothing needs to be trained to see what would be."""

    def train(config, *args, folder, **kwargs):
        seen.update(config=config, folder=folder)
        raise EnoughError

    monkeypatch.setattr(runs, "train", train)
    monkeypatch.setattr(runs, "pick_device", lambda: torch.device("cpu"))
    with pytest.raises(EnoughError):
        class_run("supervised_strong", scenes, split)
    wanted = preset("ci").replace(method="supervised").replace(labeled_view="strong")
    wanted = wanted.replace(precision="fp32")  # the one thing settled; see below
    assert seen == {"config": wanted, "folder": Path("runs/ci/supervised_strong")}


@pytest.mark.parametrize(
    ("device", "changes", "trained_in"),
    [
        ("cpu", {}, "fp32"),
        ("cpu", {"precision": "bf16"}, "bf16"),
        ("cpu", {"encoder": "wrn-28-2"}, "auto"),  # clearly faster in one of the two
        ("cuda", {}, "auto"),  # which gives every training on a GPU the same
    ],
)
def test_all_models_are_trained_in_one_format(
    device, changes, trained_in, monkeypatch, tmp_path
):
    monkeypatch.setattr(runs, "pick_device", lambda: torch.device(device))
    config = preset().replace(**changes)
    wanted = config.replace(precision=trained_in)
    assert runs._one_format(config, tmp_path) == wanted
    # What began elsewhere keeps its format: it is loaded, not refused
    (tmp_path / "config.json").write_text(config.to_json(), encoding="utf-8")
    assert runs._one_format(config, tmp_path) == config


def test_maps_have_runs_of_their_own(monkeypatch):
    short = runs.segment_preset()
    assert short.model.heads == ("cover",)
    assert (short.optim.steps, short.run.eval_every) == (60, 30)
    assert run_folder("fixmatch", short) == Path("runs/ci/segment_fixmatch")
    weak = runs.baseline_config("supervised", short)
    assert run_folder("supervised", weak) == Path("runs/ci/segment_supervised")
    other = run_folder("fixmatch", short.replace(name="mini_eo:7"))
    assert other.name.startswith("fixmatch-")
    monkeypatch.setenv("WORKSHOP_PRESET", "class")
    assert runs.segment_preset() == preset("class", task="segment")
    assert run_folder("fixmatch", preset("class", task="segment")).parts[1:] == (
        "class",
        "segment_fixmatch",
    )


def test_the_curve_of_a_map_maker_shows_its_measure(scenes, split, screen):
    maps = SMALL.replace(heads=("cover",), encoder="unet-4", threshold=0.4)
    class_run("fixmatch", scenes, split, maps)
    assert screen.steps()[-1] == [2, 4, 6]
    labels = [line.get_label() for line in screen.drawn[-1].axes[0].lines]
    assert labels[:2] == ["validation right", "mean IoU"]
    assert "mean IoU: " in screen.drawn[-1].alt
