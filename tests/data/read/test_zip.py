"""A zip archive is read as if it had been unpacked."""

import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.read.files import png, zip_of
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read import index
from workshop_lib.data.read.index import index_images
from workshop_lib.errors import WorkshopError


def plain(prefix=""):
    return {
        f"{prefix}River/b 1.png": png(20),
        f"{prefix}Forest/a.png": png(10),
        f"{prefix}Forest/c.png": png(30),
    }


@pytest.mark.parametrize("prefix", ["", "UCMerced_LandUse/Images/", "a b/"])
def test_an_archive_equals_its_folder(tmp_path, prefix):
    path = zip_of(tmp_path / "x.zip", plain(prefix))
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "out")
    folder = Dataset.from_folder(tmp_path / "out" / prefix)
    zipped = Dataset.from_zip(path)
    assert (
        zipped.names
        == folder.names
        == ("Forest/a.png", "Forest/c.png", "River/b 1.png")
    )
    assert zipped.class_names == folder.class_names
    assert torch.equal(zipped.images, folder.images)
    assert torch.equal(zipped.labels, folder.labels)


def test_backslashes_of_other_systems(tmp_path):
    content = {name.replace("/", "\\"): data for name, data in plain("x/").items()}
    found = index_images(zip_of(tmp_path / "x.zip", content))
    assert found.class_names == ("Forest", "River")


def test_one_error_lists_every_offender(tmp_path):
    bad = {"River/zero.png": b"", "River/text.png": b"no image", "Empty/": b""}
    path = zip_of(tmp_path / "x.zip", plain() | bad)
    with pytest.raises(WorkshopError) as caught:
        Dataset.from_zip(path)
    text = str(caught.value)
    assert text.startswith("3 problems in")
    assert "Empty/: no images" in text and "River/zero.png: empty file" in text
    assert "River/text.png: not an image" in text
    assert len(Dataset.from_zip(path, on_error="skip")) == 3


def test_hidden_files_and_other_things_are_left_out(tmp_path):
    content = plain("data/") | {
        "__MACOSX/data/Forest/._a.png": b"x",
        "__MACOSX/data/River/z.png": png(),
        "data/.ipynb_checkpoints/a.png": png(),
        "data/Forest/.hidden.png": png(),
        "data/Forest/deeper/a.png": png(),
        "data/readme.txt": b"hello",
        "data/overview.png": png(),
        "data/Forest/Thumbs.db": b"x",
    }
    found = index_images(zip_of(tmp_path / "x.zip", content))
    assert [entry.name for entry in found.entries] == [
        "Forest/a.png",
        "Forest/c.png",
        "River/b 1.png",
    ]
    assert found.problems == ()


def test_a_member_whose_checksum_is_wrong_is_an_offender(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:  # stored: the pixels lie there openly
        for name, data in plain().items():
            file.writestr(name, data)
    data = bytearray(path.read_bytes())
    at = data.index(png(30)) + len(png(30)) // 2
    data[at] ^= 255
    path.write_bytes(data)
    with pytest.raises(WorkshopError, match="1 problem.*\n.*Forest/c.png: .*CRC"):
        Dataset.from_zip(path)


def test_a_member_that_says_to_be_huge_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_MOST_BYTES", len(png()) + 100)
    bomb = {"River/bomb.png": b"\0" * 10_000}
    path = zip_of(tmp_path / "x.zip", plain() | bomb)
    with pytest.raises(WorkshopError, match="1 problem.*\n.*River/bomb.png: says to"):
        Dataset.from_zip(path)


def test_what_is_no_archive_of_classes(tmp_path):
    with pytest.raises(WorkshopError, match="no.zip is not a folder"):
        index_images(tmp_path / "no.zip")
    (tmp_path / "x.zip").write_text("<html>quota exceeded")
    with pytest.raises(WorkshopError, match="cut off"):
        index_images(tmp_path / "x.zip")
    whole = zip_of(tmp_path / "y.zip", plain()).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:-30])
    with pytest.raises(WorkshopError, match="cut off"):
        index_images(tmp_path / "x.zip")
    flat = zip_of(tmp_path / "flat.zip", {"a.png": png(), "only/b.png": png()})
    with pytest.raises(WorkshopError, match="2 images but not at least two folders"):
        index_images(flat)


def test_second_time_comes_from_the_cache_and_a_change_is_noticed(tmp_path):
    path = zip_of(tmp_path / "x.zip", plain())
    Dataset.from_zip(path)
    Dataset.from_zip(path)
    assert len(list((tmp_path / "cache").glob("*.rows"))) == 1
    zip_of(path, plain() | {"Forest/c.png": png(31)})
    assert Dataset.from_zip(path).images[:, 0, 0, 0].tolist() == [10, 31, 20]


part = st.text("abc .", min_size=1, max_size=4).filter(lambda s: s.strip(". ") == s)


@settings(max_examples=25)
@given(st.lists(part, max_size=3), st.sets(part, min_size=2, max_size=3))
def test_any_wrapping_gives_the_same_names(tmp_path_factory, wrapping, classes):
    prefix = "".join(f"{folder}/" for folder in wrapping)
    content = {f"{prefix}{name}/x.png": png() for name in classes}
    path = zip_of(tmp_path_factory.mktemp("zip") / "x.zip", content)
    found = index_images(path)
    assert [entry.name for entry in found.entries] == [
        f"{c}/x.png" for c in sorted(classes)
    ]
