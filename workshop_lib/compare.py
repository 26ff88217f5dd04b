"""Methods side by side: the same splits, the same steps, several seeds, one table."""

__all__ = ["Planned", "compare", "plan", "time_left"]

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import pandas as pd
from tqdm import tqdm

from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.files import write_text
from workshop_lib.ladder import ladder_recipe
from workshop_lib.methods import build_method
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.report.results import run_row, summarize
from workshop_lib.session import in_notebook
from workshop_lib.training.log import Row, someone_watches
from workshop_lib.training.loop import train

# What makes two lines of runs.csv one run.
_KEY = ["data", "labels_per_class", "method", "seed"]


@dataclass(frozen=True)
class Planned:
    """One training of a comparison."""

    name: str  # a method, or a rung of the ladder
    recipe: Recipe
    folder: Path

    def __str__(self) -> str:
        n = self.recipe.labels_per_class
        labels = f"{n} labels per class" if n else "all labels"
        return f"{self.name}, {labels}, seed {self.recipe.seed}"


def compare(
    base: Recipe,
    methods: Sequence[str],
    labels: Sequence[int] = (4,),
    seeds: int | Sequence[int] = 5,
    folder: Path | str = Path("runs/compare"),
    *,
    fresh: bool = False,
    verbose: bool = True,
) -> pd.DataFrame:
    """Train every method with every number of labels on every seed; tabulate.

    A seed draws the split, the initial weights and the order of images alike, so the
    methods meet on the same images. What is finished in `folder` is loaded, what was
    interrupted goes on: stop with Ctrl-C and call again. `folder/runs.csv` holds a
    line per run, the finished ones at any time. A run that fails (its loss explodes)
    does not keep the others from being trained.

    Args:
        base: the recipe of all; method, labels_per_class, seed and split_seed are set
            here.
        methods: names of methods; "supervised" is the baseline with weak augmentation,
            "supervised_strong" the better one, "supervised_all" the ceiling with all
            labels, which counts once whatever `labels` says.
        labels: numbers of labels per class; 0 for all.
        seeds: how many, counted from 0; or which.
        folder: where the runs go.
        fresh: train anew, also what is finished.
        verbose: False prints nothing.

    Returns:
        The table of `summarize`: a row for each number of labels and method.

    Raises:
        WorkshopError: an unknown method or model, the folder holds runs of another
            recipe, or a run failed: then after the others, which are kept.

    Example:
        compare(preset("ci"), ["supervised_strong", "fixmatch"], labels=[4], seeds=2)
    """
    folder = Path(folder)
    todo = plan(base, methods, labels, seeds, folder)
    for one in todo:  # looked up before any training: a misspelt name costs no night
        build_method(one.recipe, num_classes=2)
    build_model(base.model, in_channels=3, num_classes=2)
    before = _read(folder / "runs.csv")
    scenes = load_dataset(base)
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    with _Progress(todo, verbose) as progress:
        for one in todo:
            progress.start(one)
            try:
                row = _train(one, scenes, fresh, progress)
            except WorkshopError as error:
                failed.append(f"{one}: {error}")
                progress.failed(one, error)
                continue
            rows.append(row)
            table = pd.concat([before, pd.DataFrame(rows)])
            table = table.drop_duplicates(_KEY, keep="last")
            write_text(folder / "runs.csv", table.to_csv(index=False))
            progress.finished(one, row)
    if failed:
        raise WorkshopError(
            f"{len(failed)} of {len(todo)} runs failed; the others are finished, see"
            f" {folder / 'runs.csv'}.\n" + "\n".join(failed)
        )
    return summarize(pd.DataFrame(rows))


def plan(
    base: Recipe,
    methods: Sequence[str],
    labels: Sequence[int],
    seeds: int | Sequence[int],
    folder: Path,
) -> list[Planned]:
    """List the trainings of a comparison, seed by seed.

    In this order a comparison that is stopped halfway has all methods on fewer seeds,
    not fewer methods.

    Raises:
        WorkshopError: nothing to train, or an unknown method.
    """
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    if not (methods and labels and chosen):
        raise WorkshopError(
            f"methods={list(methods)}, labels={list(labels)}, seeds={seeds}: give at"
            " least one of each."
        )
    place = folder / Path(base.data).name.replace(":", "-")
    todo: dict[Path, Planned] = {}
    for seed in chosen:
        for number in labels:
            for name in methods:
                recipe = base.with_(labels_per_class=number, seed=seed, split_seed=seed)
                recipe = ladder_recipe(name, recipe)
                own = f"{name}-{recipe.labels_per_class or 'all'}-{seed}"
                todo[place / own] = Planned(name, recipe, place / own)
    return list(todo.values())


def time_left(
    names: Iterable[str], seconds: dict[str, list[float]], now: float | None = None
) -> float | None:
    """Estimate how long some trainings will take, from those that are finished.

    Args:
        names: of the methods that are still to be trained, once for each run.
        seconds: what finished runs of each method took.
        now: what the run under way will take, by its own pace: the estimate for
            methods that nothing is known of, while no run at all is finished.

    Returns:
        Seconds; None while nothing is known.
    """
    medians = {name: median(values) for name, values in seconds.items()}
    usual = mean(medians.values()) if medians else now
    if usual is None:
        return None
    return sum(medians.get(name, usual) for name in names)


def _train(
    one: Planned, scenes: Scenes, fresh: bool, progress: "_Progress"
) -> dict[str, Any]:
    """Train, or load what is finished; score it once; return its line of the table."""
    split = make_split(one.recipe, scenes)
    run = train(
        one.recipe,
        scenes,
        split,
        folder=one.folder,
        resume=not fresh,
        verbose=False,
        on_log=progress.tick,
    )
    if not (run.folder / "evaluation.json").exists():
        evaluate(run, scenes, split)
    return {**run_row(run.folder), "method": one.name}


def _read(path: Path) -> pd.DataFrame:
    """Read the lines of earlier calls: a call for one more method loses none of them.

    Raises:
        WorkshopError: the file is damaged.
    """
    if not path.exists():
        return pd.DataFrame(columns=_KEY)
    try:
        table = pd.read_csv(path)
        table = table.astype(dict.fromkeys(_KEY[1::2], int) | {"data": str})
    except (ValueError, KeyError) as error:
        raise WorkshopError(
            f"{path} is damaged ({error}): delete it and call again; what is trained is"
            " not trained a second time."
        ) from error
    return table


@dataclass
class _Progress:
    """A bar over all runs with the time left; a line for each where nobody watches."""

    todo: list[Planned]
    verbose: bool
    done: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def __enter__(self) -> "_Progress":
        self.bar = tqdm(
            total=len(self.todo),
            bar_format="{desc} |{bar}| {n:.1f} of {total_fmt} runs{postfix}",
            disable=not (self.verbose and someone_watches()),
            leave=False,
            file=sys.stdout if in_notebook() else sys.stderr,  # red in a notebook
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def start(self, one: Planned) -> None:
        """Name the run that begins."""
        self.bar.set_description_str(str(one))

    def tick(self, row: Row) -> None:
        """Move the bar by what a run has done of its steps."""
        one = self.todo[self.done]
        share = row["step"] / one.recipe.steps
        whole = row["seconds"] / share
        later = [other.name for other in self.todo[self.done + 1 :]]
        left = time_left(later, self.seconds, whole)
        self.bar.n = self.done + share
        self._show((left or 0.0) + (1 - share) * whole)

    def finished(self, one: Planned, row: dict[str, Any]) -> None:
        """Count a run, and say what it reached."""
        self.seconds.setdefault(one.name, []).append(row["seconds"])
        text = f"{one}: {row['accuracy']:.3f}, {row['seconds']:.0f} s"
        self._next(text)

    def failed(self, one: Planned, error: WorkshopError) -> None:
        """Count a run that came to nothing."""
        self._next(f"{one}: FAILED, {error}")

    def _next(self, text: str) -> None:
        self.done += 1
        left = time_left((o.name for o in self.todo[self.done :]), self.seconds)
        if self.verbose:
            after = f"; {_minutes(left)} left" if left else ""
            self.bar.write(f"{text} ({self.done} of {len(self.todo)}{after})")
        self.bar.n = self.done
        self._show(left)

    def _show(self, left: float | None) -> None:
        if left is not None:
            self.bar.set_postfix_str(f"{_minutes(left)} left", refresh=False)
        self.bar.refresh()


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
