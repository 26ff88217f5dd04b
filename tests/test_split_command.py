"""`workshop split` with a share of labels, blocks of the map, and predefined splits."""

import numpy as np
import pytest
from PIL import Image

from workshop_lib.commands.data import split
from workshop_lib.errors import WorkshopError


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("Forest", "River"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


def test_a_share_of_labels(folder, tmp_path, capsys):
    split(str(folder), label_fraction=0.5, size=16, save=tmp_path / "saved")
    said = capsys.readouterr().out
    assert "labeled 12, unlabeled 24, val 6, test 10" in said
    assert "nothing found" in said
    lines = (tmp_path / "saved" / "labeled.txt").read_text().splitlines()
    assert len(lines) == 12


def test_blocks_need_coordinates(folder):
    with pytest.raises(WorkshopError, match="no coordinates"):
        split(str(folder), block_km=10.0, size=16)


def test_a_predefined_split_needs_its_data_set(folder):
    with pytest.raises(WorkshopError, match="of the predefined split 'ucm' are not in"):
        split(str(folder), predefined="ucm", size=16)
