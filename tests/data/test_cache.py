"""The cache saves time when it can, and is never believed when it should not be."""

import errno

import numpy as np
import pytest
import torch

from workshop_lib.data import cache
from workshop_lib.data.cache import cache_folder, cached, memmap_cache


class Builder:
    """Counts how often it was asked."""

    def __init__(self, value=1):
        self.calls, self.value = 0, value

    def __call__(self):
        self.calls += 1
        return {"x": torch.full((3,), self.value), "names": ("a", "ü"), "n": 2}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path))


def files(folder):
    return sorted(folder.iterdir())


def test_built_once_then_loaded(tmp_path):
    build = Builder()
    first = cached("a key", build)
    second = cached("a key", build)
    assert build.calls == 1
    assert torch.equal(first["x"], second["x"])
    assert (second["names"], second["n"]) == (("a", "ü"), 2)
    assert len(files(tmp_path)) == 1  # no temporary file stays


def test_keys_do_not_share_files(tmp_path):
    for k, key in enumerate(["a/b", "a?b", "a b", "", "x" * 500]):
        assert int(cached(key, Builder(k))["x"][0]) == k
    assert len(files(tmp_path)) == 5


def test_place(monkeypatch):
    monkeypatch.delenv("WORKSHOP_CACHE")
    assert cache_folder().parts == (".cache", "workshop")


def cut(path, keep):
    """Leave so many bytes of a file, or a fraction of it."""
    whole = path.read_bytes()
    path.write_bytes(whole[: min(len(whole) - 1, int(keep * len(whole) ** (keep < 1)))])


@pytest.mark.parametrize(
    "content",
    [
        b"not a torch file",
        {"x": torch.ones(3)},
        {"key": "other", "content": {"x": torch.ones(3)}},
        torch.ones(3),
        {"key": "k", "content": {"x": Builder()}},  # code, not data
    ],
)
def test_foreign_file_is_made_anew(tmp_path, capsys, content):
    cached("k", Builder())
    (path,) = files(tmp_path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    assert int(cached("k", Builder(5))["x"][0]) == 5
    assert "building it again" in capsys.readouterr().err


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
    assert int(cached("k", Builder(7))["x"][0]) == 7
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "without a cache" in lines[0] and "WORKSHOP_CACHE" in lines[0]
    assert files(tmp_path) == []


def test_folder_that_cannot_be_made(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "file" / "cache"))
    assert int(cached("k", Builder(7))["x"][0]) == 7
    assert len(memmap_cache("k", Filler(rows()))[0]) == 3
    assert capsys.readouterr().err.count("without a cache") == 2


def test_an_error_in_build_is_not_hidden(tmp_path):
    def build():
        raise OSError("cannot read the images")

    with pytest.raises(OSError, match="cannot read the images"):
        cached("k", build)
    assert files(tmp_path) == []


class Filler:
    """Writes rows in pieces, and counts how often it was asked."""

    def __init__(self, rows, pieces=(2, 1)):
        self.rows, self.pieces, self.calls = rows, pieces, 0

    def __call__(self, write):
        self.calls += 1
        at = 0
        for piece in self.pieces:
            write(self.rows[at : at + piece])
            at += piece
        return {"note": "ü", "kept": [0, 1, 2]}


def rows(value=0, dtype=np.uint8):
    return (np.arange(3 * 2 * 4) + value).reshape(3, 2, 4).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_written_once_then_mapped(tmp_path, dtype):
    fill = Filler(rows(dtype=dtype))
    first, facts = memmap_cache("k", fill)
    second, again = memmap_cache("k", fill)
    assert fill.calls == 1 and facts == again == {"note": "ü", "kept": [0, 1, 2]}
    for found in (first, second):
        assert torch.equal(found, torch.from_numpy(fill.rows))
    assert len(files(tmp_path)) == 2  # the rows, and what they are


def test_without_a_key_it_stays_in_memory(tmp_path):
    fill = Filler(rows())
    found, _ = memmap_cache(None, fill)
    assert torch.equal(found, torch.from_numpy(fill.rows)) and files(tmp_path) == []


def test_writing_to_the_tensor_never_reaches_the_file(tmp_path):
    fill = Filler(rows())
    found, _ = memmap_cache("k", fill)
    found[0] = 99
    assert found[0].unique().tolist() == [99]
    assert torch.equal(memmap_cache("k", fill)[0], torch.from_numpy(rows()))


def test_read_only_where_the_system_promises_no_copies(tmp_path, monkeypatch):
    fill = Filler(rows())
    memmap = np.memmap

    def refuse(path, dtype, mode, shape):
        if mode == "c":
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return memmap(path, dtype, mode=mode, shape=shape)

    monkeypatch.setattr(cache.np, "memmap", refuse)
    found, _ = memmap_cache("k", fill)
    assert torch.equal(found, torch.from_numpy(rows())) and fill.calls == 1


@pytest.mark.parametrize("ending", [".rows", ".pt"])
@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_cut_off_anywhere_is_made_anew(tmp_path, capsys, keep, ending):
    memmap_cache("k", Filler(rows()))
    (path,) = tmp_path.glob(f"*{ending}")
    cut(path, keep)
    fill = Filler(rows(5))
    found, _ = memmap_cache("k", fill)
    assert torch.equal(found, torch.from_numpy(fill.rows)) and fill.calls == 1
    memmap_cache("k", fill)
    assert fill.calls == 1  # mended
    assert "building it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        {"key": "other"},
        {"content": {"shape": [25], "dtype": "|u1", "facts": {}}},
        {"content": []},
    ],
)
def test_a_foreign_description_is_made_anew(tmp_path, capsys, change):
    memmap_cache("k", Filler(rows()))
    (path,) = tmp_path.glob("*.pt")
    torch.save(torch.load(path, weights_only=True) | change, path)
    fill = Filler(rows(5))
    found, _ = memmap_cache("k", fill)
    assert torch.equal(found, torch.from_numpy(fill.rows))
    assert "building it again" in capsys.readouterr().err


def test_full_disk_goes_on_in_memory(tmp_path, capsys, monkeypatch):
    def fails(path, write):
        write(tmp_path / "temporary")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "write_whole", fails)
    fill = Filler(rows())
    found, facts = memmap_cache("k", fill)
    assert torch.equal(found, torch.from_numpy(fill.rows)) and facts["note"] == "ü"
    assert "without a cache" in capsys.readouterr().err


def test_an_interrupted_decoding_leaves_nothing(tmp_path):
    def interrupted(write):
        write(rows())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memmap_cache("k", interrupted)
    assert files(tmp_path) == []
