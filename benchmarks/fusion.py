"""Which sensors and metadata are worth combining, and where: docs/fusion.md.

    python -m benchmarks.fusion                          all studies, seeds 0 to 2
    python -m benchmarks.fusion --studies sets maps --seeds 0 1 2 3 4
    python -m benchmarks.fusion --write-docs             and docs/fusion.md, fusion.png

Stops and resumes: finished runs in runs/fusion/ are loaded. Studies: `sets` classifies
scenes from each set of sensors and metadata; `metadata` takes the largest set apart;
`maps` draws land cover; `fusions` compares where sensors meet, `map_fusions` the same
for maps; `fixmatch` asks what unlabelled images add to fused inputs; `shift` trains in
four regions and tests in the fifth, where longitude misleads. Seed by seed: stopped at
any moment, all sets have been trained on the same seeds.
"""

__all__ = ["DOCS", "SETS", "STUDIES", "configs", "run", "shift", "update_page"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from benchmarks import page
from workshop_lib.config import Config
from workshop_lib.data.load import load_dataset
from workshop_lib.evaluation.inference import predict_run
from workshop_lib.evaluation.metrics import score
from workshop_lib.experiments.baselines import baseline_config
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.files import write_text
from workshop_lib.plots import modality_gains
from workshop_lib.presets import preset
from workshop_lib.training.run import Run

KINDS = ("early", "middle", "late", "shared")
ALL_METADATA = ("climate", "season", "weather", "place")
# Sensors, and metadata: from one sensor to everything. What each is worth in principle,
# docs/mini_eo.md says beforehand.
SETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "S2": (("s2",), ()),
    "S1": (("s1",), ()),
    "elevation": (("dem",), ()),
    "S2 + S1": (("s2", "s1"), ()),
    "S2 + climate": (("s2",), ("climate",)),
    "S2 + season": (("s2",), ("season",)),
    "S2 + S1 + climate": (("s2", "s1"), ("climate",)),
    "everything": (("s2", "s1", "dem"), ALL_METADATA),
}
MAP_SETS = ("S2", "S1", "elevation", "S2 + S1", "S2 + season", "everything")
# Which part of everything does what
PARTS = {
    "S2 + S1": SETS["S2 + S1"],
    "S2 + S1 + elevation": (("s2", "s1", "dem"), ()),
    "S2 + S1 + all metadata": (("s2", "s1"), ALL_METADATA),
    "everything": SETS["everything"],
}
Study = Literal[
    "sets", "metadata", "fusions", "shift", "maps", "fixmatch", "map_fusions"
]
STUDIES: tuple[Study, ...] = get_args(Study)
STEPS = 500  # of the page
AWAY = 4  # the region that nothing is learnt from
DOCS = Path(__file__).parents[1] / "docs"
# What is added, the set with it, the set without it
ADDED = (
    ("S1", "S2 + S1", "S2"),
    ("season", "S2 + season", "S2"),
    ("climate", "S2 + climate", "S2"),
    ("climate", "S2 + S1 + climate", "S2 + S1"),
    ("elevation", "S2 + S1 + elevation", "S2 + S1"),
    ("all metadata", "S2 + S1 + all metadata", "S2 + S1"),
    ("all else", "everything", "S2 + S1"),
)


def configs(study: str, steps: int = STEPS) -> dict[str, Config]:
    """Return what a study trains, by name."""
    usual = preset(
        "class",
        labels_per_class=25,
        steps=steps,
        eval_every=max(1, steps // 2),
        precision="fp32",
    )
    base = baseline_config("supervised_strong", usual)
    maps = base.replace(heads=("cover",), encoder="unet-16", labels_per_class=2)
    match study:
        case "sets":
            return _of_sets(base, SETS)
        case "metadata":
            return _of_sets(base, PARTS)
        case "maps":
            return _of_sets(maps, {name: SETS[name] for name in MAP_SETS})
        case "fusions":
            fused = _of_sets(base, {"all": SETS["S2 + S1 + climate"]})["all"]
            found = {kind: fused.replace(fusion=kind) for kind in KINDS}
            dropped = found["late"].replace(modality_dropout=0.2)
            return {**found, "late, dropout 0.2": dropped}
        case "map_fusions":
            both = maps.replace(sensors=("s2", "s1"))
            return {kind: both.replace(fusion=kind) for kind in KINDS}
        case "fixmatch":
            few = base.replace(labels_per_class=4, mu=2)
            semi = baseline_config("fixmatch", usual.replace(labels_per_class=4, mu=2))
            return {
                f"{name}, {method}": config.replace(sensors=SETS[name][0])
                for name in ("S2", "S2 + S1")
                for method, config in (("supervised", few), ("FixMatch", semi))
            }
    shifted = base.replace(labels_per_class=0, sensors=("s1",))
    return {"S1": shifted, "S1 + longitude": shifted.replace(metadata=("lon",))}


def _of_sets(base: Config, sets: Mapping[str, Any]) -> dict[str, Config]:
    """Return a config for each set, alike in everything else."""
    return {
        name: base.replace(sensors=sensors, metadata=metadata)
        for name, (sensors, metadata) in sets.items()
    }


def shift(planned: Mapping[str, Config], seeds: Sequence[int], folder: Path) -> None:
    """Train in four regions; score there, and in the fifth; write runs.csv."""
    data = next(iter(planned.values())).data
    scenes = load_dataset(data.name, data.size)
    away = scenes.metadata["region"] == AWAY
    home, there = (scenes.subset(part.nonzero().flatten()) for part in (~away, away))
    rows: list[dict[str, Any]] = []
    runs = sweep(planned, seeds, folder / "home", dataset=home, verbose=False)
    for row in runs.to_dict("records"):
        probs = predict_run(Run.load(row["folder"]), there)
        found = score(probs, there.labels, there.class_names)
        far = {"accuracy": found.accuracy, "macro_f1": found.macro_f1}
        rows += [row | {"name": f"{row['name']}, home"}]
        rows += [row | far | {"name": f"{row['name']}, away"}]
    columns = ["name", "seed", "parameters", "accuracy", "macro_f1"]
    table = pd.DataFrame(rows)[columns]
    write_text(folder / "runs.csv", table.to_csv(index=False))


def read(folder: Path, study: str) -> pd.DataFrame:
    """Read what is finished of a study: a row for each run, with f1 and iou."""
    rows = pd.read_csv(_place(folder, study) / "runs.csv")
    if study != "shift":
        order = {name: place for place, name in enumerate(configs(study))}
        rows = rows[rows["name"].isin(order)]
        rows = rows.sort_values(["seed", "name"], key=lambda c: c.replace(order))
    return rows.rename(columns={"macro_f1": "f1", "mean_iou": "iou"})


def _place(folder: Path, study: str) -> Path:
    """Return the folder of a study; two of them train some of the same configs."""
    return folder / ("sets" if study == "metadata" else study)


def run(studies: Sequence[str], seeds: Sequence[int], steps: int, folder: Path) -> None:
    """Train what is not trained yet; print each study's table."""
    for count in range(1, len(seeds) + 1):
        for study in studies:
            planned, place = configs(study, steps), _place(folder, study)
            if study == "shift":
                shift(planned, seeds[:count], place)
            else:
                sweep(planned, seeds[:count], place, verbose=False)
            print(f"\n{study}\n{table(read(folder, study), study)}", flush=True)


def table(rows: pd.DataFrame, study: str) -> str:
    """Lay out a study as Markdown: mean and deviation over the seeds of each name."""
    column, title = ("iou", "mIoU") if "map" in study else ("f1", "F1")
    heads = ("what", "accuracy, %", f"{title}, %", "parameters", "seeds")
    lines = []
    for name, runs in rows.groupby("name", sort=False):
        scores = [page.mean_and_deviation(100 * runs[c]) for c in ("accuracy", column)]
        lines.append((name, *scores, f"{runs['parameters'].iloc[0]:,.0f}", len(runs)))
    return page.markdown(heads, lines)


def table_of_sets(sets: pd.DataFrame, maps: pd.DataFrame) -> str:
    """Lay out scenes and maps side by side; cells of what was not measured are empty.

    Args:
        sets, maps: of `read`; `maps` may have no rows.
    """
    heads = ("set", "scenes: F1, %", "accuracy, %", "maps: mIoU, %", "accuracy, %")
    lines = []
    for name, scenes in sets.groupby("name", sort=False):
        parts = (scenes, "f1"), (maps[maps["name"] == name], "iou")
        cells = [
            page.mean_and_deviation(100 * runs[c])
            for runs, column in parts
            for c in (column, "accuracy")
        ]
        seeds = ", ".join(str(len(runs)) for runs, _ in parts if len(runs))
        lines.append((name, *cells, seeds))
    return page.markdown((*heads, "seeds"), lines)


def verdicts(rows: pd.DataFrame) -> str:
    """Lay out what each addition changes in F1, seed by seed, as Markdown."""
    lines = []
    for added, name, without in ADDED:
        gains = page.gains_over(rows, "f1", name, without)
        if len(gains):
            mean, each = f"{gains.mean():+.1f}", page.seed_by_seed(gains)
            lines.append((added, without, mean, each, page.verdict(gains)))
    heads = ("added", "to", "gain in F1, points", "seed by seed", "verdict")
    return page.markdown(heads, lines)


def update_page(folder: Path) -> None:
    """Write the finished studies into docs/fusion.md, and its picture."""
    done = [s for s in STUDIES if (_place(folder, s) / "runs.csv").exists()]
    rows = {study: read(folder, study) for study in done}
    parts: dict[str, str] = {s: table(rows[s], s) for s in done if len(rows[s])}
    parts.pop("maps", None)  # beside the scenes in one table
    if "sets" in parts:
        maps = rows.get("maps", rows["sets"][:0])
        parts["sets"] = table_of_sets(rows["sets"], maps)
        both = pd.concat([rows["sets"], rows["metadata"]])
        parts["verdicts"] = verdicts(both.drop_duplicates(["name", "seed"]))
        figure = modality_gains(rows["sets"], maps)
        page.save_figure(DOCS / "fusion.png", figure, dpi=110)
    parts["machine"] = f"Machine: {page.machine()}."
    page.write_marked(DOCS / "fusion.md", **parts)


def main(
    studies: tuple[Study, ...] = STUDIES,
    seeds: tuple[int, ...] = (0, 1, 2),
    steps: int = STEPS,
    folder: Path = Path("runs/fusion"),
    write_docs: bool = False,
) -> None:
    """Train the studies.

    Args:
        studies: sets, metadata, fusions, shift, maps, fixmatch, map_fusions.
        seeds: each draws the split, the initial weights and the order of images.
        steps: of each training; the page's text says 500.
        folder: for the runs.
        write_docs: write what is finished into docs/fusion.md.
    """
    run(studies, seeds, steps, folder)
    if write_docs:
        update_page(folder)


if __name__ == "__main__":
    page.run_command(main, __doc__)
