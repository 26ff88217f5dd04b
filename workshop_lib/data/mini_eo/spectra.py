"""What the ground looks like from above: reflectance of materials in 12 bands.

Typical reflectances (share of light sent back, 0 to 1) of surface materials in the
bands of Sentinel-2's surface product, rounded; the values are of the size that spectral
libraries give for such surfaces, not copies of any one measurement.
"""

__all__ = ["BANDS", "HAZE", "CLOUD", "MATERIALS", "material_table"]

import numpy as np

from workshop_lib.data.mini_eo.draws import Array, Draws

BANDS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
)  # fmt: skip

_REFLECTANCE = {  # thousandths
    #               B01  B02  B03  B04  B05  B06  B07  B08  B8A  B09  B11  B12
    "clear_water": (42, 34, 29, 17, 13, 10, 10, 9, 8, 6, 4, 3),
    "murky_water": (62, 70, 92, 78, 66, 40, 38, 30, 25, 15, 10, 7),
    "dark_soil": (45, 50, 68, 90, 110, 125, 138, 150, 165, 170, 220, 190),
    "bright_soil": (90, 110, 150, 200, 225, 245, 260, 275, 295, 300, 380, 340),
    "red_soil": (55, 62, 92, 172, 203, 225, 240, 255, 275, 280, 360, 300),
    "green_crop": (30, 30, 62, 32, 95, 300, 390, 430, 455, 460, 210, 95),
    "ripe_crop": (70, 85, 125, 170, 205, 240, 260, 290, 310, 320, 340, 240),
    "green_grass": (30, 32, 66, 42, 110, 270, 330, 365, 390, 400, 220, 110),
    "dry_grass": (60, 70, 100, 125, 160, 195, 215, 240, 262, 270, 310, 220),
    "needle_tree": (18, 18, 32, 18, 50, 140, 180, 205, 220, 225, 95, 40),
    "broad_leaf": (22, 24, 50, 24, 80, 270, 350, 395, 420, 425, 180, 75),
    "bare_twigs": (40, 45, 58, 68, 95, 130, 150, 170, 190, 195, 200, 140),
    "asphalt": (75, 85, 92, 100, 105, 110, 115, 120, 125, 128, 140, 130),
    "concrete": (150, 170, 195, 215, 225, 235, 240, 250, 255, 258, 290, 270),
    "roof_tile": (70, 80, 110, 190, 215, 230, 240, 255, 270, 275, 330, 300),
    "sheet_metal": (320, 340, 360, 370, 372, 375, 378, 382, 385, 385, 360, 330),
    "dark_roof": (55, 60, 65, 72, 78, 85, 88, 92, 96, 98, 110, 105),
    "limestone": (170, 200, 255, 310, 330, 345, 355, 365, 375, 378, 420, 380),
}
_SPECTRA = {k: np.array(v, dtype=np.float32) / 1000 for k, v in _REFLECTANCE.items()}

# Light that thin haze adds, strongest at short wavelengths; and a bright, flat cloud.
HAZE = np.array([60, 50, 33, 21, 17, 14, 12, 10, 9, 8, 2, 1], dtype=np.float32) / 1000
CLOUD = np.array(
    [420, 420, 420, 425, 430, 440, 440, 450, 450, 400, 350, 280], dtype=np.float32
) / 1000  # fmt: skip

# The materials that a landscape is painted with: what each is made of in one patch is
# settled by place and date in `material_table`.
MATERIALS = (
    "water", "shallow", "soil", "green_crop", "ripe_crop", "grass", "dry_grass",
    "needle_tree", "leaf_tree", "road", "yard", "roof_a", "roof_b", "sheet_metal",
    "rock", "gravel",
)  # fmt: skip


def _blend(first: str, second: str, share: Array) -> Array:
    """Mix two spectra; `share` (n, 1, 1) of the second. Shape: (n, 12)."""
    weight = share[:, :, 0]  # (n, 1)
    return np.asarray(_SPECTRA[first] * (1 - weight) + _SPECTRA[second] * weight)


def material_table(draw: Draws, leaves: Array, green: Array, dryness: Array) -> Array:
    """Settle the spectrum of each material for each patch.

    Soil, water, roads and roofs differ from place to place; trees and grass follow the
    calendar.

    Args:
        leaves: how far broad-leaved trees are in leaf, 0 to 1, (n, 1, 1).
        green: how green the grass is, 0 to 1, (n, 1, 1).
        dryness: how far the climate favours red and bright soils, 0 to 1, (n, 1, 1).

    Returns:
        Reflectance (n, materials, 12), materials ordered as in `MATERIALS`.
    """
    bright = draw.uniform("soil/bright")
    red = draw.uniform("soil/red") * dryness
    soil = _blend("dark_soil", "bright_soil", bright)
    soil = soil * (1 - red[:, :, 0]) + _SPECTRA["red_soil"] * red[:, :, 0]
    murk = draw.uniform("water/murk", 0.0, 0.9)
    rows = {
        "water": _blend("clear_water", "murky_water", murk),
        "shallow": _blend("clear_water", "murky_water", 0.5 + 0.5 * murk) * 1.15,
        "soil": soil,
        "green_crop": _blend("green_crop", "green_grass", draw.uniform("crop/kind")),
        "ripe_crop": _blend("ripe_crop", "dry_grass", draw.uniform("crop/straw")),
        "grass": _blend("dry_grass", "green_grass", green),
        "dry_grass": _blend(
            "dry_grass", "bright_soil", draw.uniform("grass/thin", 0, 0.5)
        ),
        "needle_tree": _blend(
            "needle_tree", "broad_leaf", draw.uniform("tree/young", 0, 0.2)
        ),
        "leaf_tree": _blend("bare_twigs", "broad_leaf", leaves),
        "road": _blend("asphalt", "concrete", draw.uniform("road/age") ** 2),
        "yard": _blend("asphalt", "concrete", draw.uniform("yard/age")),
        "roof_a": _blend("roof_tile", "dark_roof", draw.uniform("roof/dark")),
        "roof_b": _blend("dark_roof", "concrete", draw.uniform("roof/light")),
        "sheet_metal": _blend(
            "sheet_metal", "concrete", draw.uniform("metal/dull", 0, 0.7)
        ),
        "rock": soil * 0.4
        + _blend("bright_soil", "limestone", draw.uniform("rock/pale")) * 0.6,
        "gravel": soil * 0.6
        + _blend("concrete", "limestone", draw.uniform("gravel/pale")) * 0.4,
    }
    table = np.stack([rows[name] for name in MATERIALS], axis=1)
    own = 1 + 0.16 * draw.normal("materials/own", (len(MATERIALS), 1))
    return np.asarray(table * np.clip(own, 0.6, 1.5), dtype=np.float32)
