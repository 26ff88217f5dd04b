"""Files are written whole or not at all, and a failure is told in plain words."""

import errno
import os

import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full: free some space"),
        (errno.EACCES, "Permission denied"),
        (errno.EIO, "error"),
    ],
)
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, code, words):
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    write_text(tmp_path / "page", "old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WorkshopError, match=words):
        write_text(tmp_path / "page", "new")
    assert (tmp_path / "page").read_text() == "old"
    assert os.listdir(tmp_path) == ["page"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "page", "new")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_place_of_the_file_and_a_file_in_place_of_the_folder(tmp_path):
    with pytest.raises(WorkshopError, match="is a folder"):
        write_text(tmp_path, "new")
    write_text(tmp_path / "file", "")
    with pytest.raises(WorkshopError, match="choose another folder"):
        write_text(tmp_path / "file" / "page", "new")
    assert os.listdir(tmp_path) == ["file"]
