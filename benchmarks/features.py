"""Real images with few labels, on the features of a frozen backbone: five seeds.

    python -m benchmarks.features ucm FOLDER_OR_ZIP
    python -m benchmarks.features eurosat FOLDER_OR_ZIP --labels 2 4

On the splits that come with the library (`Split.predefined`). The features are computed
first and timed; every training then takes seconds. Stops and resumes: finished runs in
runs/bench/features/ are loaded, and runs.csv there holds a row for each.

With `--task finetune` the last stage of the backbone is trained too, on maps of the
stages before it.
"""

import time
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.page import run_command
from workshop_lib.config import Config
from workshop_lib.data.load import load_dataset
from workshop_lib.errors import unknown_name
from workshop_lib.experiments.baselines import baseline_config
from workshop_lib.experiments.results import as_text, summarize
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.presets import preset
from workshop_lib.session import pick_device
from workshop_lib.training.inputs import open_features

# Side of the images as decoded, and as the backbone sees them.
SIZES = {"ucm": (160, 160), "eurosat": (64, 96)}
LABELS = {"ucm": (4, 25), "eurosat": (2, 4)}
# Method, or baseline, and what it changes
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "supervised, weak": ("supervised", {"propagation_steps": 0}),
    "supervised, strong": ("supervised_strong", {"propagation_steps": 0}),
    "fixmatch as in the paper": ("fixmatch_paper", {"propagation_steps": 0}),
    "fixmatch": ("fixmatch", {"propagation_steps": 0}),
    **{
        f"{name} after propagation": (name, {})
        for name in ("fixmatch", "freematch", "softmatch", "comatch", "ccssl")
    },
}


def base_config(name: str, task: str = "features") -> Config:
    """Return the config of FixMatch after propagation for one data set."""
    size, feature_size = SIZES[name]
    options = {"data": name, "size": size, "feature_size": feature_size}
    return preset("class", task=task, split="predefined", **options)


def main(
    name: tyro.conf.Positional[Literal["ucm", "eurosat"]],
    data: tyro.conf.Positional[Path],
    labels: tuple[int, ...] = (),
    methods: tuple[str, ...] = tuple(METHODS),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    folder: Path = Path("runs/bench/features"),
    views: int | None = None,
    task: Literal["features", "finetune"] = "features",
) -> None:
    """Compute features, train, print.

    Args:
        name: ucm or eurosat.
        data: folder or zip of the data set.
        labels: per class; default those of docs/results.md.
        methods: by the names of `METHODS`.
        seeds: of the predefined splits.
        folder: for the runs.
        views: stored views of each augmentation; default those of the preset.
        task: which preset.
    """
    base = base_config(name, task)
    if views:
        base = base.replace(feature_views=views)
    scenes = load_dataset(str(data), base.data.size)
    start = time.perf_counter()
    wanted = ("none", "weak", "strong")
    open_features(base, {"rgb": scenes.images}, wanted, pick_device())
    seconds = time.perf_counter() - start
    print(f"features of {len(scenes)} images: {seconds:.0f} s", flush=True)
    configs = {}
    for method in methods:
        if method not in METHODS:
            raise unknown_name("method", method, METHODS)
        baseline, changes = METHODS[method]
        config = baseline_config(baseline, base, time="class")
        configs[method] = config.replace(**changes)
    labels = labels or LABELS[name]
    table = sweep(configs, seeds, folder, labels=labels, dataset=scenes)
    print("\n" + as_text(summarize(table)))


if __name__ == "__main__":
    run_command(main, __doc__)
