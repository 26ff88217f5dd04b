"""Training: from a config to a run."""

__all__ = ["Run", "train"]

from workshop_lib.next.training.loop import train
from workshop_lib.next.training.run import Run
