"""Training: from a config to a run."""

__all__ = ["Run", "train"]

from workshop_lib.training.loop import train
from workshop_lib.training.run import Run
