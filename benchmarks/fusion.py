"""Which modalities are worth combining, and where: docs/fusion.md.

    python -m benchmarks.fusion                          all studies, seeds 0 to 2
    python -m benchmarks.fusion --studies sets maps --seeds 0 1 2 3 4
    python -m benchmarks.fusion --write-docs             and docs/fusion.md, fusion.png

Stops and resumes: what is finished in runs/fusion/ is loaded. Studies: `sets`
classifies scenes from each set of modalities; `maps` draws land cover from them;
`fusions` compares where modalities meet, `map_fusions` the same for maps; `fixmatch`
asks what unlabelled images add to fused inputs; `shift` trains in four regions and
tests in the fifth, where longitude misleads. Seed by seed: what is there at any moment
compares like with like.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.fusion_page import page
from workshop_lib.data.load import load_dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import score
from workshop_lib.files import write_or_explain, write_text
from workshop_lib.modality_table import SETS, deviations, measure, recipes_of_sets
from workshop_lib.models.predict import predict
from workshop_lib.plots import modality_gains
from workshop_lib.recipe import Recipe, preset
from workshop_lib.session import setup
from workshop_lib.training.loop import train

STUDIES = ("sets", "fusions", "shift", "maps", "fixmatch", "map_fusions")
KINDS = ("early", "middle", "late", "shared")
DOCS = Path(__file__).parents[1] / "docs"
# Sensors that see the ground; a fact alone draws every patch in one colour
MAP_SETS = ("S2", "S1", "elevation", "S2 + S1", "S2 + season", "everything")
FUSED = ("s2", "s1", "climate")
AWAY = 4  # the region that nothing is learnt from


def recipes(study: str, steps: int) -> dict[str, Recipe]:
    """Return what a study trains, by name."""
    base = preset("class").with_(
        method="supervised",
        labeled_view="strong",
        labels_per_class=25,
        steps=steps,
        eval_every=steps // 2,
        precision="fp32",
    )
    if study == "sets":
        return recipes_of_sets(base)
    if study == "fusions":
        found = {kind: base.with_(modalities=FUSED, fusion=kind) for kind in KINDS}
        dropped = base.with_(modalities=FUSED, fusion="late", modality_dropout=0.2)
        return {**found, "late, dropout 0.2": dropped}
    maps = base.with_(task="segment", model="unet-16", labels_per_class=2)
    if study == "map_fusions":
        both = maps.with_(modalities=("s2", "s1"))
        return {kind: both.with_(fusion=kind) for kind in KINDS}
    if study == "maps":
        return recipes_of_sets(maps, {name: SETS[name] for name in MAP_SETS})
    if study == "fixmatch":
        few = base.with_(labels_per_class=4, mu=2)
        semi = few.with_(method="fixmatch", labeled_view="weak")
        pairs = {"S2": ("s2",), "S2 + S1": ("s2", "s1")}
        return {
            f"{name}, {method}": recipe.with_(modalities=modalities)
            for name, modalities in pairs.items()
            for method, recipe in (("supervised", few), ("FixMatch", semi))
        }
    shifted = base.with_(labels_per_class=0)
    return {
        "S1": shifted.with_(modalities=("s1",)),
        "S1 + longitude": shifted.with_(modalities=("s1", "lon")),
    }


def shift(planned: dict[str, Recipe], seeds: list[int], folder: Path) -> pd.DataFrame:
    """Train in four regions; score there, and in the fifth."""
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        for name, recipe in planned.items():
            scenes = load_dataset(recipe)
            away = scenes.metadata["region"] == AWAY
            home = scenes.subset((~away).nonzero().flatten())
            mine = recipe.with_(seed=seed, split_seed=seed)
            split = Split.random(home, labels_per_class=0, seed=seed)
            place = folder / f"{name.lower().replace(' + ', '-')}-{seed}"
            run = train(mine, home, split, folder=place, verbose=False)
            model, normalize = run.load_model()
            there = away.nonzero().flatten()
            for where, some, index in (
                ("home", home, split.test),
                ("away", scenes, there),
            ):
                probs = predict(model, normalize, some.images, index=index)
                found = score(probs, some.labels[index], some.class_names)
                rows.append(
                    {
                        "name": f"{name}, {where}",
                        "seed": seed,
                        "accuracy": found.accuracy,
                        "f1": found.macro_f1,
                        "iou": found.mean_iou,
                        "parameters": run.facts["parameters"],
                        "seconds": run.facts["seconds"],
                    }
                )
        write_text(folder / "rows.csv", pd.DataFrame(rows).to_csv(index=False))
    return pd.DataFrame(rows)


def run(studies: list[str], seeds: list[int], steps: int, folder: Path) -> None:
    """Train what is not trained yet; every study's `rows.csv` grows with each seed."""
    for count in range(1, len(seeds) + 1):
        for study in studies:
            planned = recipes(study, steps)
            if study == "shift":
                rows = shift(planned, seeds[:count], folder / study)
            else:
                rows = measure(planned, seeds[:count], folder / study, verbose=False)
            print(f"\n{study}\n{deviations(rows).round(1).to_string()}", flush=True)


def write_docs(folder: Path, steps: int) -> None:
    """Write docs/fusion.md and its picture from what is finished.

    Raises:
        WorkshopError: the sets of modalities have not been measured.
    """
    paths = {study: folder / study / "rows.csv" for study in STUDIES}
    tables = {k: pd.read_csv(path) for k, path in paths.items() if path.exists()}
    if "sets" not in tables:
        raise WorkshopError(f"{paths['sets']} is missing: run --studies sets first.")
    write_text(DOCS / "fusion.md", page(tables, steps))
    figure = modality_gains(tables["sets"], tables.get("maps", tables["sets"][:0]))
    write_or_explain(
        DOCS / "fusion.png",
        lambda path: figure.savefig(path, format="png", dpi=110, facecolor="white"),
    )
    print(f"written: {DOCS / 'fusion.md'}")


def main() -> None:
    """Read the flags, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", nargs="+", default=list(STUDIES), choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--folder", type=Path, default=Path("runs/fusion"))
    parser.add_argument("--write-docs", action="store_true")
    flags = parser.parse_args()
    setup()
    try:
        run(flags.studies, flags.seeds, flags.steps, flags.folder)
        if flags.write_docs:
            write_docs(flags.folder, flags.steps)
    except WorkshopError as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    main()
