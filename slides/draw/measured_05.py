"""What deck 05 shows of the trainings, read off them once: slides/data/05_*.json."""

__all__ = ["MEASURED", "TITLES"]

from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd

from slides.draw.runs import deck_run, deck_scenes
from workshop_lib.compare import compare
from workshop_lib.evaluation import mcnemar
from workshop_lib.evaluation.evaluate import Evaluation, evaluate
from workshop_lib.evaluation.metrics import score
from workshop_lib.recipe import preset
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.run import Run

# As notebook 05 calls them
TITLES = {
    "supervised": "Supervised, weak",
    "supervised_strong": "Supervised, strong",
    "fixmatch": "FixMatch",
    "comatch": "CoMatch",
}
BOTH = ("supervised_strong", "fixmatch")
SEEDS = (1, 2, 3, 4)  # seed 0 is that of the deck's own runs


@cache
def _evaluated(name: str) -> Evaluation:
    return evaluate(deck_run(name), *deck_scenes())


def origin(*names: str) -> dict[str, Any]:
    """Say which runs the figures of a file come from: folder, steps, seed, labels."""
    return {name: _origin(deck_run(name)) for name in names}


def _origin(run: Run) -> dict[str, Any]:
    recipe = run.recipe
    return {
        "folder": run.folder.as_posix(),
        "labels": int(run.facts["labels"]),
        "steps": recipe.steps,
        "seed": recipe.seed,
        "split_seed": recipe.split_seed,
        "torch": run.facts["torch"].split("+")[0],
    }


def training() -> dict[str, Any]:
    """Read curves and costs off the logs."""
    found: dict[str, Any] = {"runs": origin(*TITLES, "fixmatch_paper")}
    for name in (*TITLES, "fixmatch_paper"):
        run = deck_run(name)
        kept = ["step", "val_accuracy"]
        if "mask_rate" in run.log:
            kept += ["mask_rate", "pseudo_accuracy"]
        best = load_checkpoint(run.folder / "best.pt", needs=("step",))["step"]
        recipe, facts = run.recipe, run.facts
        unlabelled = 0 if recipe.method == "supervised" else recipe.mu
        found[name] = {
            "log": run.log[kept].round(4).to_dict("list"),
            "best_step": int(best),
            "parameters": facts["parameters"],
            "labelled_per_step": recipe.batch_size,
            "unlabelled_per_step": unlabelled * recipe.batch_size,
            "seconds": round(facts["seconds"], 1),
            "peak_memory_gb": round(facts["peak_memory"] / 1e9, 2),
        }
    return found


def scores() -> dict[str, Any]:
    """Score each run on the test images, whole and class by class."""
    scenes, split = deck_scenes()
    truth, K = scenes.labels[split.test], len(scenes.class_names)
    found: dict[str, Any] = {
        "runs": origin(*TITLES),
        "class_names": list(scenes.class_names),
    }
    for name in TITLES:
        result = _evaluated(name)
        top = [score(result.probs, truth, scenes.class_names, k) for k in _upto(K)]
        calibration = result.calibration
        found[name] = {
            "validation": round(float(deck_run(name).log["val_accuracy"].max()), 4),
            "accuracy": result.scores.accuracy,
            "interval": [round(end, 4) for end in result.intervals["accuracy"]],
            "kappa": round(result.scores.kappa, 4),
            "top_k": [one.top_k for one in top],
            "recall": [round(float(v), 4) for v in result.scores.recall],
            "confusion": result.scores.confusion.tolist(),
            "temperature": round(calibration.temperature, 3),
            "ece": [round(calibration.before.ece, 4), round(calibration.after.ece, 4)],
            "reliability": _table(calibration.before.table()),
            "reliability_softened": _table(calibration.after.table()),
        }
    return found


def _upto(K: int) -> range:
    return range(1, K + 1)


def _table(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Give columns for JSON; an empty bin has no mean, and JSON no NaN."""
    columns = table.round(4).astype(object).where(table.notna(), None).to_dict("list")
    return {str(name): list(values) for name, values in columns.items()}


def mistakes() -> dict[str, Any]:
    """List the six mistakes that FixMatch is surest of."""
    scenes, split = deck_scenes()
    probs, truth = _evaluated("fixmatch").probs, scenes.labels[split.test]
    sure, said = probs.max(dim=1)  # (N,), (N,)
    order = sure.argsort(descending=True)
    wrong = order[(said != truth)[order]]
    surest = wrong[:6]
    return {
        "runs": origin("fixmatch"),
        "wrong": len(wrong),
        "surest": {
            "image": split.test[surest].tolist(),
            "probs": probs[surest].double().numpy().round(4).tolist(),
        },
    }


def same_images() -> dict[str, Any]:
    """Compare the two networks image by image."""
    scenes, split = deck_scenes()
    truth = scenes.labels[split.test]
    strong, fix = ((_evaluated(n).probs.argmax(1) == truth).numpy() for n in BOTH)
    test = mcnemar(fix, strong)
    return {
        "runs": origin(*BOTH),
        "both": test.both,
        "only_fixmatch": test.only_a,
        "only_supervised": test.only_b,
        "neither": test.neither,
        "p_value": test.p_value,
        "difference": round(test.difference, 4),
        "interval": [round(end, 4) for end in test.interval()],
    }


def seeds() -> dict[str, Any]:
    """Train both methods on four more draws of the labels: four minutes, resumable."""
    folder = "runs/class/seeds"
    recipe = preset("class")
    compare(recipe, BOTH, [recipe.labels_per_class], SEEDS, folder, verbose=False)
    rows = pd.read_csv(f"{folder}/runs.csv").set_index(["method", "seed"])["accuracy"]
    found: dict[str, Any] = {"runs": origin(*BOTH), "more_seeds": folder}
    found["seeds"] = [deck_run(BOTH[0]).recipe.seed, *SEEDS]
    for name in BOTH:
        first = _evaluated(name).scores.accuracy
        found[name] = [first, *(round(float(rows[name, s]), 4) for s in SEEDS)]
    return found


def pseudo_labels() -> dict[str, Any]:
    """Read off how FixMatch's pseudo-labels fared, class by class, step by step."""
    table = deck_run("fixmatch").pseudo_labels()
    assert table is not None  # FixMatch always counts them
    return {"runs": origin("fixmatch"), "table": table.to_dict("list")}


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "05_training.json": training,
    "05_scores.json": scores,
    "05_mistakes.json": mistakes,
    "05_same_images.json": same_images,
    "05_seeds.json": seeds,
    "05_pseudo_labels.json": pseudo_labels,
}
