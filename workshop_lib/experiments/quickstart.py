"""The quickstart: what unlabelled images are worth, in four trainings on one split."""

__all__ = ["baselines_table", "quickstart"]

import json
from pathlib import Path

import pandas as pd

from workshop_lib.config import Config
from workshop_lib.experiments.baselines import BASELINES, baseline_config
from workshop_lib.experiments.progress import RunSpec
from workshop_lib.experiments.sweep import train_all
from workshop_lib.files import write_text

_WRITTEN = ("name", "metric", "value", "labels", "seed", "seconds", "steps")


def quickstart(
    base: Config, folder: Path, *, time: str | None = None, fresh: bool = False
) -> pd.DataFrame:
    """Train every baseline on one split, score it, and write results.json.

    Finished runs are loaded and an interrupted one is resumed, unless `fresh`.

    Args:
        base: the config of FixMatch; the others change what `BASELINES` says.
        folder: for the runs, each in the folder of its name.
        time: of the preset; default as in `preset`.
        fresh: train again, also what is finished.

    Returns:
        A row for each of `BASELINES`, as `run_row` makes it.
    """
    todo = [
        RunSpec(name, baseline_config(name, base, time=time), folder / name)
        for name in BASELINES
    ]
    rows = train_all(todo, folder, fresh=fresh)
    written = rows[[*_WRITTEN, "parameters"]].to_dict("records")
    write_text(folder / "results.json", json.dumps(written, indent=1))
    return rows


def baselines_table(rows: pd.DataFrame, width: int = 30) -> str:
    """Draw the comparison in text: a bar, the score and the time of each baseline.

    Args:
        rows: of `quickstart`.
        width: of the bars, in characters.
    """
    by_name = rows.set_index("name")
    lines = []
    for name, one in by_name.iterrows():
        full = round(one["value"] * width)
        bar = "#" * full + "." * (width - full)
        lines.append(
            f"{BASELINES[str(name)].title:34s} {bar} {one['value']:6.1%}"
            f"  {one['labels']:5d} labels  {one['seconds']:4.0f} s"
        )
    value = by_name["value"]
    weak, strong = value["supervised"], value["supervised_strong"]
    lines += [
        "",
        f"augmentation was worth        {100 * (strong - weak):+5.1f} points",
        "the unlabelled images, beyond"
        f" {100 * (value['fixmatch'] - max(weak, strong)):+5.1f} points",
        "FixMatch's settings that differ from the defaults, which are its paper's for"
        f" the method: {by_name['config']['fixmatch'] or 'none'}",
    ]
    return "\n".join(lines)
