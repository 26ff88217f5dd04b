"""Tables beside images: several labels each, and where and when they were taken."""

import math

import pytest
import torch

from tests.data.read.files import png, write_tif
from workshop_lib.cli import main
from workshop_lib.data.load import describe, load_dataset, make_split
from workshop_lib.data.metadata import metadata_vector
from workshop_lib.data.verify import check_integrity
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import class_samples
from workshop_lib.settings import DataConfig


@pytest.fixture
def folder(tmp_path):
    """Two classes with two pictures each."""
    for k, name in enumerate(("Forest/a", "Forest/b", "River/c", "River/d")):
        path = tmp_path / "d" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(60 * k))
    return tmp_path / "d"


TABLE = """name,lat,lon,date,region,by
Forest/a.png,52.5,-8,2017-06-13,3,x
River/d.png,,,2016-12-31 23:59:59,,y

River/c.png,-90,180,,1,
elsewhere.png,1,2,2017-01-01,0,
"""


def test_place_and_date_come_from_a_table(folder, capsys):
    (folder / "metadata.csv").write_text(TABLE)
    scenes = load_dataset(str(folder), size=6)
    nan = math.nan
    expected = {
        "lat": [52.5, nan, -90, nan],
        "lon": [-8, nan, 180, nan],
        "day_of_year": [164, nan, nan, 366],
        "region": [3, nan, 1, nan],
    }
    assert set(scenes.metadata) == set(expected)  # `by` is no number
    for name, values in expected.items():
        torch.testing.assert_close(
            scenes.metadata[name], torch.tensor(values), equal_nan=True
        )
    said = capsys.readouterr().out
    assert "1 of 4 images have no row" in said and "1 rows name no image" in said
    vector = metadata_vector(scenes, ("place", "date"))
    assert vector[2].tolist()[:2] == [-1, 1] and vector[2, 2:].isnan().all()
    describe(DataConfig(name=str(folder), size=6))
    assert not capsys.readouterr().out


def test_file_names_alone_do_where_no_two_are_alike(folder):
    (folder / "metadata.csv").write_text("name,day_of_year\nc.png,5\n")
    days = load_dataset(str(folder), size=6).metadata["day_of_year"]
    assert days[2] == 5 and days.isnan().sum() == 3
    (folder / "Forest/b.png").rename(folder / "Forest/c.png")
    assert load_dataset(str(folder), size=6).metadata["day_of_year"].isnan().all()


@pytest.mark.parametrize(
    ("row", "words"),
    [("a,91,0,", "line 3: '91' as lat"), ("a,0,181,", "line 3: '181' as lon"),
     ("a,fifty,0,", "line 3: 'fifty' as lat"), ("a,,,13.6.2017", "'13.6.2017' as date"),
     ("a,,,2017-02-30", "'2017-02-30' as date"), ("x,1,1,", "twice: line 3: x")],
)  # fmt: skip
def test_wrong_values_are_named_by_line(folder, row, words):
    (folder / "metadata.csv").write_text(f"name,lat,lon,date\nx,1,1,\n{row}\n")
    with pytest.raises(WorkshopError, match=words):
        load_dataset(str(folder), size=6)


@pytest.mark.parametrize("content", [b"lat,lon\n1,2\n", b"\xff\xfe\x00", b""])
def test_what_is_no_such_table_is_told(folder, content):
    (folder / "metadata.csv").write_bytes(content)
    with pytest.raises(WorkshopError, match=r"metadata.csv .*columns name\."):
        load_dataset(str(folder), size=6)


def test_a_file_tells_what_the_table_does_not(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(2, 0, 8, 0, -2, 52)}
    for name in ("a/x", "b/y"):
        pixels = torch.full((4, 1, 1), 1000, dtype=torch.int16).numpy()
        write_tif(tmp_path / f"{name}.tif", pixels, ("B2", "B3", "B4", "B8"), **place)
    (tmp_path / "metadata.csv").write_text("name,lat\na/x.tif,10\n")
    found = load_dataset(str(tmp_path), size=1).metadata
    assert found["lat"].tolist() == [10, 51] and found["lon"].tolist() == [9, 9]


def several(folder, count=60):
    """Pictures whose brightness says which of three labels they have; one rare."""
    folder.mkdir()
    rows = ["name,labels"]
    for i in range(count):
        (folder / f"{i:02d}.png").write_bytes(png(20 + 200 * (i % 2)))
        rare = "; rare" if i % 15 == 0 else ""
        rows.append(f"{i:02d}.png,{('dark', 'light')[i % 2]};all{rare}")
    (folder / "labels.csv").write_text("\n".join([*rows[:-1], f"{count - 1:02d}.png,"]))
    return folder


def test_several_labels_from_a_table(tmp_path):
    folder = several(tmp_path / "d")
    scenes = load_dataset(str(folder), size=6)
    assert scenes.multi_label and scenes.class_names == ("all", "dark", "light", "rare")
    assert scenes.labels[:2].tolist() == [[1, 1, 0, 1], [1, 0, 1, 0]]
    assert scenes.labels[-1].tolist() == [0, 0, 0, 0]  # not known
    assert "60 images in 4 classes: 60 .png\ncomplete" in str(check_integrity(folder))
    assert load_dataset(str(folder / "labels.csv"), size=6).names == scenes.names
    assert "dark (6), light (6), rare (4)" in class_samples(scenes).alt
    few, count = describe(DataConfig(name=str(folder), size=6))
    assert count == 60 and few.class_names == scenes.class_names and len(few) < 12
    split = make_split(scenes, DataConfig(labels_per_class=2))
    for part in (split.labeled, split.unlabeled, split.val, split.test):
        assert scenes.labels[part, 3].any()  # the rare one is in every part
    assert 59 in split.unlabeled and 59 not in split.labeled
    (folder / "labels.csv").write_text("name,labels\n00.png,dark\n")
    with pytest.raises(WorkshopError, match="1 labels in 1 rows"):
        load_dataset(str(folder))
    (folder / "labels.csv").write_text("name,labels\n00.png,a;b\n99.png,b\n")
    with pytest.raises(WorkshopError, match=r"99\.png: .*No such file"):
        load_dataset(str(folder))


def test_several_labels_from_the_table_to_the_predictions(tmp_path, capsys):
    folder, run = several(tmp_path / "d"), tmp_path / "run"
    train = ["--data", folder, "--size", "6", "--folder", run, "--steps", "12"]
    few = ["--labels-per-class", "2", "--encoder", "small_cnn", "--batch-size", "4"]
    assert main(["train", *map(str, train), *few]) == 0
    assert main(["evaluate", str(run)]) == 0
    said = capsys.readouterr().out
    assert "micro F1" in said and "mAP" in said and "average precision" in said
    assert main(["report", str(run)]) == 0
    out = tmp_path / "p.csv"
    assert main(["predict", str(run), str(folder), "--out", str(out)]) == 0
    head, *rows = out.read_text().splitlines()
    assert head == "image,labels,probabilities,confidence" and len(rows) == 60
