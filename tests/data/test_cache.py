"""The cache saves time when it can, and is never believed when it should not be."""

import errno
import os
import stat

import pytest
import torch

from workshop_lib.data import cache
from workshop_lib.data.cache import cache_folder, cached
from workshop_lib.files import write_whole


class Builder:
    """Counts how often it was asked."""

    def __init__(self, value=1):
        self.calls, self.value = 0, value

    def __call__(self):
        self.calls += 1
        return {"x": torch.full((3,), self.value), "names": ("a", "ü"), "n": 2}


def files(folder):
    return sorted(folder.iterdir())


def test_built_once_then_loaded(tmp_path):
    build = Builder()
    first = cached("a key", build, tmp_path)
    second = cached("a key", build, tmp_path)
    assert build.calls == 1
    assert torch.equal(first["x"], second["x"])
    assert (second["names"], second["n"]) == (("a", "ü"), 2)
    assert len(files(tmp_path)) == 1  # no temporary file stays


def test_keys_do_not_share_files(tmp_path):
    for k, key in enumerate(["a/b", "a?b", "a b", "", "x" * 500]):
        assert int(cached(key, Builder(k), tmp_path)["x"][0]) == k
    assert len(files(tmp_path)) == 5


def test_place(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "here"))
    cached("k", Builder())
    assert len(files(tmp_path / "here")) == 1
    monkeypatch.delenv("WORKSHOP_CACHE")
    assert cache_folder().parts == (".cache", "workshop")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_cut_off_file_is_made_anew(tmp_path, capsys, keep):
    cached("k", Builder(), tmp_path)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(
        whole[: int(keep * len(whole)) if isinstance(keep, float) else keep]
    )
    build = Builder(5)
    assert int(cached("k", build, tmp_path)["x"][0]) == 5
    assert "making it anew" in capsys.readouterr().err
    cached("k", build, tmp_path)
    assert build.calls == 1  # mended


@pytest.mark.parametrize(
    "content",
    [
        b"not a torch file",
        {"x": torch.ones(3)},
        {"format": 1, "key": "other", "content": {"x": torch.ones(3)}},
        {"format": 0, "key": "k", "content": {"x": torch.ones(3)}},
        {"format": 1, "key": "k", "content": [torch.ones(3)]},
        torch.ones(3),
        {"format": 1, "key": "k", "content": {"x": Builder()}},  # code, not data
    ],
)
def test_foreign_file_is_made_anew(tmp_path, capsys, content):
    cached("k", Builder(), tmp_path)
    (path,) = files(tmp_path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    assert int(cached("k", Builder(5), tmp_path)["x"][0]) == 5
    assert "making it anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("unexpected pos 64"),
    ],
)
def test_full_disk_goes_on_without_a_cache(tmp_path, capsys, monkeypatch, error):
    def save(state, path):
        path.write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(cache.torch, "save", save)
    assert int(cached("k", Builder(7), tmp_path)["x"][0]) == 7
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "without a cache" in lines[0] and "WORKSHOP_CACHE" in lines[0]
    assert files(tmp_path) == []


def test_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert int(cached("k", Builder(7), tmp_path / "file" / "cache")["x"][0]) == 7
    assert "without a cache" in capsys.readouterr().err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_no_permission(tmp_path, capsys):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert int(cached("k", Builder(7), tmp_path)["x"][0]) == 7
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert "without a cache" in capsys.readouterr().err


def test_an_error_in_build_is_not_hidden(tmp_path):
    def build():
        raise OSError("cannot read the images")

    with pytest.raises(OSError, match="cannot read the images"):
        cached("k", build, tmp_path)
    assert files(tmp_path) == []


def test_write_whole_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("new, but")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, write)
    assert path.read_text() == "old"
    assert files(tmp_path) == [path]
