"""MiniEO: the data set that needs no download.

Procedural scenes in the manner of Sentinel-2 and Sentinel-1, made in seconds from a
seed. A land-cover map is drawn first; reflectance, radar and elevation follow from it,
from the place and from the date. See `acquisition` for what generates what.
"""

__all__ = [
    "BANDS",
    "CLASSES",
    "CLIMATE_ZONES",
    "COVERS",
    "DEFAULT_BANDS",
    "DEFAULT_SEED",
    "REGIONS",
    "mini_eo",
]

from workshop_lib.data.mini_eo.acquisition import CLIMATE_ZONES, REGIONS
from workshop_lib.data.mini_eo.classes import CLASSES
from workshop_lib.data.mini_eo.generator import DEFAULT_BANDS, DEFAULT_SEED, mini_eo
from workshop_lib.data.mini_eo.renderer import COVERS
from workshop_lib.data.mini_eo.sensors import BANDS
