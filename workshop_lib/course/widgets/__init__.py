"""Interactive pictures, with still ones where there is no live kernel."""

from workshop_lib.course.widgets import evaluation, training
from workshop_lib.course.widgets.evaluation import *  # noqa: F403
from workshop_lib.course.widgets.training import *  # noqa: F403

__all__ = evaluation.__all__ + training.__all__
