"""Nothing of the user's is overwritten: outputs, inputs, splits, runs, notebooks."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from workshop_lib.cli import main
from workshop_lib.errors import WorkshopError
from workshop_lib.files import check_output
from workshop_lib.plots.style import write_figure

THEIRS = "an afternoon's work\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny data set and a run trained on it."""
    folder = tmp_path_factory.mktemp("outputs")
    rng = np.random.default_rng(0)
    for k, name in enumerate(("field", "forest")):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(16):
            pixels = rng.integers(100 * k, 100 * k + 90, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{i}.png")
    words = ["--size", "16", "--steps", "2", "--eval-every", "1", "--batch-size", "4"]
    words += ["--labels-per-class", "2", "--method", "supervised"]
    run = str(folder / "run")
    assert main(["train", "--data", str(folder / "data"), *words, "--folder", run]) == 0
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working folder."""
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "out"),
    [
        ("predict run data/field --out mine.csv", "mine.csv"),
        ("predict run data/field --out mine.csv", "mine.html"),
        ("report run --out mine.html", "mine.html"),
        ("results run --out mine.md", "mine.md"),
        ("results run --out mine.csv", "mine.csv"),
        ("data data --size 16 --picture mine.png", "mine.png"),
        ("split data --size 16 --labels-per-class 2 --save mine", "mine/test.txt"),
        ("embed run --no-three-d --out mine", "mine/vectors.tsv"),
        ("slurm --data data --size 16 --hours 1 --out mine.sh", "mine.sh"),
    ],
)
def test_only_files_of_ours_are_replaced(here, capsys, command, out):
    path = here / out
    path.parent.mkdir(exist_ok=True)
    path.write_text(THEIRS)
    words = command.split()
    assert main(words) == 2
    said = capsys.readouterr()
    assert "--overwrite" in said.err and "accuracy" not in said.out
    assert path.read_text() == THEIRS
    assert main([*words, "--overwrite"]) == 0
    assert path.read_bytes() != THEIRS.encode()
    assert main(words) == 0  # what we wrote ourselves


@pytest.mark.parametrize("kind", ["svg", "jpg", "pdf"])
def test_pictures_of_every_kind_are_known_again(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    for _ in range(2):
        check_output(path)
        write_figure(path, Figure())


def test_an_image_that_is_read_is_never_replaced(here):
    picture = here / "data" / "field" / "0.png"
    (here / "link.csv").symlink_to(picture)
    before = picture.read_bytes()
    for out in (picture, here / "link.csv", here / "data" / ".." / "link.csv"):
        with pytest.raises(WorkshopError, match="is what is read"):
            check_output(out, inputs=[picture], overwrite=True)
    assert main(["data", "data", "--size", "16", "--picture", str(picture)]) == 2
    assert main(["map", "run", str(picture), str(picture), "--fresh"]) == 2
    assert picture.read_bytes() == before


def test_a_report_is_a_page(here, capsys):
    assert main(["report", "run", "--out", "r.pdf"]) == 2
    assert ".html" in capsys.readouterr().err
    assert not (here / "r.pdf").exists()


@pytest.mark.parametrize("more", [[], ["--fresh"]])
def test_a_folder_with_other_files_becomes_no_run(here, capsys, more):
    (here / "mine").mkdir()
    (here / "mine" / "log.csv").write_text(THEIRS)
    words = ["train", "--data", "data", "--size", "16", "--folder", "mine", *more]
    assert main(words) == 2
    assert "log.csv" in capsys.readouterr().err
    assert (here / "mine" / "log.csv").read_text() == THEIRS


TOPIC = "# %% [markdown]\n# # Topic\n\n# %%\n"
TOPIC += "### BEGIN SOLUTION add\nx = 1\n### END SOLUTION\n"


@pytest.mark.parametrize("work", ["answered", "run", "conflict", "older"])
def test_an_edited_notebook_is_kept(tmp_path, work):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "01_topic.py").write_text(TOPIC)
    build = ["notebooks", "--folder", str(tmp_path)]
    assert main(build) == 0
    path, beside = tmp_path / "01_topic.ipynb", tmp_path / "01_topic.new.ipynb"
    content: dict[str, Any] = json.loads(path.read_text())
    if work == "answered":  # typed, outputs cleared before the file was saved
        content["cells"][-1]["source"] = ["x = 2  # an hour of work\n"]
    elif work == "run":
        output = {"output_type": "stream", "name": "stdout", "text": ["2"]}
        code = next(c for c in content["cells"] if c["cell_type"] == "code")
        code["outputs"] = [output]
    elif work == "older":  # of a version that did not hash cells
        del content["metadata"]["workshop_lib"]
        content["cells"][-1]["source"] = ["x = 3"]
    text = "<<<<<<< HEAD\n" if work == "conflict" else json.dumps(content)
    path.write_text(text)
    assert main(build) == 0
    assert path.read_text() == text
    assert "x = " in beside.read_text()
    assert main([*build, "--overwrite"]) == 0
    assert path.read_text() == beside.read_text()
