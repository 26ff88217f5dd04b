"""The page of predicted images: the doubtful first, and no other file needed."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.evaluation.photos import save
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import PredictedFiles
from workshop_lib.report.page import write_prediction_page

NAMES = ("bright & big", "dark", "never seen")


@pytest.fixture
def found(tmp_path: Path) -> PredictedFiles:
    """Five images said to be bright, one dark; the least certain is not the first."""
    confidence = [0.9, 0.55, 0.99, 0.6, 0.95, 0.8]
    paths = tuple(tmp_path / f"<{k}>.png" for k in range(6))
    for k, path in enumerate(paths):
        save(path, 100, seed=k)
    table = pd.DataFrame(
        {
            "image": [path.name for path in paths],
            "class": [NAMES[0]] * 5 + [NAMES[1]],
            "confidence": confidence,
            "second_class": [NAMES[1]] * 5 + [NAMES[0]],
            "second_confidence": [1 - c for c in confidence],
            "raw_confidence": confidence,
        }
    )
    return PredictedFiles(table, paths, torch.zeros(6, 3), NAMES, temperature=1.5)


def test_the_least_confident_of_each_class_come_first_and_the_rest_is_counted(
    found, tmp_path
):
    path = tmp_path / "page.html"
    write_prediction_page(path, found, "<b>T</b>", most=3)
    page = path.read_text(encoding="utf-8")
    alts = re.findall(r'alt="([^"]*)"', page)
    assert [re.findall(r"\d", alt)[0] for alt in alts] == ["1", "3", "0", "5"]
    assert alts[0].startswith("&lt;1&gt;.png: predicted bright &amp; big 55")
    assert "<b>" not in page and "&lt;b&gt;T" in page
    assert "The 3 least confident of 5" in page and "All 1." in page
    assert page.count('class="wrong"') == 2, "those below 70 % are marked"
    assert "about 5 of 6 are right" in page and "temperature 1.50" in page
    row = page.partition("never seen</th>")[2].partition("</tr>")[0]
    assert row.startswith("<td>0</td>")


def test_several_labels_put_an_image_into_several_groups(found, tmp_path):
    probs = torch.tensor([[0.9, 0.8, 0.1], [0.6, 0.4, 0.1], [0.1, 0.2, 0.1]])
    table = pd.DataFrame(
        {
            "image": ["0.png", "1.png", "2.png"],
            "labels": ["bright & big; dark", "bright & big", ""],
            "probabilities": ["0.9; 0.8", "0.6", ""],
            "confidence": [0.8, 0.6, 0.8],
        }
    )
    several = PredictedFiles(table, found.paths[:3], probs, NAMES, several=True)
    write_prediction_page(tmp_path / "page.html", several, "T")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    alts = [alt.partition(":")[0] for alt in re.findall(r'alt="([^"]*)"', page)]
    assert alts == ["1.png", "0.png", "0.png", "2.png"]
    assert "no label" in page and "not calibrated" in page
    assert page.count('class="wrong"') == 1


def test_confidence_that_is_not_calibrated_says_so(found, tmp_path):
    raw = replace(found, temperature=None)
    write_prediction_page(tmp_path / "page.html", raw, "T")
    assert "Do not take it literally" in (tmp_path / "page.html").read_text()


def test_a_page_that_fails_leaves_the_old_one(found, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(WorkshopError, match="at least 1 image"):
        write_prediction_page(path, found, "T", most=0)
    found.paths[2].unlink()
    with pytest.raises(WorkshopError, match="<2>.png"):
        write_prediction_page(path, found, "T")
    assert path.read_text() == "old"
