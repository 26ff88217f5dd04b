"""A zip archive is read as if it had been unpacked."""

import io
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.read.files import png
from workshop_lib.data.read import folders
from workshop_lib.data.read.folders import index_zip
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError


def archive(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


def plain(prefix=""):
    return {
        f"{prefix}River/b 1.png": png(20),
        f"{prefix}Forest/a.png": png(10),
        f"{prefix}Forest/c.png": png(30),
    }


@pytest.mark.parametrize("prefix", ["", "UCMerced_LandUse/Images/", "a b/"])
def test_an_archive_equals_its_folder(tmp_path, prefix):
    path = archive(tmp_path / "x.zip", plain(prefix))
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "out")
    folder = Scenes.from_folder(tmp_path / "out" / prefix)
    zipped = Scenes.from_zip(path)
    assert (
        zipped.names
        == folder.names
        == ("Forest/a.png", "Forest/c.png", "River/b 1.png")
    )
    assert zipped.class_names == folder.class_names
    assert torch.equal(zipped.images, folder.images)
    assert torch.equal(zipped.labels, folder.labels)


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
    index = index_zip(archive(tmp_path / "x.zip", content))
    assert [entry.name for entry in index.entries] == [
        "Forest/a.png",
        "Forest/c.png",
        "River/b 1.png",
    ]
    assert index.problems == ()


def test_unlabelled_images_have_no_class(tmp_path):
    path = archive(tmp_path / "x.zip", plain() | {"unlabelled/x.png": png(50)})
    scenes = Scenes.from_zip(path)
    assert scenes.class_names == ("Forest", "River")
    assert scenes.labels.tolist() == [0, 0, 1, -1]


def test_backslashes_of_other_systems(tmp_path):
    content = {name.replace("/", "\\"): data for name, data in plain("x/").items()}
    index = index_zip(archive(tmp_path / "x.zip", content))
    assert index.class_names == ("Forest", "River")


def test_one_error_lists_every_offender(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG")
    content = plain() | {
        "River/zero.png": b"",
        "River/text.png": b"no image",
        "Forest/cut.jpg": stream.getvalue()[:2000],
        "Forest/wrong.pgn": png(),
        "Empty/": b"",
    }
    path = archive(tmp_path / "x.zip", content)
    with pytest.raises(WorkshopError) as caught:
        Scenes.from_zip(path)
    text = str(caught.value)
    assert text.startswith("5 problems in")
    for line in (
        "Empty/: no images",
        "River/zero.png: empty file",
        "River/text.png: not an image",
        "Forest/cut.jpg: ",
        "Forest/wrong.pgn: PNG by its content",
    ):
        assert line in text
    assert len(Scenes.from_zip(path, on_error="skip")) == 3


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
        Scenes.from_zip(path)


def test_a_member_that_says_to_be_huge_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_MOST_BYTES", len(png()) + 100)
    bomb = {"River/bomb.png": b"\0" * 10_000}
    path = archive(tmp_path / "x.zip", plain() | bomb)
    with pytest.raises(WorkshopError, match="1 problem.*\n.*River/bomb.png: says to"):
        Scenes.from_zip(path)


def test_several_places_with_classes_need_a_choice(tmp_path):
    path = archive(tmp_path / "x.zip", plain("train/") | plain("test/"))
    with pytest.raises(WorkshopError, match="several places.*'test', 'train'"):
        Scenes.from_zip(path)
    assert len(Scenes.from_zip(path, inside="train")) == 3
    with pytest.raises(WorkshopError, match="no class folders in 'val'"):
        Scenes.from_zip(path, inside="val")


def test_what_is_no_archive_of_classes(tmp_path):
    with pytest.raises(WorkshopError, match="does not exist"):
        index_zip(tmp_path / "no.zip")
    (tmp_path / "x.zip").write_text("<html>quota exceeded")
    with pytest.raises(WorkshopError, match="cut off"):
        index_zip(tmp_path / "x.zip")
    whole = archive(tmp_path / "y.zip", plain()).read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:-30])
    with pytest.raises(WorkshopError, match="cut off"):
        index_zip(tmp_path / "x.zip")
    flat = archive(tmp_path / "flat.zip", {"a.png": png(), "only/b.png": png()})
    with pytest.raises(WorkshopError, match="2 images but not at least two folders"):
        index_zip(flat)


def test_second_time_comes_from_the_cache_and_a_change_is_noticed(tmp_path):
    path = archive(tmp_path / "x.zip", plain())
    Scenes.from_zip(path)
    Scenes.from_zip(path)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    archive(path, plain() | {"Forest/c.png": png(31)})
    assert Scenes.from_zip(path).images[:, 0, 0, 0].tolist() == [10, 31, 20]


part = st.text("abc .", min_size=1, max_size=4).filter(lambda s: s.strip(". ") == s)


@settings(max_examples=25)
@given(st.lists(part, max_size=3), st.sets(part, min_size=2, max_size=3))
def test_any_wrapping_gives_the_same_names(tmp_path_factory, wrapping, classes):
    prefix = "".join(f"{folder}/" for folder in wrapping)
    content = {f"{prefix}{name}/x.png": png() for name in classes}
    path = archive(tmp_path_factory.mktemp("zip") / "x.zip", content)
    index = index_zip(path)
    assert [entry.name for entry in index.entries] == [
        f"{c}/x.png" for c in sorted(classes)
    ]
