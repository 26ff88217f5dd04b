"""What else matters for maps: the optimiser, the loss, a trunk that has seen scenes.

    python -m benchmarks.segmentation_choices                  all three studies
    python -m benchmarks.segmentation_choices --studies losses --seeds 0 1 2
    python -m benchmarks.segmentation_choices --write-docs     and docs/segmentation.md

Stops and resumes: finished runs in runs/bench/segmentation_choices/ are loaded. Thirty
labelled tiles of MiniEO, supervised, strong views. Every optimiser gets the best of
a few learning rates, by validation on another generator seed (mini_eo:11), never by
what is reported. A trunk that starts from scenes was trained before to classify, on 25
labels per class of the same training part.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.segmentation import PAGE, write_page
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.evaluation.segmentation import evaluate_segmentation
from workshop_lib.recipe import Recipe, preset
from workshop_lib.session import setup
from workshop_lib.training.loop import train

MARK = "choices"
STUDIES = ("optimizers", "losses", "pretraining")
TUNED_ON, TUNING_SEED = "mini_eo:11", 10
RATES = {
    "plain_sgd": (0.03, 0.1, 0.3, 1.0),
    "momentum": (0.003, 0.01, 0.03, 0.1),
    "sgd": (0.003, 0.01, 0.03, 0.1),
    "adagrad": (0.003, 0.01, 0.03),
    "rmsprop": (0.0005, 0.001, 0.003),
    "adam": (0.001, 0.002, 0.005),
    "adamw": (0.001, 0.002, 0.005, 0.01),
}
LOSSES = {
    "cross-entropy": {},
    "cross-entropy, classes alike": {"rare_classes": 1.0},
    "focal": {"mask_loss": "focal"},
    "Dice": {"mask_loss": "dice"},
    "cross-entropy + Dice": {"mask_loss": "cross_entropy+dice"},
}


def base_recipe(steps: int) -> Recipe:
    """Return what all studies share: thirty tiles, supervised, strong views."""
    return preset("segment").with_(
        method="supervised",
        labels_per_class=3,
        steps=steps,
        eval_every=max(1, steps // 4),
        precision="fp32",
    )


def optimizer_recipe(base: Recipe, name: str, rate: float) -> Recipe:
    """Give the recipe this optimiser, with the decay that is usual for it."""
    decay = base.weight_decay if name == "adamw" else 5e-4  # adds to the gradient
    return base.with_(optimizer=name, lr=rate, weight_decay=decay)


def best_rate(base: Recipe, name: str, folder: Path) -> float:
    """Return the learning rate with the best validation mIoU on the tuning data."""
    scored = {}
    tuned = base.with_(data=TUNED_ON, seed=TUNING_SEED, split_seed=TUNING_SEED)
    scenes = load_dataset(tuned)
    split = make_split(tuned, scenes)
    for rate in RATES[name]:
        recipe = optimizer_recipe(tuned, name, rate)
        place = folder / "rates" / f"{name}-{rate}"
        run = train(recipe, scenes, split, folder=place, verbose=False)
        scored[rate] = float(run.log["val_miou"].max())
    print(name, {rate: round(value, 3) for rate, value in scored.items()}, flush=True)
    return max(scored, key=lambda rate: scored[rate])


def with_trunk(recipe: Recipe, place: Path) -> Recipe:
    """Train a classifier of scenes, and let the recipe's FCN go on from its trunk."""
    scenes_first = preset("class").with_(
        method="supervised",
        labeled_view="strong",
        model="resnet18",
        labels_per_class=25,
        steps=recipe.steps,
        eval_every=recipe.eval_every,
        precision="fp32",
        seed=recipe.seed,
        split_seed=recipe.split_seed,
    )
    scenes = load_dataset(scenes_first)
    split = make_split(scenes_first, scenes)
    hidden = set(make_split(recipe, scenes).test.tolist())
    seen = set(split.labeled.tolist()) | set(split.val.tolist())
    if hidden & seen:
        raise AssertionError("the classifier would see test tiles of the maps")
    train(scenes_first, scenes, split, folder=place, verbose=False)
    return recipe.with_(start_from=str(place))


def planned(study: str, base: Recipe, seed: int, folder: Path) -> dict[str, Recipe]:
    """Return what a study trains with one seed, by name."""
    base = base.with_(seed=seed, split_seed=seed)
    if study == "optimizers":
        return {
            f"{name}, {(rate := best_rate(base, name, folder))}": optimizer_recipe(
                base, name, rate
            )
            for name in RATES
        }
    if study == "losses":
        return {name: base.with_(**knobs) for name, knobs in LOSSES.items()}
    fcn = base.with_(model="fcn-resnet18")
    trunk = folder / "pretraining" / f"scenes-{seed}"
    return {
        "U-Net, random weights": base,
        "FCN, random weights": fcn,
        "FCN, trunk from scenes": with_trunk(fcn, trunk),
    }


def run(studies: list[str], seeds: list[int], steps: int, folder: Path) -> pd.DataFrame:
    """Train what is not trained yet; returns a row per training."""
    rows = []
    base = base_recipe(steps)
    scenes = load_dataset(base)
    for study in studies:
        for seed in seeds:
            for name, recipe in planned(study, base, seed, folder).items():
                split = make_split(recipe, scenes)
                place = folder / study / f"{name}-{seed}".replace(", ", "-")
                done = train(recipe, scenes, split, folder=place, verbose=False)
                found = evaluate_segmentation(done, scenes, split)
                row = {
                    "study": study,
                    "choice": name,
                    "seed": seed,
                    "miou": found.scores.mean_iou,
                    "accuracy": found.scores.accuracy,
                    "rare": float(min(found.scores.iou)),
                }
                rows.append(row)
                print(f"{study:12s} {name:30s} {seed}  {row['miou']:.3f}", flush=True)
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> str:
    """Give the table as Markdown: mean and deviation over the seeds, in percent."""
    lines = [
        "| study | choice | mIoU | lowest IoU of a class | accuracy | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for (study, choice), part in table.groupby(["study", "choice"], sort=False):
        miou, rare, right = (100 * part[c] for c in ("miou", "rare", "accuracy"))
        spread = f" ± {miou.std():.1f}" if len(part) > 1 else ""
        lines.append(
            f"| {study} | {choice} | **{miou.mean():.1f}**{spread}"
            f" | {rare.mean():.1f} | {right.mean():.1f} | {len(part)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the flags, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", nargs="+", default=list(STUDIES), choices=STUDIES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/bench/segmentation_choices")
    )
    parser.add_argument("--write-docs", action="store_true")
    flags = parser.parse_args()
    setup()
    table = run(flags.studies, flags.seeds, flags.steps, flags.folder)
    text = summary(table)
    print("\n" + text)
    if flags.write_docs:
        write_page(text, PAGE, mark=MARK)


if __name__ == "__main__":
    main()
