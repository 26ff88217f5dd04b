"""One command per data set: get, check, split; offline, with small stand-ins."""

import hashlib
import io
import json
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.data.read.files import write_tif, zip_of
from workshop_lib import files
from workshop_lib.data.catalog import (
    Mirror,
    RemoteFile,
    data_folder,
    datasets,
    find_dataset,
    resolve,
)
from workshop_lib.data.download import get
from workshop_lib.data.load import describe, load_dataset, make_split
from workshop_lib.data.read.bigearthnet_patches import CLASSES_19, S1_BANDS, S2_BANDS
from workshop_lib.data.read.landcover import TEST_TILES, TILE_COLOURS, TRAIN_TILES
from workshop_lib.data.split import Split
from workshop_lib.data.verify import check_integrity, read_label_index, split_source
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import DataConfig

CLASSES = {"harbor": 6, "river": 6, "runway": 6}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("WORKSHOP_DATA", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def picture(width=8, height=8, seed=0, ending="png"):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, {"png": "PNG", "tif": "TIFF"}[ending])
    return out.getvalue()


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def ucm_files(wrap="UCMerced_LandUse/Images", classes=CLASSES):
    return {
        f"{wrap}/{name}/{name}{k:02d}.png": picture(seed=i * 100 + k)
        for i, (name, count) in enumerate(classes.items())
        for k in range(count)
    }


def change_ucm(monkeypatch, **changes):
    """Let the only file of UC Merced be another one."""
    ucm = datasets()["ucm"]
    changed = replace(ucm, files=(replace(ucm.files[0], **changes),))
    monkeypatch.setitem(datasets(), "ucm", changed)


@pytest.fixture
def small_ucm(tmp_path, monkeypatch):
    """UC Merced with three classes of six images, its archive already on the disk."""
    archive = zip_of(tmp_path / "UCMerced_LandUse.zip", ucm_files())
    md5 = "md5:" + hashlib.md5(archive.read_bytes()).hexdigest()
    ucm = replace(datasets()["ucm"], classes=CLASSES, count=18, side=8)
    monkeypatch.setitem(datasets(), "ucm", ucm)
    nowhere = Mirror("http://127.0.0.1:9/UCMerced_LandUse.zip", md5)
    size = archive.stat().st_size
    change_ucm(monkeypatch, mirrors=[nowhere], size=size, unpacked=20_000)
    return archive


# --- the catalogue


def test_the_catalogue_has_what_the_workshop_promises():
    promised = {"ben_ge", "bigearthnet", "eurosat", "landsat"}
    promised |= {"mini_eo", "ucm", "vaihingen"}
    assert promised <= set(datasets())
    scripts = Path(__file__).parents[2] / "data_scripts"
    assert {path.stem for path in scripts.glob("*.py")} == promised


@pytest.mark.parametrize("name", datasets())
def test_every_entry_is_complete(name):
    source = datasets()[name]
    assert source.name == name
    assert source.title and source.about and source.licence and all(source.citation)
    assert source.count == sum(source.classes.values()) or not source.classes
    assert (source.layout == "classes") == bool(source.classes)
    for remote in source.files:
        assert remote.mirrors and remote.name == Path(remote.name).name
        for mirror in remote.mirrors:
            assert re.fullmatch(r"(https?://\S+)?", mirror.url)
            if "hf.co" in mirror.url or "huggingface" in mirror.url:
                assert re.search(r"/resolve/[0-9a-f]{40}/", mirror.url), "not pinned"
            assert re.fullmatch(
                r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})?", mirror.checksum
            )
        if not all(mirror.url for mirror in remote.mirrors):
            assert source.steps
    text = source.describe(data_folder(name))
    for remote in source.files:
        for mirror in remote.mirrors:
            assert mirror.url in text and mirror.checksum in text


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(WorkshopError, match="Did you mean 'eurosat'"):
        find_dataset("eurosatt")


# --- get


def test_get_takes_what_one_has(small_ucm, capsys):
    folder = get("ucm", given=[small_ucm])
    assert folder == Path("data/ucm")
    assert small_ucm.exists(), "the user's own file stays"
    assert len(list(folder.rglob("*.png"))) == 18
    assert "Public domain" in (folder / "LICENCE.txt").read_text()
    assert "Newsam" in (folder / "CITATION.txt").read_text()
    assert "another" not in (folder / "ORIGIN.txt").read_text()
    said = capsys.readouterr().out
    assert "Public domain" in said and "Newsam" in said
    assert resolve("ucm") == folder / "images" / "UCMerced_LandUse" / "Images"
    get("ucm")
    assert "already" in capsys.readouterr().out


def test_get_downloads_and_removes_the_archive(small_ucm, monkeypatch):
    def fetch(remote, folder):
        folder.mkdir(parents=True)
        shutil.copy(small_ucm, folder / remote.name)

    monkeypatch.setattr("workshop_lib.data.download.fetch", fetch)
    get("ucm")
    get("ucm", root="kept", keep=True)
    there = {path.name for path in Path("data/ucm").iterdir()}
    assert there == {"CITATION.txt", "LICENCE.txt", "ORIGIN.txt", "images"}
    assert (Path("kept") / small_ucm.name).exists()


def test_without_a_network_get_says_what_to_do(small_ucm, monkeypatch):
    monkeypatch.setattr("workshop_lib.data.download.time.sleep", lambda _: None)
    with pytest.raises(WorkshopError) as caught:
        get("ucm")
    mirror = datasets()["ucm"].files[0].mirrors[0]
    for needed in (mirror.url, mirror.checksum, "data/ucm", "--from"):
        assert needed in str(caught.value)
    assert not Path("data/ucm/images").exists()


def test_another_version_is_only_taken_knowingly(small_ucm, tmp_path, capsys):
    other = zip_of(tmp_path / "mine.zip", ucm_files(wrap="elsewhere"))
    with pytest.raises(WorkshopError, match=r"its md5 is .*--any-version"):
        get("ucm", given=[other])
    assert not Path("data/ucm").exists()
    get("ucm", given=[other], any_version=True)
    assert "another version" in capsys.readouterr().out
    assert resolve("ucm").name == "elsewhere"
    assert "another version" in (Path("data/ucm") / "ORIGIN.txt").read_text()
    assert "not the version that is known" in str(
        check_integrity(Path("data/ucm"), datasets()["ucm"])
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [("cats/1.png", "holds no folders harbor, river"), ("../evil.png", "leads out")],
)
def test_a_strange_or_dangerous_archive_leaves_nothing(small_ucm, tmp_path, name, told):
    other = zip_of(tmp_path / "mine.zip", {name: picture()})
    with pytest.raises(WorkshopError, match=told):
        get("ucm", given=[other], any_version=True)
    assert not list(tmp_path.rglob(Path(name).name))
    assert not Path("data/ucm/images").exists()


def test_room_is_asked_for_before_the_start(monkeypatch):
    monkeypatch.setattr(files, "free_space", lambda _: 10**9)
    with pytest.raises(WorkshopError, match="BigEarthNet.* needs 305.0 GB"):
        get("bigearthnet")
    assert not Path("data").exists()


def test_a_given_file_that_is_missing_or_none_of_them_is_told(tmp_path):
    with pytest.raises(WorkshopError, match="no such file"):
        get("ucm", given=["nowhere.zip"])
    (tmp_path / "x.zip").write_bytes(b"x")
    with pytest.raises(WorkshopError, match="none of them"):
        get("vaihingen", given=["x.zip"])


def test_vaihingen_says_how_to_ask_for_it():
    with pytest.raises(WorkshopError) as caught:
        get("vaihingen")
    for needed in ("isprs.org", "password", "--from", "ground_truth_COMPLETE.zip"):
        assert needed in str(caught.value)
    assert not Path("data").exists()


# --- configs


def test_a_config_finds_a_data_set_by_its_name(small_ucm):
    data = DataConfig(name="ucm", size=8, labels_per_class=2)
    with pytest.raises(WorkshopError, match="workshop data ucm get"):
        load_dataset("ucm", size=8)
    get("ucm", given=[small_ucm])
    scenes = load_dataset("ucm", size=8)
    assert scenes.images.shape == (18, 3, 8, 8)
    few, count = describe(data)
    assert (few.images.shape[1:], few.num_classes, count) == ((3, 8, 8), 3, 18)
    assert make_split(scenes, data).counts()["labeled"] == 6


# --- check and split: a folder of images per class


def test_check_lists_what_is_missing_broken_and_odd(small_ucm):
    get("ucm", given=[small_ucm])
    images = resolve("ucm")
    (images / "harbor" / "harbor00.png").unlink()
    (images / "river" / "river01.png").write_bytes(b"")
    (images / "river" / "river02.png").write_bytes(picture(8, 5))
    (images / "extra").mkdir()
    (images / "extra" / "1.png").write_bytes(picture())
    found = check_integrity(Path("data/ucm"), datasets()["ucm"])
    assert found.faults == [
        "harbor: 5 images, expected 6",
        "1 images cannot be read (river/river01.png)",
    ]
    assert found.odd == [
        "extra: not a class of this data set",
        "1 images are not 8x8 (river/river02.png 8x5)",
    ]
    assert str(found).endswith("incomplete")


def test_check_finds_nothing_wrong_with_what_is_whole(small_ucm):
    get("ucm", given=[small_ucm])
    for found in (
        check_integrity(Path("data/ucm"), datasets()["ucm"]),
        check_integrity(resolve("ucm")),  # as a folder of one's own
    ):
        assert str(found) == "18 images in 3 classes: 18 .png\ncomplete"
    with pytest.raises(WorkshopError, match="not a folder"):
        check_integrity(Path("nowhere"))
    with pytest.raises(WorkshopError, match="workshop data eurosat get"):
        check_integrity(Path("nowhere"), datasets()["eurosat"])


def test_images_with_many_bands_have_a_size_too(tmp_path):
    for name in ("a", "b"):
        pixels = np.ones((13, 4, 6), np.uint16)
        write_tif(tmp_path / "own" / name / "1.tif", pixels)
    (tmp_path / "own" / "b" / "2.tif").write_bytes(b"no image")
    found = check_integrity(tmp_path / "own")
    assert found.faults == ["1 images cannot be read (b/2.tif)"]
    assert not found.odd


def test_a_split_by_names_is_the_split_by_images(small_ucm, tmp_path):
    get("ucm", given=[small_ucm])
    split, names = split_source(datasets()["ucm"], labels_per_class=2, seed=3)
    split.save(tmp_path / "parts", names)
    scenes = load_dataset("ucm", size=8)
    loaded = Split.load(tmp_path / "parts", scenes)
    drawn = Split.random(scenes, labels_per_class=2, seed=3)
    assert loaded.digest(scenes) == drawn.digest(scenes)


# --- check and split: tiles


@pytest.fixture
def small_vaihingen(tmp_path, monkeypatch):
    """All 33 areas, ten pixels wide, in two archives as ISPRS packs them."""
    colours = np.array(list(TILE_COLOURS.values()), np.uint8)
    images, labels = {}, {}
    for area in (*TRAIN_TILES, *TEST_TILES):
        classes = np.random.default_rng(area).integers(0, 6, (7, 10))
        out = io.BytesIO()
        Image.fromarray(colours[classes]).save(out, "TIFF")
        name = f"top_mosaic_09cm_area{area}.tif"
        images[f"top/{name}"] = picture(10, 7, area, "tif")
        images[f"gts_for_participants/{name}"] = out.getvalue()
        labels[name] = out.getvalue()
    source = datasets()["vaihingen"]
    files = []
    for remote, content in zip(source.files, (images, labels), strict=True):
        path = zip_of(tmp_path / remote.name, content)
        md5 = "md5:" + hashlib.md5(path.read_bytes()).hexdigest()
        files.append(replace(remote, mirrors=(Mirror("", md5),)))
    monkeypatch.setitem(datasets(), "vaihingen", replace(source, files=tuple(files)))
    return [tmp_path / remote.name for remote in files]


def test_vaihingen_from_the_two_archives(small_vaihingen, tmp_path):
    renamed = small_vaihingen[0].rename(tmp_path / "renamed.zip")
    folder = get("vaihingen", given=[small_vaihingen[1], renamed])
    found = check_integrity(folder, datasets()["vaihingen"])
    assert str(found) == "33 of 33 areas are whole\ncomplete"
    assert "research only" in (folder / "LICENCE.txt").read_text()


def test_check_finds_lost_and_spoiled_tiles(small_vaihingen):
    folder = get("vaihingen", given=small_vaihingen)
    (folder / "images" / "top" / "top_mosaic_09cm_area3.tif").unlink()
    (folder / "labels" / "top_mosaic_09cm_area5.tif").write_bytes(b"")
    grey = Image.new("RGB", (10, 7), (1, 2, 3))
    grey.save(folder / "labels" / "top_mosaic_09cm_area6.tif")
    grey.resize((9, 7)).save(folder / "labels" / "top_mosaic_09cm_area7.tif")
    faults = check_integrity(folder, datasets()["vaihingen"]).faults
    assert len(faults) == 4
    assert faults[0] == "area 3 lacks an image (top_mosaic_09cm_area3.tif)"
    assert re.match("area 5: cannot read .*area5.tif", faults[1])
    assert "area 7: an image of (7, 10) and labels of (7, 9)" in faults[2]
    assert faults[3] == "area 6: 70 pixels have a colour that is no class"


# --- check and split: patches

BEACH, FOREST = "Beaches, dunes, sands", "Mixed forest"  # in both lists of classes
SEA = "Sea and ocean"  # of the 43 classes of version 1; "Marine waters" in version 2
LABELS = [[SEA], [SEA, BEACH], [FOREST, "Airports"], [FOREST, SEA], [BEACH]]


def patch_files(count, s2="sentinel-2", s1="sentinel-1"):
    files = {}
    for k in range(count):
        first, second = f"S2A_patch_{k}", f"S1A_patch_{k}"
        labels = json.dumps({"labels": LABELS[k % len(LABELS)]}).encode()
        for band in S2_BANDS:
            files[f"{s2}/{first}/{first}_{band}.tif"] = b"tif"
        for band in S1_BANDS:
            files[f"{s1}/{second}/{second}_{band}.tif"] = b"tif"
        files[f"{s2}/{first}/{first}_labels_metadata.json"] = labels
        files[f"{s1}/{second}/{second}_labels_metadata.json"] = labels
    return files


@pytest.fixture
def small_ben_ge(tmp_path, monkeypatch):
    path = tmp_path / "ben-ge-800.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in patch_files(40).items():
            member = tarfile.TarInfo(f"ben-ge-800/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setitem(datasets(), "ben_ge", replace(datasets()["ben_ge"], count=40))
    return path


def test_ben_ge_is_unpacked_and_checked(small_ben_ge):
    folder = get("ben_ge", given=[small_ben_ge])
    assert resolve("ben_ge") == folder / "patches" / "ben-ge-800"
    found = check_integrity(folder, datasets()["ben_ge"])
    assert found.facts == ["sentinel-2: 40 patches", "sentinel-1: 40 patches"]
    assert not found.faults


def test_ben_ge_is_split_by_the_rarest_label_of_each_patch(small_ben_ge, tmp_path):
    get("ben_ge", given=[small_ben_ge])
    split, scenes = split_source(datasets()["ben_ge"], labels_per_class=2, seed=1)
    assert sum(n for part, n in split.counts().items() if part != "labeled") == 40
    assert split.counts()["labeled"] == 6
    assert (scenes.labels[split.labeled].sum(dim=0) >= 2).sum() == 3
    split.save(tmp_path / "parts", scenes)
    loaded = Split.load(tmp_path / "parts", scenes)
    assert loaded.digest(scenes) == split.digest(scenes)


def test_check_names_the_bands_that_are_missing_or_empty(small_ben_ge):
    folder = get("ben_ge", given=[small_ben_ge])
    images = resolve("ben_ge")
    (images / "sentinel-2/S2A_patch_1/S2A_patch_1_B8A.tif").unlink()
    (images / "sentinel-1/S1A_patch_2/S1A_patch_2_VH.tif").write_bytes(b"")
    shutil.rmtree(images / "sentinel-1/S1A_patch_3")
    assert check_integrity(folder, datasets()["ben_ge"]).faults == [
        "sentinel-2: 1 patches lack files, or hold empty ones (S2A_patch_1 lacks"
        " S2A_patch_1_B8A.tif)",
        "sentinel-1: 39 patches, expected 40",
        "sentinel-1: 1 patches lack files, or hold empty ones (S1A_patch_2 lacks"
        " S1A_patch_2_VH.tif)",
    ]


def test_a_quota_page_saved_as_the_archive_is_recognised(tmp_path):
    page = tmp_path / "ben-ge-800.tar.gz"
    page.write_bytes(b"<!DOCTYPE html><title>Quota exceeded</title>")
    with pytest.raises(WorkshopError, match="a web page .'Quota exceeded'"):
        get("ben_ge", given=[page])
    assert not Path("data").exists()


def big_earth_net(version: str, folder: Path, count: int = 30) -> list[str]:
    """Lay BigEarthNet out as `get` leaves it; return the published parts."""
    parts = [("train", "train", "val", "test")[k % 4] for k in range(count)]
    s2 = "sentinel-2/BigEarthNet-v1.0" if version == "v1" else "sentinel-2/x/scene"
    write_files(folder, patch_files(count, s2, "sentinel-1/x"))
    names = [f"S2A_patch_{k}" for k in range(count)]
    if version == "v1":
        for part in ("train", "val", "test"):
            rows = [f"{n},S1" for n, p in zip(names, parts, strict=True) if p == part]
            (folder / f"bigearthnet-{part}.csv").write_text("\n".join(rows) + "\n")
        return parts
    pytest.importorskip("pyarrow", reason="extra geo not installed")
    (folder / "maps").mkdir()
    new = {SEA: "Marine waters", BEACH: BEACH, FOREST: FOREST}
    labels_19 = [[new[one] for one in some if one in new] for some in LABELS]
    table = pd.DataFrame(
        {
            "patch_id": names,
            "labels": [labels_19[k % len(LABELS)] for k in range(count)],
            "split": [p.replace("val", "validation") for p in parts],
            "country": "Finland",
        }
    )
    table.to_parquet(folder / "metadata.parquet")
    return parts


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_bigearthnets_published_parts_stand(version, tmp_path, monkeypatch):
    monkeypatch.setattr(RemoteFile, "checksum_error", lambda *_: "")
    name = "bigearthnet:v1" if version == "v1" else "bigearthnet"
    folder = data_folder(name)
    parts = big_earth_net(version, folder)
    source = replace(datasets()[name], count=30)
    assert not check_integrity(folder, source).faults
    found, _ = read_label_index(source)
    assert found.class_names == CLASSES_19
    first = found.labels[found.names.index("S2A_patch_1")]
    classes = [CLASSES_19[k] for k in first.nonzero().flatten().tolist()]
    assert sorted(classes) == [BEACH, "Marine waters"]
    split, scenes = split_source(source, labels_per_class=2, seed=1)
    for part in ("val", "test"):
        names = {scenes.names[i] for i in getattr(split, part).tolist()}
        assert names == {f"S2A_patch_{k}" for k in range(30) if parts[k] == part}
    counts = scenes.labels[split.labeled].sum(dim=0)
    assert (counts >= 2).sum() == 3 and counts.count_nonzero() == 3
    assert len(split.labeled) <= 6
    assert set(split.labeled.tolist()) <= set(split.unlabeled.tolist())
    with pytest.raises(
        WorkshopError, match="'Marine waters' has only 4 training images"
    ):
        split_source(source, labels_per_class=7)
    everything, _ = split_source(source, labels_per_class=0)
    assert everything.labeled.equal(everything.unlabeled)


def test_a_label_that_bigearthnet_does_not_have_is_told(small_ben_ge):
    get("ben_ge", given=[small_ben_ge])
    folder = resolve("ben_ge") / "sentinel-2" / "S2A_patch_7"
    path = folder / "S2A_patch_7_labels_metadata.json"
    path.write_text('{"labels": ["Moon"]}')
    with pytest.raises(WorkshopError, match="does not have: Moon"):
        read_label_index(datasets()["ben_ge"])


def test_lists_that_name_lost_patches_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(RemoteFile, "checksum_error", lambda *_: "")
    folder = data_folder("bigearthnet:v1")
    big_earth_net("v1", folder)
    shutil.rmtree(folder / "sentinel-2/BigEarthNet-v1.0/S2A_patch_4")
    with pytest.raises(WorkshopError, match="1 of the 30 patches.*S2A_patch_4"):
        split_source(datasets()["bigearthnet:v1"])


# --- the real archives, where there are any

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "archive", "facts", "odd"),
    [
        ("ucm", "UCMerced_LandUse.zip", "2,100 images in 21", "44 images are not"),
        ("eurosat", "EuroSAT_RGB.zip", "27,000 images in 10", "not the version"),
    ],
)
def test_the_real_archives_are_taken_knowingly(name, archive, facts, odd):
    if not (DATA / archive).exists():
        pytest.skip(f"{archive} is not beside the checkout")
    with pytest.raises(WorkshopError, match="--any-version"):
        get(name, given=[DATA / archive])
    folder = get(name, given=[DATA / archive], any_version=True)
    found = check_integrity(folder, datasets()[name])
    assert facts in found.facts[0]
    assert odd in "\n".join(found.odd)
    assert not found.faults
    split, _ = split_source(datasets()[name], labels_per_class=4)
    assert split.counts()["labeled"] == 4 * len(datasets()[name].classes)
