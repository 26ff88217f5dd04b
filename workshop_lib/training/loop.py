"""From a recipe to a trained run: `train`."""

__all__ = ["train"]

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json, remove_unfinished, write_text
from workshop_lib.ranks import rank, world_size
from workshop_lib.recipe import Recipe
from workshop_lib.session import (
    is_out_of_memory,
    peak_memory,
    pick_device,
    tune_allocator,
    versions,
)
from workshop_lib.training.checkpoint import (
    LAST,
    PREVIOUS,
    save_checkpoint,
    save_last,
)
from workshop_lib.training.distributed import (
    rank_zero_first,
    stop_together,
    wait_for_all,
)
from workshop_lib.training.log import ProgressLog, Row
from workshop_lib.training.resume import Progress, kept
from workshop_lib.training.resume import resume as resume_run
from workshop_lib.training.run import Run, run_identity, what_differs
from workshop_lib.training.signals import signals_between_steps
from workshop_lib.training.trainer import Trainer


def train(
    recipe: Recipe,
    scenes: Scenes,
    split: Split,
    *,
    folder: Path | str | None = None,
    resume: bool = True,
    checkpoint: Literal["last", "previous"] = "last",
    verbose: bool = True,
    on_log: Callable[[Row], None] | None = None,
    device: torch.device | None = None,
) -> Run:
    """Train a model by a recipe; keep the best by validation and the last.

    A finished run of the same recipe and split in `folder` is loaded instead, and an
    interrupted one goes on where its last checkpoint was written: on a CPU the result
    is the same to the last bit. The test images are not touched.

    Args:
        recipe: every knob.
        scenes, split: images, and which of them are labeled, unlabeled, validation.
        folder: where to keep the run; default `runs/<method>-<hash>`.
        resume: False starts anew and overwrites what the folder holds.
        checkpoint: "previous" goes on from the checkpoint before the last, for when the
            last is damaged; also in a finished run.
        verbose: False prints nothing.
        on_log: called with each row of the log (numbers by name), for live plots.
        device: default the GPU if there is one, else the CPU.

    Raises:
        WorkshopError: the folder holds a run of another recipe or split, or a damaged
            checkpoint, or cannot be written; the loss is no number any more, or
            explodes; images do not fit into memory.
    """
    if checkpoint != "last" and not resume:
        raise WorkshopError(
            f"checkpoint={checkpoint!r} with resume=False (--fresh): starting anew goes"
            " on from none. Leave one of the two out."
        )
    device = device or pick_device()
    if device.type == "cpu":
        tune_allocator()
    verbose = verbose and rank() == 0
    folder = Path(folder) if folder else _default_folder(recipe, scenes, split)
    with rank_zero_first():  # the others find the folder made
        if resume and (folder / "recipe.json").exists():
            _check_same(folder, recipe, run_identity(scenes, split, recipe.task))
            if (folder / "run.json").exists() and checkpoint == "last":
                if verbose:
                    print(f"found a finished run of this recipe in {folder}: loaded")
                return Run.load(folder)
        elif rank() == 0:
            _start_folder(folder, recipe, scenes, split)
        if rank() == 0:
            remove_unfinished(folder)
    try:
        trainer = Trainer(recipe, scenes, split, device)
        progress = resume_run(folder, trainer, checkpoint, verbose)
        (folder / "run.json").unlink(missing_ok=True)  # not finished any more
        if verbose and trainer.precision.reason:
            print(f"number format {trainer.precision}")
        _run(trainer, progress, folder, verbose, on_log)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise WorkshopError(
            f"out of memory with batch_size={recipe.batch_size}, mu={recipe.mu},"
            f" size={recipe.size}: halve the batch size or the image size;"
            " `workshop budget` tells what a recipe needs."
        ) from error
    if rank() == 0:
        # The log again: a kill may have come between it and the last checkpoint
        _write_log(folder, progress, trainer)
        facts = _facts(trainer, progress, scenes, split)
        write_text(folder / "run.json", json.dumps(facts, indent=1))
    wait_for_all()
    return Run.load(folder)


def _run(
    trainer: Trainer,
    progress: Progress,
    folder: Path,
    verbose: bool,
    on_log: Callable[[Row], None] | None,
) -> None:
    """Step until the recipe's last step; validate, log and save on the way."""
    recipe = trainer.recipe
    since = time.perf_counter() - progress.seconds
    bar = ProgressLog(recipe.steps, trainer.steps_done, recipe.method, verbose)
    with closing(bar), signals_between_steps() as stop:
        while trainer.steps_done < recipe.steps:
            trainer.step()
            for line in trainer.thrift.news():
                bar.say(line)
            bar.tick()
            last = trainer.steps_done == recipe.steps
            if trainer.numbers.suspects(trainer.steps_done):
                _check_numbers(trainer, folder)
            if last or trainer.steps_done % recipe.eval_every == 0:
                _check_numbers(trainer, folder)
                row = trainer.validate()
                progress.seconds = row["seconds"] = time.perf_counter() - since
                _save(trainer, progress, row, folder, bar, must=last)
                bar.line(row)
                if on_log:
                    on_log(row)
            if stop_together(stop.is_set(), trainer.steps_done):
                _check_numbers(trainer, folder)
                progress.seconds = time.perf_counter() - since
                state = {**trainer.state_dict(), **vars(progress)}
                if rank() == 0:
                    save_last(folder, state)
                wait_for_all()  # one that ends sooner would have the others killed
                raise KeyboardInterrupt(
                    f"stopped at step {trainer.steps_done} of {recipe.steps}; the same"
                    f" command goes on from there ({folder})"
                )


def _check_numbers(trainer: Trainer, folder: Path) -> None:
    """Stop before bad weights are saved over good ones."""
    why = trainer.bad_numbers()
    if why is not None:
        raise WorkshopError(f"{why} {kept(folder)}")


def _save(
    trainer: Trainer,
    progress: Progress,
    row: Row,
    folder: Path,
    bar: ProgressLog,
    must: bool,
) -> None:
    """Write log and checkpoints; a full disk does not end a training before its end."""
    progress.rows.append(row)
    state = trainer.state_dict()  # which all ranks make together
    if rank() != 0:
        return
    try:
        if row[trainer.task.best_by] >= progress.best:
            save_checkpoint(folder / "best.pt", trainer.weights())
            progress.best = row[trainer.task.best_by]
        save_last(folder, {**state, **vars(progress)})
        _write_log(folder, progress, trainer)
    except WorkshopError as error:
        if must:
            raise
        bar.say(f"warning: {error} The training goes on without this checkpoint.")


def _write_log(folder: Path, progress: Progress, trainer: Trainer) -> None:
    write_text(folder / "log.csv", pd.DataFrame(progress.rows).to_csv(index=False))
    classes = trainer.pseudo_labels.table()
    if len(classes):  # none for a method without pseudo-labels
        text = classes.to_csv(index=False, float_format="%.10g")
        write_text(folder / "pseudo_labels.csv", text)
    trainer.task.write(folder)


def _default_folder(recipe: Recipe, scenes: Scenes, split: Split) -> Path:
    """Name a run after its method and a hash of all that it depends on."""
    text = recipe.to_json() + json.dumps(run_identity(scenes, split, recipe.task))
    return (
        Path("runs")
        / f"{recipe.method}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    )


def _start_folder(folder: Path, recipe: Recipe, scenes: Scenes, split: Split) -> None:
    """Write what does not change: the recipe and the names of the images."""
    identity = run_identity(scenes, split, recipe.task)
    write_text(folder / "identity.json", json.dumps(identity))
    for name in ("recipe.json", "run.json", LAST, PREVIOUS, "best.pt", "log.csv"):
        (folder / name).unlink(missing_ok=True)
    for name in (
        "pseudo_labels.csv",
        "pseudo_maps.npz",
        "evaluation.json",
        "predictions.npz",
    ):
        (folder / name).unlink(missing_ok=True)
    split.save(folder / "split", scenes)
    write_text(folder / "recipe.json", recipe.to_json())  # last: a run has begun


def _check_same(folder: Path, recipe: Recipe, identity: dict[str, str]) -> None:
    """Refuse to go on with a run that was something else."""
    found = Recipe.from_json((folder / "recipe.json").read_text(encoding="utf-8"))
    if found != recipe:
        mine, theirs = vars(recipe), vars(found)
        changed = ", ".join(
            f"{k}: {theirs[k]} -> {mine[k]}" for k in mine if mine[k] != theirs[k]
        )
        raise WorkshopError(
            f"{folder} holds a run of another recipe ({changed}): choose another"
            " folder, or start anew with resume=False (--fresh)."
        )
    other = what_differs(read_json(folder / "identity.json"), identity)
    if other:
        raise WorkshopError(
            f"{folder} holds a run on {other}: choose another folder, or start anew"
            " with resume=False (--fresh)."
        )


def _facts(
    trainer: Trainer, progress: Progress, scenes: Scenes, split: Split
) -> dict[str, Any]:
    """Collect what a table of results has to state about this run."""
    return {
        "seconds": progress.seconds,
        "steps": trainer.steps_done,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "labels": len(split.labeled),
        "counts": split.counts(),
        "precision": trainer.precision.name,
        **trainer.thrift.facts(),
        "processes": world_size(),
        "peak_memory": peak_memory(trainer.device),  # bytes
        "class_names": list(trainer.class_names),
        "bands": list(scenes.bands),
        "in_channels": trainer.views.inputs[0].shape[1],
        "is_rgb": scenes.is_rgb,
        **versions(),
    }
