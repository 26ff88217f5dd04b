"""Figures of the workshop: matplotlib figures with alt text attached.

White face, colour-blind safe, readable from the last row. `describe(figure)` returns
the alt text. No function changes the session's style or leaves a pyplot figure open.
Each module lists its own.
"""

__all__ = ["AccessibleFigure", "describe", "panels", "sar_to_display", "to_display"]

from workshop_lib.plots import charts, data, embedding, evaluation, images, maps
from workshop_lib.plots import training as runs
from workshop_lib.plots.charts import *  # noqa: F403
from workshop_lib.plots.data import *  # noqa: F403
from workshop_lib.plots.display import panels, sar_to_display, to_display
from workshop_lib.plots.embedding import *  # noqa: F403
from workshop_lib.plots.evaluation import *  # noqa: F403
from workshop_lib.plots.images import *  # noqa: F403
from workshop_lib.plots.maps import *  # noqa: F403
from workshop_lib.plots.style import AccessibleFigure, describe
from workshop_lib.plots.training import *  # noqa: F403

__all__ += charts.__all__ + data.__all__ + embedding.__all__ + evaluation.__all__
__all__ += images.__all__ + maps.__all__ + runs.__all__
