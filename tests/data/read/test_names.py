"""Names files: `path label` a line, spaces in paths, every bad line told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.read.files import png
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.index import index_images
from workshop_lib.errors import WorkshopError


def save(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(value))


def test_paths_with_spaces_and_labels_that_are_the_last_word(tmp_path):
    save(tmp_path / "my images" / "b 2.png", 20)
    save(tmp_path / "a.png", 10)
    save(tmp_path / "deep" / "er" / "c.png", 30)
    names = tmp_path / "names.txt"
    names.write_text("my images/b 2.png River\n\ndeep/er/c.png -1\n  a.png\tForest  \n")
    scenes = Dataset.from_names(names)
    assert scenes.names == ("a.png", "deep/er/c.png", "my images/b 2.png")
    assert scenes.class_names == ("Forest", "River")
    assert scenes.labels.tolist() == [0, -1, 1]
    assert scenes.images[:, 0, 0, 0].tolist() == [10, 30, 20]


def test_numbers_as_labels_are_in_the_order_of_numbers(tmp_path):
    (tmp_path / "n.txt").write_text("a.png 10\nb.png 2\nc.png 0\n")
    index = index_images(tmp_path / "n.txt")
    assert index.class_names == ("0", "2", "10")
    assert index.labels == [2, 1, 0]


def test_one_error_lists_every_bad_line(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "empty.png").touch()
    names = tmp_path / "n.txt"
    names.write_text("a.png x\nb.png y\nlonely.png\ngone.png x\nempty.png y\n")
    with pytest.raises(WorkshopError) as caught:
        Dataset.from_names(names)
    text = str(caught.value)
    assert text.startswith("3 problems")
    assert "line 3: 'lonely.png' has no label" in text
    assert "gone.png: " in text and "No such file" in text
    assert "empty.png: empty file" in text
    assert len(Dataset.from_names(names, on_error="skip")) == 2
    names.write_text("a.png x\nb.png y\na.png y\n")
    with pytest.raises(WorkshopError, match=r"more than once \('a.png'"):
        Dataset.from_names(names)


def test_a_name_with_a_zero_byte_is_refused(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "n.txt").write_text("a.png River\n\0.png Forest\n")
    with pytest.raises(WorkshopError, match="null"):
        Dataset.from_names(tmp_path / "n.txt")


def test_files_that_are_no_names_file(tmp_path):
    (tmp_path / "n.txt").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(WorkshopError, match="UTF-8"):
        index_images(tmp_path / "n.txt")
    (tmp_path / "n.txt").write_text("a.png x\nb.png x\nc.png -1\nonlyapath\n")
    with pytest.raises(WorkshopError, match=r"1 labels(.|\n)*line 4"):
        index_images(tmp_path / "n.txt")


words = st.lists(st.text("abé/.", min_size=1, max_size=5), min_size=1, max_size=3)


@settings(max_examples=25)
@given(st.dictionaries(words.map(" ".join), st.sampled_from(["x", "y", "-1"])))
def test_the_order_of_lines_does_not_matter(tmp_path_factory, rows):
    rows = {"p": "x", "q": "y", **{f"k/{name}": label for name, label in rows.items()}}
    lines = [f"{name} {label}\n" for name, label in rows.items()]
    folder = tmp_path_factory.mktemp("names")
    (folder / "one.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "two.txt").write_text("".join(reversed(lines)), encoding="utf-8")
    one, two = index_images(folder / "one.txt"), index_images(folder / "two.txt")
    assert (one.entries, one.labels, one.problems) == (two.entries, two.labels, ())
    known = {"x": 0, "y": 1, "-1": -1}
    found = dict(zip([f.name for f in one.entries], one.labels, strict=True))
    assert found == {name: known[label] for name, label in rows.items()}
