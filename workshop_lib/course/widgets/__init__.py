"""Interactive pictures, with still ones where there is no live kernel."""

__all__ = [
    "confusion_browser",
    "perplexity_maps",
    "perplexity_slider",
    "pseudo_map_slider",
    "sensor_browser",
    "strength_sliders",
    "threshold_picture",
    "threshold_slider",
]

from workshop_lib.course.widgets.evaluation import (
    confusion_browser,
    perplexity_maps,
    perplexity_slider,
    sensor_browser,
)
from workshop_lib.course.widgets.training import (
    pseudo_map_slider,
    strength_sliders,
    threshold_picture,
    threshold_slider,
)
