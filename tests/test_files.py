"""Files are written whole or not at all, and a failure is told in plain words."""

import errno
import os
from unittest.mock import Mock

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "no space"), "disk is full: free some space"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError(errno.EIO, "input error"), "error"),
        (KeyboardInterrupt(), ""),
    ],
)
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, error, words):
    write_text(tmp_path / "page", "old")
    monkeypatch.setattr(os, "replace", Mock(side_effect=error))
    with pytest.raises((WorkshopError, KeyboardInterrupt), match=words):
        write_text(tmp_path / "page", "new")
    assert (tmp_path / "page").read_text() == "old"
    assert os.listdir(tmp_path) == ["page"]


def test_a_folder_in_place_of_the_file_and_a_file_in_place_of_the_folder(tmp_path):
    with pytest.raises(WorkshopError, match="is a folder"):
        write_text(tmp_path, "new")
    write_text(tmp_path / "file", "")
    with pytest.raises(WorkshopError, match="choose another folder"):
        write_text(tmp_path / "file" / "page", "new")
    assert os.listdir(tmp_path) == ["file"]
