"""The commands behind `workshop ...`."""

from workshop_lib.commands.data import data, doctor, split
from workshop_lib.commands.runs import (
    budget,
    evaluate,
    predict,
    quickstart,
    report,
    train,
)

__all__ = [
    "budget",
    "data",
    "doctor",
    "evaluate",
    "predict",
    "quickstart",
    "report",
    "split",
    "train",
]
