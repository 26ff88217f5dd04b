"""The commands behind `workshop ...`."""

from workshop_lib.commands.compare import compare, results
from workshop_lib.commands.embed import embed
from workshop_lib.commands.map import map
from workshop_lib.commands.predict import predict
from workshop_lib.commands.runs import (
    budget,
    evaluate,
    quickstart,
    report,
    train,
)
from workshop_lib.commands.slurm import slurm
from workshop_lib.next.commands.data import data, doctor, split
from workshop_lib.next.commands.leaderboard import leaderboard, submit
from workshop_lib.next.commands.notebooks import notebooks

__all__ = [
    "budget",
    "compare",
    "data",
    "doctor",
    "embed",
    "evaluate",
    "leaderboard",
    "map",
    "notebooks",
    "predict",
    "quickstart",
    "report",
    "results",
    "slurm",
    "split",
    "submit",
    "train",
]
