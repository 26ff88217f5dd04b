"""Data sets with one class per image: UC Merced, EuroSAT, and the embedded one."""

__all__ = ["SCENES"]

from workshop_lib.data.fetch.catalogue.kinds import Remote, Source, archive_at
from workshop_lib.data.fetch.mirrors import Mirror

_UCM = (
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
)
_EUROSAT = {
    "AnnualCrop": 3000,
    "Forest": 3000,
    "HerbaceousVegetation": 3000,
    "Highway": 2500,
    "Industrial": 2500,
    "Pasture": 2000,
    "PermanentCrop": 2500,
    "Residential": 3000,
    "River": 2500,
    "SeaLake": 3000,
}
_EUROSAT_PAPERS = (
    'P. Helber, B. Bischke, A. Dengel, D. Borth, "EuroSAT: A Novel Dataset and Deep'
    ' Learning Benchmark for Land Use and Land Cover Classification", IEEE Journal of'
    " Selected Topics in Applied Earth Observations and Remote Sensing 12(7),"
    " 2217-2226, 2019, doi:10.1109/JSTARS.2019.2918242",
    'P. Helber, B. Bischke, A. Dengel, D. Borth, "Introducing EuroSAT: A Novel Dataset'
    ' and Deep Learning Benchmark for Land Use and Land Cover Classification", IEEE'
    " International Geoscience and Remote Sensing Symposium, 204-207, 2018,"
    " doi:10.1109/IGARSS.2018.8519248",
)
_EUROSAT_LICENCE = "MIT. Contains modified Copernicus Sentinel data."
_TORCHGEO = "https://hf.co/datasets/torchgeo"
_EUROSAT_MIRROR = (
    f"{_TORCHGEO}/eurosat/resolve/1ce6f1bfb56db63fd91b6ecc466ea67f2509774c"
)

SCENES = (
    Source(
        name="ucm",
        title="UC Merced Land Use",
        about="21 classes of land use in US cities, aerial RGB, 0.3 m per pixel",
        licence=(
            "Public domain: extracted from the USGS National Map Urban Area Imagery."
        ),
        citation=(
            'Y. Yang, S. Newsam, "Bag-of-Visual-Words and Spatial Extensions for'
            ' Land-Use Classification", ACM SIGSPATIAL International Conference on'
            " Advances in Geographic Information Systems, 270-279, 2010,"
            " doi:10.1145/1869790.1869829",
        ),
        layout="classes",
        count=2100,
        side=256,
        files=(
            Remote(
                "UCMerced_LandUse.zip",
                (
                    Mirror(
                        f"{_TORCHGEO}/ucmerced/resolve/"
                        "7c5ef3454d9b1cccfa7ccde0c01fc8f00a45909a/UCMerced_LandUse.zip",
                        "md5:5b7ec56793786b6dc8a908e8854ac0e4",
                    ),
                    Mirror(
                        "http://weegee.vision.ucmerced.edu/datasets/UCMerced_LandUse.zip",
                        "md5:5b7ec56793786b6dc8a908e8854ac0e4",
                    ),
                ),
                size=332_000_000,
                unpacked=440_000_000,
                folder="images",
            ),
        ),
        classes=dict.fromkeys(_UCM, 100),
        odd="44 of the 2,100 images are not 256 x 256 pixels",
    ),
    Source(
        name="eurosat",
        title="EuroSAT, RGB",
        about="10 classes of land cover in Europe, Sentinel-2 RGB, 10 m per pixel",
        licence=_EUROSAT_LICENCE,
        citation=_EUROSAT_PAPERS,
        layout="classes",
        count=27000,
        side=64,
        files=(
            Remote(
                "EuroSAT_RGB.zip",
                (
                    Mirror(
                        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                        "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                        "md5:c8fa014336c82ac7804f0398fcb19387",
                    ),
                    Mirror(
                        "https://zenodo.org/records/7711810/files/EuroSAT_RGB.zip",
                        "sha256:b4f5b234ecb7d7ff9c6cddb046543b47"
                        "17c53fd6e9815be6c0e80cc614f51b90",
                    ),
                ),
                size=95_000_000,
                unpacked=160_000_000,
                folder="images",
            ),
        ),
        classes=_EUROSAT,
    ),
    Source(
        name="eurosat:bands",
        title="EuroSAT, all 13 bands",
        about="the same places, Sentinel-2 with 13 bands, georeferenced",
        licence=_EUROSAT_LICENCE,
        citation=_EUROSAT_PAPERS,
        layout="classes",
        count=27000,
        side=64,
        files=(
            archive_at(
                f"{_EUROSAT_MIRROR}/EuroSATallBands.zip",
                "md5:5ac12b3b2557aa56e1826e981e8e200e",
                2_070_000_000,
                3_000_000_000,
                "images",
            ),
        ),
        classes=_EUROSAT,
    ),
    Source(
        name="eurosat:100",
        title="EuroSAT, 100 images with all 13 bands",
        about="ten images of each class, to try things out",
        licence=_EUROSAT_LICENCE,
        citation=_EUROSAT_PAPERS,
        layout="classes",
        count=100,
        side=64,
        files=(
            archive_at(
                f"{_EUROSAT_MIRROR}/EuroSAT100.zip",
                "md5:c21c649ba747e86eda813407ef17d596",
                8_000_000,
                12_000_000,
                "images",
            ),
        ),
        classes=dict.fromkeys(_EUROSAT, 10),
    ),
    Source(
        name="mini_eo",
        title="MiniEO",
        about=(
            "10 classes, made up by this library: Sentinel-like bands, land cover,"
            " radar, elevation, weather, place and date"
        ),
        licence="MIT, as this library, which makes it.",
        citation=("the repository of this library and its version",),
        layout="made",
        count=4000,
        side=32,
    ),
)
