"""Maps as files: whole or not there, the same after a kill, and found again."""

import json
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.data.read.files import control_points, write_tif
from workshop_lib.augment.normalize import BandNormalize
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.evaluation.tiling import blended_row_blocks, pixel_predictor
from workshop_lib.pixels import IGNORE

MAPPER = Path(__file__).with_name("mapper.py")
NAMES, PLAIN, Slow = (
    runpy.run_path(str(MAPPER))[name] for name in ("NAMES", "PLAIN", "Slow")
)


def picture(height=150, width=70, seed=0):
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (3, height, width), dtype=np.uint8)


def do(source, out, model=None, **options):
    options = {"size": 32, "verbose": False, **options}
    return map_image(model or Slow(), PLAIN, source, out, NAMES, **options)


def test_the_map_is_the_most_probable_class(tmp_path):
    pixels = picture()
    path = do(pixels, tmp_path / "map.npy")
    predict = pixel_predictor(Slow(), PLAIN, torch.device("cpu"))
    blocks = blended_row_blocks(predict, ArrayImage(pixels), size=32)
    expected = np.concatenate([block.probs.argmax(axis=0) for block in blocks])
    found = np.load(path)
    assert found.dtype == np.uint8 and np.array_equal(found, expected)
    assert len(np.unique(found)) == 3, "a map of one class would prove little"
    assert not (tmp_path / "map.npy.part").exists()


def test_a_geotiff_keeps_its_place_and_its_gaps(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    pixels = picture(40, 50)
    pixels[:, 3:9, 4:7] = 0
    where = rasterio.transform.from_origin(630_534, 228_114, 28.5, 28.5)
    place = {"crs": "EPSG:32119", "transform": where, "nodata": 0}
    write_tif(tmp_path / "a.tif", pixels, **place)
    path = do(tmp_path / "a.tif", tmp_path / "map.tif")
    with rasterio.open(path) as file:
        assert (file.crs.to_epsg(), file.transform) == (32119, where)
        assert file.nodata == IGNORE and file.dtypes == ("uint8",)
        assert file.tags()["class_1"] == "forest"
        found = file.read(1)
    assert (found[3:9, 4:7] == IGNORE).all()
    assert (found == IGNORE).sum() == 18
    same = np.load(do(pixels, tmp_path / "map.npy"))
    far = np.ones((40, 50), bool)
    far[2:10, 3:8] = False  # a gap is seen as the mean, so its neighbours may differ
    assert np.array_equal(found[far], same[far])


def test_a_finished_map_is_found_again(tmp_path, capsys):
    path = do(picture(), tmp_path / "map.npy")
    before = path.stat().st_mtime_ns
    assert do(picture(), path, verbose=True) == path
    assert "found a finished map" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == before


def test_another_map_in_the_same_place_is_refused_in_words(tmp_path):
    path = do(picture(), tmp_path / "map.npy")
    before = path.read_bytes()
    torch.manual_seed(1)
    for words, other in (
        ("network or its weights", {"model": nn.Conv2d(3, 3, 1)}),
        ("image", {"source": picture(seed=1)}),
        ("size of the image", {"source": picture(151)}),
        ("overlap_factor", {"overlap_factor": 0.5}),
        ("margin", {"margin": 2}),
    ):
        with pytest.raises(WorkshopError, match=words):
            do(**{"source": picture(), "out": path, **other})
        assert path.read_bytes() == before
    do(picture(seed=1), path, fresh=True)
    assert path.read_bytes() != before


def test_the_image_itself_and_other_files_are_never_mapped_over(tmp_path):
    image = tmp_path / "scene.npy"
    np.save(image, picture())
    before = image.read_bytes()
    for fresh in (False, True):
        with pytest.raises(WorkshopError, match="is what is read"):
            do(image, image, fresh=fresh)
        with pytest.raises(WorkshopError, match="is what is read"):
            do(np.load(image, mmap_mode="r"), image, fresh=fresh)
        (tmp_path / "theirs.npy").write_bytes(before)
        with pytest.raises(WorkshopError, match="no map that was made here"):
            do(image, tmp_path / "theirs.npy", fresh=fresh)
        (tmp_path / "map.npy.json").write_text('{"stac_version": "1.0.0"}')
        with pytest.raises(WorkshopError, match="did not write it"):
            do(image, tmp_path / "map.npy", fresh=fresh)
    assert image.read_bytes() == before == (tmp_path / "theirs.npy").read_bytes()


def test_starting_anew_keeps_the_old_map_until_the_new_one_is_whole(tmp_path):
    path = do(picture(), tmp_path / "map.npy")
    before = path.read_bytes()
    broken = nn.Conv2d(3, 3, 1)
    nn.init.constant_(broken.bias, float("nan"))
    with pytest.raises(WorkshopError, match="diverged"):
        do(picture(), path, broken, fresh=True)
    assert path.read_bytes() == before
    other = do(picture(seed=1), tmp_path / "other.npy").read_bytes()
    assert do(picture(seed=1), path, fresh=True).read_bytes() == other != before


def test_an_unfinished_map_of_something_else_is_refused(tmp_path):
    stop_after(tmp_path, rows=20)
    with pytest.raises(WorkshopError, match="what differs is image"):
        do(picture(seed=1), tmp_path / "map.npy")


class StopError(Exception):
    pass


def stop_after(folder, rows):
    """Map until so many rows are done, then fail as a program may."""

    def fail(*_):
        done = folder / "map.npy.part" / "progress.json"
        if done.exists() and json.loads(done.read_text())["done"] >= rows:
            raise StopError

    model = Slow()
    model.register_forward_pre_hook(fail)  # the same network by its digest
    with pytest.raises(StopError):
        do(picture(), folder / "map.npy", model)


@pytest.mark.parametrize("rows", [1, 60, 100])
def test_one_that_failed_goes_on_and_ends_the_same(tmp_path, rows):
    expected = do(picture(), tmp_path / "whole.npy").read_bytes()
    stop_after(tmp_path, rows)
    seen, model = [], Slow()
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    assert do(picture(), tmp_path / "map.npy", model).read_bytes() == expected
    assert sum(seen) < 8 * 4, "what was done is not done again"  # 8 rows of 4 patches


def test_rows_that_were_lost_are_made_again(tmp_path):
    expected = do(picture(), tmp_path / "whole.npy").read_bytes()
    stop_after(tmp_path, 60)
    raw = tmp_path / "map.npy.part" / "rows.npy"
    kept = raw.read_bytes()
    raw.write_bytes(kept[: len(kept) // 2])  # a disk that lost its end
    assert do(picture(), tmp_path / "map.npy").read_bytes() == expected


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".npy", ".tif"])
def test_a_killed_program_goes_on_and_ends_the_same(tmp_path, ending):
    if ending == ".tif":
        pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    source, out = tmp_path / "a.npy", tmp_path / f"map{ending}"
    np.save(source, picture(600))
    expected = do(source, tmp_path / f"whole{ending}").read_bytes()
    # The delay is part of neither weights nor layers: the network is the same
    command = [sys.executable, str(MAPPER), str(source), str(out)]
    program = subprocess.Popen([*command, "0.05"])
    progress = tmp_path / f"map{ending}.part" / "progress.json"
    until = time.monotonic() + 120
    while not progress.exists() and time.monotonic() < until:
        assert program.poll() is None
        time.sleep(0.01)
    program.send_signal(signal.SIGKILL)
    program.wait()
    done = json.loads(progress.read_text())["done"]
    assert 0 < done < 600 and not out.exists()
    subprocess.run([*command, "0"], check=True)
    assert out.read_bytes() == expected


def test_what_cannot_work_is_refused(tmp_path):
    with pytest.raises(WorkshopError, match="must end in"):
        do(picture(), tmp_path / "map.png")
    with pytest.raises(WorkshopError, match="distinguishes 2 classes"):
        do(picture(), tmp_path / "map.npy", nn.Conv2d(3, 2, 1))
    with pytest.raises(WorkshopError, match="statistics are those of 3 bands"):
        do(picture()[:2].astype(np.float32), tmp_path / "b.npy")
    assert not list(tmp_path.glob("*.npy")), "no half a map"


@pytest.mark.parametrize("factor", [100, 10_000])
def test_an_image_in_other_units_than_the_training_is_refused(tmp_path, factor):
    draw = np.random.default_rng(0)
    pixels = draw.uniform(0.02, 0.3, (3, 40, 40)).astype(np.float32)
    normalize = BandNormalize(torch.full((3,), 0.1), torch.full((3,), 0.05))
    where = tmp_path / "a.npy"
    map_image(Slow(), normalize, pixels, where, NAMES, size=32, verbose=False)
    double = map_image(
        Slow(), normalize, pixels.astype(np.float64), tmp_path / "d.npy", NAMES, size=32
    )
    assert where.read_bytes() == double.read_bytes()
    hole = pixels.copy()
    hole[:, 20, 30] = -9999  # not declared as nodata: a value like any other
    db = BandNormalize(torch.full((3,), -12.0), torch.full((3,), 4.0))
    for words, fitted, wrong in (
        ("median of a band", normalize, pixels * factor),
        ("holds -9999, .*no data", normalize, hole),
        ("in a band nothing is below 0, as dB is", db, pixels),
        ("median of a band", normalize, -factor * pixels),
        ("as if they had been scaled twice", normalize, pixels / 10_000),
    ):
        with pytest.raises(WorkshopError, match=words):
            map_image(Slow(), fitted, wrong, tmp_path / "b.npy", NAMES, size=32)


def test_control_points_are_those_of_the_image(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    points = control_points(40, 50)
    path = write_tif(tmp_path / "a.tif", picture(40, 50), gcps=points, crs="EPSG:4326")
    with rasterio.open(do(path, tmp_path / "map.tif")) as file:
        found, crs = file.gcps
    assert crs.to_epsg() == 4326 and [(p.x, p.y) for p in found] == [
        (p.x, p.y) for p in points
    ]


def test_the_callers_network_and_normalisation_stay_as_they_were(tmp_path):
    model, normalize = Slow().train(), BandNormalize(torch.ones(3), torch.ones(3))
    before = normalize.mean
    map_image(model, normalize, picture(), tmp_path / "m.npy", NAMES, verbose=False)
    assert model.training and normalize.mean is before


def peak(folder, height):
    """Map an empty image, 2,000 pixels wide; return the MB that it took."""
    image = folder / "image.npy"
    shape = (3, height, 2000)
    np.lib.format.open_memmap(image, "w+", dtype=np.uint8, shape=shape)  # a hole
    out = folder / f"{height}.tif"
    command = [sys.executable, str(MAPPER), str(image), str(out), "0", "128"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stat().st_size > 0
    return float(done.stdout)


@pytest.mark.slow
def test_memory_is_that_of_a_strip(tmp_path):
    pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    low, high = peak(tmp_path, 1000), peak(tmp_path, 16_000)
    # The taller image and its map have 90 + 30 MB more; a quarter for the allocator
    assert high - low < 30
