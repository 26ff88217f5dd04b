"""Large aerial images with a label for every pixel: ISPRS Vaihingen."""

__all__ = ["TEST_TILES", "TILES", "TILE_COLOURS", "TRAIN_TILES"]

from workshop_lib.data.fetch.catalogue.kinds import Remote, Source
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
)
