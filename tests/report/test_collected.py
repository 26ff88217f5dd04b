"""From run folders to the page: what is read off a run, and how to repeat it."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.tiny import parts, quietly, short, tiny
from workshop_lib.config import Config
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.experiments.results import run_row
from workshop_lib.methods import FixMatch
from workshop_lib.presets import preset
from workshop_lib.report.data import collect
from workshop_lib.report.page import report_runs, train_command
from workshop_lib.report.tables import settings_table

METHODS = ("supervised", "fixmatch")


class Own(FixMatch):
    """A method of one's own."""


def test_the_command_names_a_split_that_the_config_does_not_draw() -> None:
    command = train_command(preset("class", data="my photos/x"), "my runs/a/split")
    words = ["workshop", "train", "--data", "my photos/x"]
    words += ["--split-folder", "my runs/a/split"]
    assert set(words) <= set(shlex.split(command))
    assert train_command(Config(method=Own())) == "", "which no command knows"


def test_a_page_holds_what_the_runs_hold(tmp_path: Path) -> None:
    scenes = mini_eo(200)
    split = Split.random(scenes, labels_per_class=2, seed=0)  # the config's has 4
    runs = [quietly(tmp_path / m, short(method=m), scenes, split) for m in METHODS]
    page = collect(runs, "workshop report a b", scenes)
    assert [r.title for r in page.results] == [
        "Supervised, weak augmentation", "FixMatch",
    ]  # fmt: skip
    assert page.main.run is runs[1] and page.baseline is page.results[0]
    for result, run in zip(page.results, runs, strict=True):
        assert result.split_folder == str(run.folder / "split")
        assert result.embedded is not None and 0 <= result.embedded.knn <= 1
        assert len(result.evaluation.checkpoints) == 4
    supervised, fixmatch = page.results
    assert supervised.pseudo_labels is None and fixmatch.pseudo_labels is not None
    assert page.audit is not None and page.near_duplicates
    mine = fixmatch.config.replace(name="folder/of/mine")  # a method has a name, too
    others = [replace(r, run=replace(r.run, config=mine)) for r in page.results]
    named = settings_table(replace(page, results=others)).set_index("setting")
    assert "folder/of/mine" in named.loc["name"].tolist()


def test_labels_are_counted_of_the_main_head(tmp_path: Path) -> None:
    scenes, heads = tiny(), ("scene", "elevation")
    split = replace(parts(scenes), labeled=parts(scenes).unlabeled)
    config = short(
        method="supervised", heads=heads, labels_per_class=0, labels_per_head=(2, 0)
    )
    run = quietly(tmp_path / "a", config, scenes, split)
    assert run.facts["labels"] == 30 and run.labels == 6
    page = collect([run], "workshop report a", scenes)
    assert page.split.labeled.tolist() == [0, 1, 2, 3, 4, 5]
    assert page.main.labels == 6 and page.main.role == "baseline"
    assert page.main.title == "Supervised, weak augmentation"
    row = run_row(run)
    assert (row["labels"], row["labels_per_class"]) == (6, 2)
    path = report_runs([run.folder], tmp_path / "r.html", scenes=scenes)
    text = path.read_text(encoding="utf-8")
    assert "the right answer for 6 images: 2 per class" in text
    assert "Scores of the other heads" in text and "24 of elevation" in text


KINDS: dict[str, tuple[tuple[str, ...], str, bool, str, list[str]]] = {
    "maps": (("cover",), "unet-4", False, "mean IoU", ["confusion", "maps", "recall"]),
    "several labels": (("scene",), "small_cnn", True, "micro F1", ["recall"]),
    "a number": (("elevation",), "small_cnn", False, "R²", []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_head_gets_its_page(kind: str, tmp_path: Path) -> None:
    heads, encoder, several, measure, own = KINDS[kind]
    scenes = tiny(several=several)
    base = short(heads=heads, encoder=encoder)
    for m in METHODS:
        quietly(tmp_path / m, base.replace(method=m), scenes)
    folders = [tmp_path / m for m in METHODS]
    path = report_runs(folders, tmp_path / "r.html", scenes=scenes)
    text = path.read_text(encoding="utf-8")
    assert f"FixMatch reached {measure}" in text
    for name in ("curves", "costs", "settings", "made", *own):
        assert f'<section id="{name}">' in text
        assert f'href="#{name}"' in text
    for name in {"gallery", "calibration", "embedding", "maps"} - set(own):
        assert f'id="{name}"' not in text and f'href="#{name}"' not in text
    assert text.count("<img") == text.count("data:image/")


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    scenes = tiny()
    split = parts(scenes)
    turned = Split(split.labeled, split.unlabeled, split.test, split.val, seed=0)
    scene = short(method="supervised")
    given = ((scene, split), (scene.replace(heads=("elevation",)), split))
    runs = [
        quietly(tmp_path / str(i), config, scenes, own)
        for i, (config, own) in enumerate((*given, (scene, turned)))
    ]
    with pytest.raises(WorkshopError, match="measured by accuracy, r2"):
        report_runs(runs[:2], tmp_path / "r.html", scenes=scenes)
    with pytest.raises(WorkshopError, match="not tested on the same images"):
        report_runs(runs[::2], tmp_path / "r.html", scenes=scenes)
    with pytest.raises(WorkshopError, match="at least one run"):
        report_runs([], tmp_path / "r.html")
    assert torch.equal(turned.test, split.val)
