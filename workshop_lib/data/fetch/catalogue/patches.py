"""BigEarthNet and what was made from it: a folder of bands for each patch.

A Sentinel-2 patch has a GeoTIFF per band of 120, 60 or 20 pixels (10, 20 or 60 m).
"""

__all__ = ["PATCHES"]

from workshop_lib.data.fetch.catalogue.kinds import Remote, Source, archive_at
from workshop_lib.data.fetch.mirrors import Mirror

_BIGEARTHNET_PAPERS = (
    'G. Sumbul, M. Charfuelan, B. Demir, V. Markl, "BigEarthNet: A Large-Scale'
    ' Benchmark Archive for Remote Sensing Image Understanding", IEEE International'
    " Geoscience and Remote Sensing Symposium, 5901-5904, 2019,"
    " doi:10.1109/IGARSS.2019.8900532",
    "G. Sumbul, A. de Wall, T. Kreuziger, F. Marcelino, H. Costa, P. Benevides, M."
    ' Caetano, B. Demir, V. Markl, "BigEarthNet-MM: A Large-Scale, Multimodal,'
    " Multilabel Benchmark Archive for Remote Sensing Image Classification and"
    ' Retrieval", IEEE Geoscience and Remote Sensing Magazine 9(3), 174-180, 2021,'
    " doi:10.1109/MGRS.2021.3089174",
)
_CDLA = "CDLA-Permissive-1.0 (https://cdla.dev/permissive-1-0/)."
_V1 = "https://zenodo.org/records/12687186/files"
_V2 = "https://zenodo.org/records/10891137/files"
_V1_PARTS = (
    "https://git.tu-berlin.de/rsim/BigEarthNet-MM_19-classes_models/-/raw/"
    "9a5be07346ab0884b2d9517475c27ef9db9b5104/splits"
)
_BEN_GE = "https://zenodo.org/records/12941231/files/ben-ge-800.tar.gz?download=1"


PATCHES = (
    Source(
        name="ben_ge",
        title="ben-ge-800",
        about=(
            "800 patches of BigEarthNet (Sentinel-1 and -2, several labels each) with"
            " elevation, ESA WorldCover, weather, climate zone and season"
        ),
        licence=(
            f"Sentinel-1/-2 patches and labels (BigEarthNet): {_CDLA} For elevation"
            " (Copernicus DEM), ESA WorldCover and ERA-5 see the record,"
            " https://zenodo.org/records/12941231."
        ),
        citation=(
            "M. Mommert, N. Kesseli, J. Hanna, L. Scheibenreif, D. Borth, B. Demir,"
            ' "ben-ge: Extending BigEarthNet with Geographical and Environmental Data",'
            " IEEE International Geoscience and Remote Sensing Symposium, 2023,"
            " arXiv:2307.01741",
            *_BIGEARTHNET_PAPERS,
        ),
        layout="patches",
        count=800,
        side=120,
        files=(
            Remote(
                "ben-ge-800.tar.gz",
                (
                    Mirror(_BEN_GE),
                    Mirror(
                        "https://drive.google.com/uc?id=1EDm4naHNhjUWSQRluV2VXHszKiNVc6B4"
                    ),
                ),
                size=183_000_000,
                unpacked=400_000_000,
                folder="patches",
            ),
        ),
        landmarks=("sentinel-1", "sentinel-2"),
        odd="no checksum is published; gzip's own is verified when it is unpacked",
    ),
    Source(
        name="bigearthnet",
        title="BigEarthNet v2 (reBEN)",
        about="549,488 pairs of Sentinel-1 and -2 patches, 19 classes, several each",
        licence=_CDLA,
        citation=(
            "K. N. Clasen, L. Hackel, T. Burgert, G. Sumbul, B. Demir, V. Markl,"
            ' "reBEN: Refined BigEarthNet Dataset for Remote Sensing Image Analysis",'
            " IEEE International Geoscience and Remote Sensing Symposium, 1264-1268,"
            " 2025, doi:10.1109/IGARSS55030.2025.11242834, arXiv:2407.03653",
        ),
        layout="patches",
        count=549488,
        side=120,
        files=(
            archive_at(
                f"{_V2}/metadata.parquet",
                "md5:55687065e77b6d0b0f1ff604a6e7b49c",
                3_600_000,
                3_600_000,
                "",
            ),
            archive_at(
                f"{_V2}/Reference_Maps.tar.zst",
                "md5:95d85a222fa983faddcac51a19f28917",
                282_391_301,
                17_000_000_000,
                "maps",
            ),
            archive_at(
                f"{_V2}/BigEarthNet-S2.tar.zst",
                "md5:2245ed2d1a93f6ce637d839bc856396e",
                63_251_710_377,
                100_000_000_000,
                "sentinel-2",
            ),
            archive_at(
                f"{_V2}/BigEarthNet-S1.tar.zst",
                "md5:a55eaa2cdf6a917e296bd6601ec1e348",
                54_439_153_171,
                70_000_000_000,
                "sentinel-1",
            ),
        ),
        landmarks=("sentinel-1", "sentinel-2"),
    ),
    Source(
        name="bigearthnet:v1",
        title="BigEarthNet v1 (BigEarthNet-MM)",
        about="590,326 pairs of Sentinel-1 and -2 patches, 43 classes, several each",
        licence=_CDLA,
        citation=_BIGEARTHNET_PAPERS,
        layout="patches",
        count=590326,
        side=120,
        files=(
            *(
                Remote(
                    f"bigearthnet-{part}.csv",
                    (Mirror(f"{_V1_PARTS}/{part}.csv?inline=false", f"md5:{md5}"),),
                    30_000_000,
                    30_000_000,
                )
                for part, md5 in (
                    ("train", "623e501b38ab7b12fe44f0083c00986d"),
                    ("val", "22efe8ed9cbd71fa10742ff7df2b7978"),
                    ("test", "697fb90677e30571b9ac7699b7e5b432"),
                )
            ),
            archive_at(
                f"{_V1}/BigEarthNet-S2-v1.0.tar.gz",
                "md5:5a64e9ce38deb036a435a7b59494924c",
                66_000_000_000,
                110_000_000_000,
                "sentinel-2",
            ),
            archive_at(
                f"{_V1}/BigEarthNet-S1-v1.0.tar.gz",
                "md5:94ced73440dea8c7b9645ee738c5a172",
                55_000_000_000,
                75_000_000_000,
                "sentinel-1",
            ),
        ),
        landmarks=("sentinel-1", "sentinel-2"),
    ),
)
