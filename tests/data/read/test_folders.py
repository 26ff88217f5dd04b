"""The folder reader: one set of rules, and one message for all that is wrong."""

import os
import shutil
import sys
import unicodedata
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read import images as reading
from workshop_lib.data.read.images import decode_images
from workshop_lib.data.read.index import find_images
from workshop_lib.errors import WorkshopError


def picture(height=8, width=8, value=100, mode="RGB"):
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(np.full(shape, value, dtype=np.uint8))


def put(root, **images):
    """Write images: class__name="..." with the ending .png."""
    for key, image in images.items():
        scene, name = key.split("__")
        (root / scene).mkdir(parents=True, exist_ok=True)
        image.save(root / scene / f"{name}.png")


def two_classes(root, **more):
    put(root, Forest__a=picture(value=10), River__b=picture(value=20), **more)


def test_a_folder_per_class(tmp_path):
    root = tmp_path / "data"
    two_classes(root, Forest__c=picture(value=30))
    scenes = Dataset.from_folder(root)
    assert scenes.class_names == ("Forest", "River")
    assert scenes.names == ("Forest/a.png", "Forest/c.png", "River/b.png")
    assert scenes.labels.tolist() == [0, 0, 1]
    assert scenes.images.shape == (3, 3, 8, 8) and scenes.is_rgb
    assert scenes.images[:, 0, 0, 0].tolist() == [10, 30, 20]


def test_names_with_spaces_and_accents_in_one_form(tmp_path):
    root = tmp_path / "d"
    two_classes(root)
    other_form = unicodedata.normalize("NFD", "Île de forêt")
    (root / other_form).mkdir()
    picture().save(root / other_form / "été 1.PNG")
    found = Dataset.from_folder(root)
    assert found.class_names == ("Forest", "River", "Île de forêt")
    assert found.names[-1] == "Île de forêt/été 1.PNG"


def test_names_that_no_text_can_hold_are_escaped(tmp_path, capsys):
    root = tmp_path / "d"
    two_classes(root)
    for name in (b"\xff.png", b"c\nd.png", b"\xfe.txt"):
        shutil.copy(
            root / "Forest" / "a.png", os.fsencode(root / "Forest") + b"/" + name
        )
    found = Dataset.from_folder(root)
    assert found.names[:3] == ("Forest/\\xff.png", "Forest/a.png", "Forest/c\\nd.png")
    assert "Forest/\\xfe.txt" in capsys.readouterr().out


def test_what_is_hidden_or_no_image_is_left_out(tmp_path, capsys):
    root = tmp_path / "d"
    two_classes(root)
    for name in (".ipynb_checkpoints", ".git", "__MACOSX"):
        (root / name).mkdir()
        picture().save(root / name / "x.png")
    picture().save(root / "Forest" / "._a.png")
    (root / "Forest" / "Thumbs.db").write_bytes(b"x")
    (root / "Forest" / "readme.txt").write_text("x")
    (root / "Forest" / "folder.png").mkdir()
    picture().save(root / "overview.png")
    assert Dataset.from_folder(root).names == ("Forest/a.png", "River/b.png")
    said = capsys.readouterr().out
    assert "2 left out, no images by their ending: Forest/Thumbs.db, Fo" in said
    found = [path.relative_to(root).as_posix() for path in find_images(root)]
    assert found == ["overview.png", "Forest/a.png", "River/b.png"]
    assert "2 left out" in capsys.readouterr().out


def test_images_anywhere_else_are_counted(tmp_path, capsys):
    root = tmp_path / "d"
    two_classes(root)
    for place in ("Forest/2023/n.png", "top.jpg", "Forest/1/2/3/4/5/deep.jfif"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes((root / "Forest" / "a.png").read_bytes())
    (root / "Forest" / "loop").symlink_to(root, target_is_directory=True)
    shutil.make_archive(str(tmp_path / "z"), "zip", root)
    for data in (root, tmp_path / "z.zip"):
        names = Dataset.from_folder(data).names
        said = capsys.readouterr().out
        if data == root:
            assert names == ("Forest/a.png", "River/b.png")
            assert "3 left out, not directly in a class folder: Forest/1/2" in said
        assert "top.jpg" in said
    with pytest.raises(WorkshopError, match="no images in it"):
        (root / "River" / "b.png").rename(root / "River" / "b.avif")
        find_images(root / "River")


def test_what_is_there_twice_is_named(tmp_path):
    root = tmp_path / "d"
    two_classes(root)
    content = (root / "Forest" / "a.png").read_bytes()
    accents = "\u00e9.png", "e\u0301.png"
    for name in accents:
        (root / "Forest" / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        for name in ("Forest/a.png", "River/b.png", "./River/b.png"):
            file.writestr(name, content)
    for data, name in ((root, accents[0]), (tmp_path / "z.zip", "River/b.png")):
        with pytest.raises(WorkshopError, match=f"more than once .*{name}"):
            Dataset.from_folder(data)


def palette():
    """One colour, half transparent."""
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.info["transparency"] = bytes([0, 128])
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (palette(), [10, 20, 30]),
        (picture(value=77, mode="L"), [77, 77, 77]),
        (Image.new("RGBA", (8, 8), (1, 2, 3, 0)), [1, 2, 3]),
        (Image.new("LA", (8, 8), (9, 0)), [9, 9, 9]),
        (Image.new("1", (8, 8), 1), [255, 255, 255]),
        (Image.new("RGB", (8, 8), (4, 5, 6)).convert("P"), None),
        (Image.fromarray(np.full((8, 8), 0x1234, dtype=np.uint16)), [0x12] * 3),
        (Image.fromarray(np.full((8, 8), 65535, dtype=np.uint16)), [255] * 3),
    ],
)
def test_every_kind_of_png_becomes_rgb(tmp_path, image, expected):
    put(tmp_path / "d", Forest__a=image, River__b=picture())
    pixel = Dataset.from_folder(tmp_path / "d").images[0, :, 0, 0].tolist()
    assert pixel == (expected or list(image.convert("RGB").getpixel((0, 0))))


def test_pixels_that_8_bits_cannot_hold_are_refused(tmp_path):
    for name, dtype, value in [("f", np.float32, 0.5), ("i", np.int32, 70000)]:
        Image.fromarray(np.full((8, 8), value, dtype=dtype)).save(
            tmp_path / f"{name}.tif"
        )
    with pytest.raises(WorkshopError) as caught:
        decode_images([tmp_path / "f.tif", tmp_path / "i.tif"])
    assert "floating-point" in str(caught.value) and "32-bit" in str(caught.value)


def test_most_common_size_wins_and_is_told(tmp_path, capsys):
    root = tmp_path / "d"
    two_classes(root, River__odd=picture(16, 13, value=50))
    scenes = Dataset.from_folder(root)
    assert scenes.images.shape == (3, 3, 8, 8)
    assert "1 of 3 images are not 8x8 px" in capsys.readouterr().out
    assert scenes.images[2].unique().tolist() == [50]
    Dataset.from_folder(root)
    assert "1 of 3 images" in capsys.readouterr().out  # the cache remembers


def test_equal_sizes_are_kept_even_if_not_square(tmp_path, capsys):
    put(tmp_path / "d", a__x=picture(8, 12), b__y=picture(8, 12))
    found = Dataset.from_folder(tmp_path / "d")
    assert found.images.shape[-2:] == (8, 12) and capsys.readouterr().out == ""


def test_crop_is_the_centre(tmp_path):
    stripes = np.zeros((8, 24, 3), dtype=np.uint8)
    stripes[:, 8:16] = 200
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    assert decode_images([tmp_path / "wide.png"], size=8).unique().tolist() == [200]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20))
def test_any_size_covers_the_target(tmp_path_factory, height, width, size):
    path = tmp_path_factory.mktemp("one") / "x.png"
    picture(height, width, value=90).save(path)
    images = decode_images([path], size=size)
    assert images.shape == (1, 3, size, size)
    assert images.unique().tolist() == [90]  # no border is made up


def test_one_error_lists_every_offender(tmp_path):
    root = tmp_path / "d"
    two_classes(root)
    (root / "Empty").mkdir()
    (root / "Forest" / "zero.jpg").touch()
    (root / "Forest" / "text.png").write_text("no image")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "River" / "cut.jpg")
    whole = (root / "River" / "cut.jpg").read_bytes()
    (root / "River" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WorkshopError) as caught:
        Dataset.from_folder(root)
    text = str(caught.value)
    assert text.startswith("4 problems in")
    assert "Empty/: no images" in text
    assert "Forest/zero.jpg: empty file (0 bytes)" in text
    assert "Forest/text.png: not an image" in text
    assert "River/cut.jpg: " in text and "truncated" in text
    assert list((tmp_path / "cache").iterdir()) == []  # what is wrong is not kept


def test_a_long_list_is_cut_short(tmp_path):
    root = tmp_path / "d"
    two_classes(root)
    for i in range(33):
        (root / "Forest" / f"{i:02d}.png").touch()
    with pytest.raises(WorkshopError) as caught:
        Dataset.from_folder(root)
    lines = str(caught.value).splitlines()
    assert "33 problems" in lines[0]
    assert len(lines) == 22 and lines[-1] == "  ... and 13 more"


def test_wrong_folders(tmp_path):
    with pytest.raises(WorkshopError, match="is not a folder"):
        Dataset.from_folder(tmp_path / "nowhere")
    (tmp_path / "d").mkdir()
    too_few = "{} images but not at least two folders with images, one per class"
    with pytest.raises(WorkshopError, match=too_few.format(0)):
        Dataset.from_folder(tmp_path / "d")
    picture().save(tmp_path / "d" / "x.png")
    put(tmp_path / "d", Forest__a=picture(), unlabeled__b=picture())
    with pytest.raises(WorkshopError, match=too_few.format(3)):
        Dataset.from_folder(tmp_path / "d")
    put(tmp_path / "d", River__a=picture())
    with pytest.raises(WorkshopError, match="size=0"):
        Dataset.from_folder(tmp_path / "d", size=0)


@pytest.mark.parametrize("wrap", ["Scenes", "UCM/UCM/Scenes"])
def test_class_folders_may_be_wrapped_in_others(tmp_path, wrap):
    two_classes(tmp_path / "d" / wrap)
    assert Dataset.from_folder(tmp_path / "d").names == ("Forest/a.png", "River/b.png")
    two_classes(tmp_path / "d" / "other")
    with pytest.raises(WorkshopError, match=f"several places .*{wrap}.*'other'"):
        Dataset.from_folder(tmp_path / "d")


def test_second_time_comes_from_the_cache(tmp_path, monkeypatch):
    root = tmp_path / "d"
    two_classes(root)
    first = Dataset.from_folder(root)

    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(reading, "_decode", never)
    assert torch.equal(Dataset.from_folder(root).images, first.images)


@pytest.mark.parametrize("change", ["pixels", "time", "added", "renamed", "size"])
def test_any_change_is_decoded_again(tmp_path, change):
    root, size = tmp_path / "d", None
    two_classes(root)
    Dataset.from_folder(root)
    path = root / "Forest" / "a.png"
    if change == "pixels":
        picture(value=11).save(path)
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "added":
        picture().save(root / "Forest" / "z.png")
    elif change == "renamed":
        path.rename(root / "Forest" / "aa.png")
    else:
        size = 4
    Dataset.from_folder(root, size=size)
    assert len(list((tmp_path / "cache").glob("*.rows"))) == 2


def broken_folder(root):
    two_classes(root, Forest__c=picture(value=30))
    (root / "Forest" / "zero.jpg").touch()
    (root / "River" / "text.png").write_text("no image")
    (root / "Gone").mkdir()
    (root / "Gone" / "x.png").write_text("nothing in this class can be read")
    (root / "Empty").mkdir()
    return root


def test_skip_leaves_out_what_is_broken_and_says_so(tmp_path, capsys):
    root = broken_folder(tmp_path / "d")
    scenes = Dataset.from_folder(root, on_error="skip")
    said = capsys.readouterr().out
    assert scenes.names == ("Forest/a.png", "Forest/c.png", "River/b.png")
    assert scenes.class_names == ("Forest", "River")  # a class without images is none
    assert scenes.labels.tolist() == [0, 0, 1]
    assert scenes.images[:, 0, 0, 0].tolist() == [10, 30, 20]
    assert "4 left out (on_error='skip')" in said
    for name in ("Forest/zero.jpg", "River/text.png", "Gone/x.png", "Empty/"):
        assert name in said
    with pytest.raises(WorkshopError, match="4 problems"):
        Dataset.from_folder(root)  # of the same cache
    capsys.readouterr()
    assert len(Dataset.from_folder(root, on_error="skip")) == 3
    assert "4 left out" in capsys.readouterr().out  # said again from the cache
    (root / "Empty").rmdir()  # no image has changed, so the cache is the same
    with pytest.raises(WorkshopError, match="3 problems"):
        Dataset.from_folder(root)


def test_skip_cannot_skip_everything(tmp_path):
    for scene in "ab":
        (tmp_path / "d" / scene).mkdir(parents=True)
        (tmp_path / "d" / scene / "x.png").write_text("no image")
    with pytest.raises(WorkshopError, match="2 problems"):
        Dataset.from_folder(tmp_path / "d", on_error="skip")
    with pytest.raises(
        WorkshopError, match="on_error 'ignore'.*Did you mean|known are"
    ):
        Dataset.from_folder(tmp_path / "d", on_error="ignore")


@pytest.mark.parametrize("name", ["unlabeled", "unlabelled", "Unlabeled"])
def test_images_without_a_class(tmp_path, name):
    root = tmp_path / "d"
    two_classes(root)
    (root / name).mkdir()
    picture(value=77).save(root / name / "x.png")
    scenes = Dataset.from_folder(root)
    assert scenes.class_names == ("Forest", "River")
    labels = dict(zip(scenes.names, scenes.labels.tolist(), strict=True))
    assert labels == {"Forest/a.png": 0, "River/b.png": 1, f"{name}/x.png": -1}
    assert scenes.class_counts().tolist() == [1, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="one folder elsewhere")
def test_classes_that_differ_by_case_only_are_named(tmp_path, capsys):
    two_classes(tmp_path / "d", forest__a=picture())
    assert Dataset.from_folder(tmp_path / "d").class_names == (
        "Forest",
        "River",
        "forest",
    )
    assert "differ by case only: Forest, forest" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="the time of change is not kept there")
def test_a_copy_that_keeps_size_and_time_is_noticed(tmp_path):
    root = tmp_path / "d"
    root.mkdir()
    for scene, value in (("Forest", 10), ("River", 20)):
        (root / scene).mkdir()
        picture(value=value).save(root / scene / "x.bmp")
    path = root / "Forest" / "x.bmp"
    before = path.stat()
    assert int(Dataset.from_folder(root).images[0, 0, 0, 0]) == 10
    picture(value=99).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert int(Dataset.from_folder(root).images[0, 0, 0, 0]) == 99
