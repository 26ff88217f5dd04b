"""Checks of the learner's own functions: each module lists those of its exercises."""

__all__ = ["CheckFailed"]

from workshop_lib.course.checks import evaluation, images, multitask, splits, training
from workshop_lib.course.checks.attempt import CheckFailed
from workshop_lib.course.checks.evaluation import *  # noqa: F403
from workshop_lib.course.checks.images import *  # noqa: F403
from workshop_lib.course.checks.multitask import *  # noqa: F403
from workshop_lib.course.checks.splits import *  # noqa: F403
from workshop_lib.course.checks.training import *  # noqa: F403

__all__ += evaluation.__all__ + images.__all__ + multitask.__all__
__all__ += splits.__all__ + training.__all__
