"""Interactive pictures, with still ones where there is no live kernel."""

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

from workshop_lib.course.widgets.confusion import confusion_browser, confusion_picture
from workshop_lib.course.widgets.live import is_live
from workshop_lib.course.widgets.perplexity import (
    PERPLEXITIES,
    perplexity_maps,
    perplexity_picture,
    perplexity_slider,
)
from workshop_lib.course.widgets.sensors import sensor_browser, sensor_picture
from workshop_lib.course.widgets.strength import (
    operations,
    strength_grid,
    strength_picture,
    strength_sliders,
)
from workshop_lib.course.widgets.threshold import (
    pseudo_map_picture,
    pseudo_map_slider,
    threshold_picture,
    threshold_slider,
)
