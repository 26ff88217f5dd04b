"""Pictures to play with; each has a still one for where no kernel listens."""

__all__ = [
    "PERPLEXITIES",
    "confusion_browser",
    "confusion_picture",
    "is_live",
    "operations",
    "perplexity_maps",
    "perplexity_picture",
    "perplexity_slider",
    "pseudo_map_picture",
    "pseudo_map_slider",
    "sensor_browser",
    "sensor_picture",
    "strength_grid",
    "strength_picture",
    "strength_sliders",
    "threshold_picture",
    "threshold_slider",
]

from workshop_lib.teaching.widgets.confusion import confusion_browser, confusion_picture
from workshop_lib.teaching.widgets.live import is_live
from workshop_lib.teaching.widgets.perplexity import (
    PERPLEXITIES,
    perplexity_maps,
    perplexity_picture,
    perplexity_slider,
)
from workshop_lib.teaching.widgets.pseudo_map import (
    pseudo_map_picture,
    pseudo_map_slider,
)
from workshop_lib.teaching.widgets.sensors import sensor_browser, sensor_picture
from workshop_lib.teaching.widgets.strength import (
    operations,
    strength_grid,
    strength_picture,
    strength_sliders,
)
from workshop_lib.teaching.widgets.threshold import threshold_picture, threshold_slider
