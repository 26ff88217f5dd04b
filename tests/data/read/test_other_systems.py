"""Tables and names files as Windows, macOS and spreadsheets write them."""

from pathlib import PureWindowsPath
from unicodedata import normalize

import pytest

from tests.data.read.files import png
from workshop_lib.data.load import load_dataset
from workshop_lib.errors import WorkshopError

NAMES = ("Forest/b.png", "Forest/été.png", "River/C.png", "River/c.png")
FILES = {  # the first line, and one for each image
    "names.txt": ("", "{name} {label}\n"),
    "labels.csv": ("name,labels\n", "{name},all;{label}\n"),
    "metadata.csv": ("name,lat,date\n", "{name},{i},2020-06-0{i}\n"),
}
SYSTEMS = {
    "Windows": lambda text: text.replace("/", "\\").replace("\n", "\r\n").encode(),
    "spreadsheet": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "spaces": lambda text: text.replace(",", ", ").replace("\n", " \n").encode(),
}
WRONG = [  # for metadata.csv
    (b"name;lat\nb.png;47,5\n", "first line is 'name;lat'"),
    ("name,lat\nb.png,47\nété.png,48\n".encode("cp1252"), "in UTF-8"),
    ("name,lat\nb.png,47\n".encode("utf-16"), "in UTF-8"),
    (b"name,date\nb.png,31/12/2020\n", "line 2: '31/12/2020' as date"),
]


@pytest.fixture
def folder(tmp_path):
    """Two classes; two names differ by case only."""
    for k, name in enumerate(NAMES):
        path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(50 * k))
    return tmp_path / "d"


def read(folder, file, content):
    (folder / file).write_bytes(content)
    found = load_dataset(str(folder / file if file == "names.txt" else folder), size=6)
    facts = {name: values.tolist() for name, values in found.metadata.items()}
    return found.names, found.class_names, found.labels.tolist(), facts


def text_of(file):
    head, line = FILES[file]
    rows = [(name, name.split("/")[0], i) for i, name in enumerate(NAMES, 1)]
    return head + "".join(line.format(name=n, label=c, i=i) for n, c, i in rows)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("file", FILES)
def test_what_other_systems_write_reads_the_same(folder, file, system):
    expected = read(folder, file, text_of(file).encode())
    assert len(set(expected[0])) == 4 and expected[0] == tuple(sorted(NAMES))
    windows = [str(PureWindowsPath(name)) for name in NAMES]
    content = SYSTEMS[system](text_of(file))
    assert (system == "Windows") == all(name.encode() in content for name in windows)
    assert read(folder, file, content) == expected


def test_accents_are_compared_in_one_form(folder):
    text = text_of("metadata.csv")
    expected = read(folder, "metadata.csv", text.encode())
    assert read(folder, "metadata.csv", normalize("NFD", text).encode()) == expected
    assert expected[3]["lat"] == [1, 2, 3, 4]


@pytest.mark.parametrize(("content", "words"), WRONG)
def test_what_cannot_be_read_is_named_in_few_lines(folder, content, words):
    with pytest.raises(WorkshopError, match=f"metadata.csv.*{words}") as caught:
        read(folder, "metadata.csv", content)
    assert len(str(caught.value).splitlines()) <= 3
