"""What numbers mean: scale, range, gaps, order of bands, and photographs upright."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.read.files import control_points, write_tif
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.load import load_dataset
from workshop_lib.data.read.geotiff import geotiffs, is_multiband, read_pictures
from workshop_lib.data.read.index import index_files, index_images
from workshop_lib.data.read.landcover import read_pixels
from workshop_lib.data.read.large_image import RasterImage, missing
from workshop_lib.data.read.values import center_of, limits_of
from workshop_lib.errors import WorkshopError

rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
BANDS = ("B02", "B03", "B04", "B08")
COLOURS = rasterio.enums.ColorInterp


def flat(*values, dtype=np.uint16):
    """Bands of one value each, 4 x 4 pixels."""
    return np.stack([np.full((4, 4), value, dtype) for value in values])


def change(path, **about):
    """Set what a file says of its bands: scales, offsets, colorinterp, gcps."""
    with rasterio.open(path, "r+") as file:
        for name, value in about.items():
            setattr(file, name, value)
    return path


def folder(root, *files, names=BANDS, **about):
    """Write arrays as a data set of two classes, the first of them in one."""
    for i, pixels in enumerate(files):
        write_tif(root / "ab"[i > 0] / f"{i}.tif", pixels, names, **about)
    return root


@pytest.mark.parametrize(
    ("stored", "scale", "offset"),
    [(300, 1e-4, 0.0), (1300, 1e-4, -0.1), (8364, 2.75e-5, -0.2), (300, 1.0, 0.0)],
)
def test_every_file_is_scaled_by_its_own_tags(tmp_path, stored, scale, offset):
    root = folder(tmp_path / "d", flat(300, 500, 300, 3500), flat(*[stored] * 4))
    change(root / "b" / "1.tif", scales=(scale,) * 4, offsets=(offset,) * 4)
    assert geotiffs(root).images[:, 0, 0, 0].tolist() == pytest.approx(
        [0.03, 0.03], 1e-3
    )
    whole = RasterImage(root / "b" / "1.tif", BANDS).read(0, 0, 4, 4)
    assert whole[0, 0, 0] == pytest.approx(0.03, 1e-3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.1, -9999, 0.1, 0.3), "B03 holds -9999.*reflectance"),
        ((300, 500, 300, 3500), "B02 holds 300"),
        ((3, 5, 3, 35), "B03 holds 5|B08 holds 35"),
        ((0.1, 0.2, -3.4e38, 0.3), "B04 holds -3.4e"),
    ],
)
def test_what_no_reflectance_can_be_is_refused_by_file_band_and_value(
    tmp_path, values, words
):
    odd, good = flat(*values, dtype=np.float32), flat(300, 500, 300, 3500)
    root = folder(tmp_path / "d", good, odd, good)
    with pytest.raises(WorkshopError, match=rf"1 problem.*\n.*b/1.tif: .*({words})"):
        geotiffs(root)
    with pytest.raises(WorkshopError, match=f"1.tif.*{words}"):
        RasterImage(root / "b" / "1.tif", BANDS).read(0, 0, 4, 4)
    images = torch.from_numpy(odd)[None]
    with pytest.raises(WorkshopError, match=r"impossible.*\(one\).*reflectance"):
        Dataset(images, torch.tensor([0]), ("a",), ("one",), BANDS)


def test_undeclared_fills_of_whole_numbers_and_what_is_rare(tmp_path, capsys):
    for i, fill in enumerate((-9999, 65535)):
        pixels = flat(300, fill, 300, 300, dtype=np.int16 if fill < 0 else np.uint16)
        with pytest.raises(WorkshopError, match=f"B03 holds {fill}"):
            geotiffs(folder(tmp_path / str(i), pixels, flat(300, 500, 300, 3500)))
    geotiffs(folder(tmp_path / "rare", flat(1, 2, 3, 4), flat(1, 2, 3, 25_000)))
    said = capsys.readouterr().out
    assert "1 images to look at: b/1.tif: B08 holds 2.5, outside -0.1 to 2" in said


def test_names_say_what_is_no_reflectance(tmp_path):
    units = [limits_of(name)[0] for name in ("VV", "vh_db", "s1 0", "NDVI", "nir")]
    assert units == ["dB", "dB", "dB", "number", "reflectance"]
    radar = flat(-12.5, -20, dtype=np.float32)
    found = geotiffs(folder(tmp_path / "d", radar, radar, names=("VV", "VH")))
    assert found.images[0, :, 0, 0].tolist() == [-12.5, -20]


def test_radar_as_linear_power_is_named(tmp_path, capsys):
    radar = [flat(low, 0.1, dtype=np.float32) for low in (-12.5, 0.05)]
    geotiffs(folder(tmp_path / "d", *radar, names=("VV", "VH")))
    said = capsys.readouterr().out
    assert "2 images to look at: a/0.tif: VH holds 0.1 to 0.1, as linear power" in said
    assert "b/1.tif: VV holds 0.05" in said


@pytest.mark.parametrize("ending", ["gif", "tif"])
def test_the_first_of_several_pages_is_read_and_said(tmp_path, capsys, ending):
    pages = [Image.new("RGB", (4, 4), (k, k, k)) for k in (7, 8, 9)]
    for name in "ab":
        (tmp_path / "d" / name).mkdir(parents=True)
        path = tmp_path / "d" / name / f"x.{ending}"
        pages[0].save(path, save_all=True, append_images=pages[1:])
    assert load_dataset(str(tmp_path / "d"), size=4).images.unique().tolist() == [7]
    said = f"2 images to look at: a/x.{ending}: the first of its 3 pages is read"
    assert said in capsys.readouterr().out
    if ending == "gif":
        with pytest.raises(WorkshopError, match="numbers of a palette"):
            RasterImage(path, ("red", "green", "blue"))


def masked(path, kind):
    """Write a picture whose first column is missing."""
    pixels = np.full((3, 4, 4), 9, np.uint8)
    hole = np.full((4, 4), 255, np.uint8)
    hole[:, 0] = 0
    if kind == "alpha":
        rgba = np.concatenate([pixels, hole[None]])
        return write_tif(path, rgba, photometric="RGB", alpha="YES")
    if kind == "fifth":  # which GDAL takes for no mask
        bands = np.concatenate([pixels, pixels[:1], hole[None]])
        names = [getattr(COLOURS, k) for k in ("red", "green", "blue", "gray", "alpha")]
        return change(write_tif(path, bands), colorinterp=names)
    if kind == "nodata":
        pixels[:, :, 0] = 0
        return write_tif(path, pixels, nodata=0)
    write_tif(path, pixels)
    return put_mask(path, hole, kind == "internal")


def put_mask(path, mask, inside):
    """Write what is missing, 0, into a file, or beside it."""
    where = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside)
    with where, rasterio.open(path, "r+") as file:
        file.write_mask(mask)
    return path


@pytest.mark.parametrize("kind", ["alpha", "fifth", "nodata", "internal", "sidecar"])
def test_masked_pixels_are_missing(tmp_path, capsys, kind):
    path = masked(tmp_path / "a.tif", kind)
    image = RasterImage(path, ("red", "green", "blue"))
    found = missing(image.read(0, 0, 4, 4))
    assert found[:, 0].all() and found.sum() == 4
    assert (image.read(0, 1, 4, 3) == 9).all()
    masked(tmp_path / "d" / "a" / "1.tif", kind)
    masked(tmp_path / "d" / "b" / "2.tif", kind)
    data = str(tmp_path / "d")
    if kind == "sidecar":
        data = shutil.make_archive(data, "zip", data)
    if kind == "alpha":  # a picture for everyone else: read, and said
        load_dataset(data, size=4)
        assert "2 images to look at: a/1.tif: what is trans" in capsys.readouterr().out
    else:
        with pytest.raises(WorkshopError, match="a/1.tif: 4 pixels without data"):
            load_dataset(data, size=4)


def test_colours_decide_the_order_where_bands_have_no_names(tmp_path):
    pixels, rgb = flat(30, 20, 10, dtype=np.uint8), ("red", "green", "blue")
    for i in range(2):
        path = write_tif(tmp_path / "d" / f"{i}" / "x.tif", pixels)
        change(path, colorinterp=(COLOURS.blue, COLOURS.green, COLOURS.red))
    assert RasterImage(path, rgb).read(0, 0, 4, 4)[:, 0, 0].tolist() == [10, 20, 30]
    scenes = load_dataset(str(tmp_path / "d"), size=4)
    assert scenes.bands == rgb and scenes.is_rgb
    assert scenes.images[0, :, 0, 0].tolist() == [10, 20, 30]
    named = geotiffs(tmp_path / "d", bands=("B02", "B03", "B04"))  # the caller decides
    assert named.images[0, :, 0, 0].tolist() == [30, 20, 10]


@pytest.mark.parametrize("photometric", ["RGB", "MINISBLACK"])
def test_bands_of_8_bits_are_read_by_name(tmp_path, photometric):
    pixels = flat(45, 34, 20, 200, dtype=np.uint8)  # B08 is stored as if it were alpha
    root = folder(tmp_path / "d", pixels, pixels, photometric=photometric)
    scenes = load_dataset(str(root), size=4, bands="B04,B08")
    assert scenes.bands == ("B04", "B08") and not scenes.is_rgb
    assert scenes.images.dtype == torch.uint8
    assert scenes.images[0, :, 0, 0].tolist() == [20, 200]
    with pytest.raises(WorkshopError, match="no band is called red: they are B02"):
        RasterImage(root / "a" / "0.tif", ("red",))


def test_the_odd_file_is_named_and_not_the_others(tmp_path):
    good = flat(1, 2, 3, 4)
    root = folder(
        tmp_path / "d", flat(1, 2, 3, dtype=np.uint8), *[good] * 4, names=None
    )
    for path in root.rglob("[1-9].tif"):
        change(path, descriptions=BANDS)
    Image.new("RGB", (4, 4)).save(root / "b" / "quicklook.png")
    assert is_multiband(index_images(root))
    with pytest.raises(WorkshopError, match="2 problems") as caught:
        load_dataset(str(root), size=4)
    assert "a/0.tif: no band" in str(caught.value)
    assert "b/quicklook.png: no band" in str(caught.value)


def test_a_picture_of_16_bits_says_when_its_range_is_lost(tmp_path, capsys):
    for name, values in (("a", (1000, 1250)), ("b", (0, 65535))):
        (tmp_path / "d" / name).mkdir(parents=True)
        ramp = np.linspace(*values, 64).reshape(8, 8).astype(np.uint16)
        Image.fromarray(ramp).save(tmp_path / "d" / name / "x.png")
    Dataset.from_folder(tmp_path / "d")
    said = capsys.readouterr().out
    assert "1 images to look at: a/x.png: of its 16 bits 2 of 256 levels" in said


@pytest.mark.parametrize("kind", ["tif", "tiff", "zip"])
def test_side_files_belong_to_the_cache(tmp_path, kind):
    root = folder(tmp_path / "d", flat(1, 2, 3, 4), flat(1, 2, 3, 4))
    path = root / "b" / "1.tif"
    path = path.rename(path.with_suffix(".tiff")) if kind == "tiff" else path

    def read():
        return geotiffs(
            shutil.make_archive(root, "zip", root) if kind == "zip" else root
        )

    for _ in range(2):
        assert read().images[0, 0, 0, 0] == pytest.approx(1e-4)
    assert len(list((tmp_path / "cache").glob("*.rows"))) == 1
    scale = '<PAMRasterBand band="1"><Scale>0.5</Scale></PAMRasterBand>'
    side = path.with_name(f"{path.name}.aux.xml")
    side.write_text(f"<PAMDataset>{scale}</PAMDataset>")
    assert read().images[1, 0, 0, 0] == pytest.approx(0.5)
    assert torch.equal(read().images, geotiffs(root).images)


def test_a_place_by_control_points_and_none_without_a_transform(tmp_path):
    place = {"gcps": control_points(4, 4), "crs": "EPSG:4326"}
    path = write_tif(tmp_path / "a.tif", flat(1, 2, 3, 4), **place)
    bare = write_tif(tmp_path / "b.tif", flat(1, 2, 3, 4), crs="EPSG:32633")
    grid = {
        "crs": 'LOCAL_CS["x",UNIT["metre",1]]',
        "transform": rasterio.Affine.scale(2),
    }
    local = write_tif(tmp_path / "c.tif", flat(1, 2, 3, 4), **grid)
    with rasterio.open(path) as file:
        assert center_of(file) == pytest.approx({"lat": 46.8, "lon": 14.2})
    for path in (bare, local):
        with rasterio.open(path) as file:
            assert center_of(file) == {}
    assert len(RasterImage(tmp_path / "a.tif").place["gcps"]) == 4


@pytest.mark.parametrize("ending", ["jpg", "tif", "png"])
def test_photographs_are_turned_upright(tmp_path, ending):
    sky = np.zeros((32, 48, 3), np.uint8)
    sky[:16] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right to see it
    lying = Image.fromarray(sky).transpose(Image.Transpose.ROTATE_90)
    path = tmp_path / f"turned.{ending}"
    lying.save(path, exif=exif)
    read = read_pictures(index_files([path])).images[0].numpy()
    whole = RasterImage(path).read(0, 0, 32, 48)
    for found in (read, whole, np.moveaxis(read_pixels(path), 2, 0)):
        assert found.shape == (3, 32, 48), "the size is that of the upright picture"
        assert found[:, :14].min() > 150 and found[:, 18:].max() < 60
    assert (RasterImage(path).read(10, 5, 12, 9) == whole[:, 10:22, 5:14]).all()
