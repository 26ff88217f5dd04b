"""What BigEarthNet's labels are called: 43 classes of CORINE, or the 19 made of them.

The 19 (Sumbul et al. 2021) merge classes that look alike from above, and leave out 11
that images of 10 m do not tell: those map to nothing here.
"""

__all__ = ["CLASSES_19", "CLASSES_43", "TO_19"]

_AGRICULTURE = (
    "Land principally occupied by agriculture, with significant areas of natural"
    " vegetation"
)
_GRASSLAND = "Natural grassland and sparsely vegetated areas"
_HEATH = "Moors, heathland and sclerophyllous vegetation"

# CORINE class, third level, in the order of its codes -> one of the 19
TO_19: dict[str, str | None] = {
    "Continuous urban fabric": "Urban fabric",
    "Discontinuous urban fabric": "Urban fabric",
    "Industrial or commercial units": "Industrial or commercial units",
    "Road and rail networks and associated land": None,
    "Port areas": None,
    "Airports": None,
    "Mineral extraction sites": None,
    "Dump sites": None,
    "Construction sites": None,
    "Green urban areas": None,
    "Sport and leisure facilities": None,
    "Non-irrigated arable land": "Arable land",
    "Permanently irrigated land": "Arable land",
    "Rice fields": "Arable land",
    "Vineyards": "Permanent crops",
    "Fruit trees and berry plantations": "Permanent crops",
    "Olive groves": "Permanent crops",
    "Pastures": "Pastures",
    "Annual crops associated with permanent crops": "Permanent crops",
    "Complex cultivation patterns": "Complex cultivation patterns",
    _AGRICULTURE: _AGRICULTURE,
    "Agro-forestry areas": "Agro-forestry areas",
    "Broad-leaved forest": "Broad-leaved forest",
    "Coniferous forest": "Coniferous forest",
    "Mixed forest": "Mixed forest",
    "Natural grassland": _GRASSLAND,
    "Moors and heathland": _HEATH,
    "Sclerophyllous vegetation": _HEATH,
    "Transitional woodland/shrub": "Transitional woodland, shrub",
    "Beaches, dunes, sands": "Beaches, dunes, sands",
    "Bare rock": None,
    "Sparsely vegetated areas": _GRASSLAND,
    "Burnt areas": None,
    "Inland marshes": "Inland wetlands",
    "Peatbogs": "Inland wetlands",
    "Salt marshes": "Coastal wetlands",
    "Salines": "Coastal wetlands",
    "Intertidal flats": None,
    "Water courses": "Inland waters",
    "Water bodies": "Inland waters",
    "Coastal lagoons": "Marine waters",
    "Estuaries": "Marine waters",
    "Sea and ocean": "Marine waters",
}

CLASSES_43 = tuple(TO_19)
CLASSES_19 = tuple(dict.fromkeys(name for name in TO_19.values() if name))
