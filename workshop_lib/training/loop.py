"""From a config to a trained run: `train`."""

__all__ = ["train"]

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from workshop_lib import session
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.files import remove_unfinished, write_text
from workshop_lib.methods import Method
from workshop_lib.methods.simclr import COLLAPSED
from workshop_lib.ranks import barrier, rank, rank_zero_first, stop_together, world_size
from workshop_lib.training.checkpoint import resume_run, save_checkpoint, what_is_kept
from workshop_lib.training.log import Progress, Row
from workshop_lib.training.run import (
    Run,
    default_folder,
    holds_run,
    run_identity,
    start_folder,
)
from workshop_lib.training.trainer import Trainer

_COLLAPSE = (
    "warning: the embeddings collapse: all images get nearly the same one, and nothing"
    " is learned. Keep negatives=True; take a temperature of 0.1 to 0.5, a lower lr."
)


def train(
    config: Config,
    scenes: Dataset,
    split: Split,
    *,
    method: Method | None = None,
    folder: Path | str | None = None,
    resume: bool = True,
    checkpoint: Literal["last", "previous"] = "last",
    verbose: bool = True,
    on_log: Callable[[Row], None] | None = None,
    device: torch.device | None = None,
) -> Run:
    """Train a model; keep the best by validation and the last.

    A finished run of the same config and split in `folder` is loaded instead, and an
    interrupted one continues where its last checkpoint was written: on a CPU the result
    is the same to the last bit. The test images are not touched.

    Args:
        config: every setting.
        scenes, split: images, and which of them are labelled, unlabelled, validation.
        method: replaces the config's; the place for a method of one's own.
        folder: where to keep the run; default `runs/<method>-<hash>`.
        resume: False starts anew and overwrites what the folder holds.
        checkpoint: "previous" continues from the checkpoint before the last, for when
            the last is damaged; also in a finished run.
        verbose: False prints nothing.
        on_log: called with each row of the log (numbers by name), for live plots.
        device: default the GPU if there is one, else the CPU.

    Raises:
        WorkshopError: the folder holds a run of another config or split, or a damaged
            checkpoint, or cannot be written; the loss became NaN or explodes; the
            images or the step do not fit into memory.
    """
    if checkpoint != "last" and not resume:
        raise WorkshopError(
            f"checkpoint={checkpoint!r} with resume=False (--fresh): starting anew uses"
            " no checkpoint. Leave one of the two out."
        )
    if method is not None:
        config = config.replace(method=method)
    device = device or session.pick_device()
    if device.type == "cpu":
        session.tune_allocator()
    verbose = verbose and rank() == 0
    identity = run_identity(config, scenes, split)
    folder = Path(folder) if folder else default_folder(config, identity)
    with rank_zero_first():  # the others find the folder made
        if resume and holds_run(folder, config, identity):
            if (folder / "run.json").exists() and checkpoint == "last":
                if verbose:
                    print(f"found a finished run of this config in {folder}: loaded")
                return Run.load(folder, config)
        elif rank() == 0:
            start_folder(folder, config, identity, scenes, split)
        if rank() == 0:
            remove_unfinished(folder)
    try:
        trainer = Trainer(config, scenes, split, device)
        resume_run(folder, trainer, checkpoint, verbose)
        (folder / "run.json").unlink(missing_ok=True)  # not finished any more
        if verbose and trainer.precision.reason:
            print(f"number format {trainer.precision}")
        _run(trainer, folder, verbose, on_log)
    except (RuntimeError, MemoryError) as error:
        if not session.is_out_of_memory(error):
            raise
        raise WorkshopError(
            f"out of memory with batch_size={config.optim.batch_size},"
            f" mu={config.optim.mu}, size={config.data.size}: checkpointing=True takes"
            " a third of the memory for a third more time and changes no number;"
            " micro_batch=16 takes as much as 16 images do; half the size a quarter."
            " `workshop budget` predicts what each needs."
        ) from error
    if rank() == 0:
        # The log again: a kill may have come between it and the last checkpoint
        _write_log(folder, trainer)
        facts = _facts(trainer, scenes, split)
        write_text(folder / "run.json", json.dumps(facts, indent=1))
    barrier()
    return Run.load(folder, config)


def _run(
    trainer: Trainer, folder: Path, verbose: bool, on_log: Callable[[Row], None] | None
) -> None:
    """Step until the last step; validate, log and save on the way."""
    config, total = trainer.config, trainer.config.optim.steps
    since = time.perf_counter() - trainer.seconds
    bar = Progress(total, trainer.steps_done, config.method_name, verbose=verbose)
    with closing(bar), _signals_between_steps() as stop:
        while trainer.steps_done < total:
            trainer.step()
            bar.tick()
            step = trainer.steps_done
            due = step == total or step % config.run.eval_every == 0
            stopping = stop_together(stop.is_set(), step)
            look = due or stopping or trainer.monitor.suspects(step)
            if look and (why := trainer.diagnosis()):  # before bad weights are saved
                raise WorkshopError(f"{why} {what_is_kept(folder)}")
            if due:
                row = trainer.validate()
                trainer.seconds = row["seconds"] = time.perf_counter() - since
                trainer.rows.append(row)
                _save(trainer, folder, bar, must=step == total)
                bar.row(row)
                if row.get("spread", 1.0) < COLLAPSED:
                    bar.say(_COLLAPSE)
                if on_log:
                    on_log(row)
            if stopping:
                trainer.seconds = time.perf_counter() - since
                everything = trainer.state_dict()  # which all ranks make together
                if rank() == 0:
                    save_checkpoint(folder / "last.pt", everything)
                barrier()  # a rank that exits early would kill the others
                raise KeyboardInterrupt(
                    f"stopped at step {step} of {total}; the same command continues"
                    f" from there ({folder})"
                )


def _save(trainer: Trainer, folder: Path, bar: Progress, must: bool) -> None:
    """Write log and checkpoints; a full disk does not end a training before its end."""
    reached = trainer.rows[-1][trainer.best_by]
    # The first is kept whatever it is: R2 of a network that knows nothing is NaN
    better = reached >= trainer.best or not (folder / "best.pt").exists()
    everything = trainer.state_dict()  # which all ranks make together
    if rank() != 0:
        return
    try:
        if better:
            save_checkpoint(folder / "best.pt", trainer.weights())
            trainer.best = everything["best"] = reached
        save_checkpoint(folder / "last.pt", everything)
        _write_log(folder, trainer)
    except WorkshopError as error:
        if must:
            raise
        bar.say(f"warning: {error} The training continues without this checkpoint.")


def _write_log(folder: Path, trainer: Trainer) -> None:
    write_text(folder / "log.csv", pd.DataFrame(trainer.rows).to_csv(index=False))
    classes = trainer.pseudo_labels.table()
    if len(classes):  # none for a method without pseudo-labels
        text = classes.to_csv(index=False, float_format="%.10g")
        write_text(folder / "pseudo_labels.csv", text)
    if trainer.maps is not None:
        trainer.maps.save(folder / "pseudo_maps.npz")


def _facts(trainer: Trainer, scenes: Dataset, split: Split) -> dict[str, Any]:
    """Collect what a table of results has to state about this run."""
    labels, seen = trainer.labels, bool(trainer.method.labeled_views)
    counts = labels.counts(trainer.heads, trainer.inputs.targets)
    return {
        "seconds": trainer.seconds,
        "steps": trainer.steps_done,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "labels": len(labels.stream().unique()) if seen else 0,
        "labels_per_head": counts if seen else {},
        "counts": split.counts(),
        "precision": trainer.precision.name,
        "processes": world_size(),
        "peak_memory": session.peak_memory(trainer.device),  # bytes
        **trainer.inputs.facts(),
        "bands": list(scenes.bands),
        "is_rgb": scenes.is_rgb,
        "is_8bit": scenes.images.dtype == torch.uint8,
        **session.versions(),
    }


@contextmanager
def _signals_between_steps() -> Iterator[threading.Event]:
    """Hold signals back until a step is complete: half a step cannot be saved.

    Ctrl-C, and what a cluster sends to a job whose time is nearly over (SIGTERM,
    SIGUSR1). A second Ctrl-C ends the program at once.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only
        return
    names = ("SIGINT", "SIGTERM", "SIGUSR1")  # not all of them on Windows
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def remember(signum: int, frame: object) -> None:
        if signum == signal.SIGINT:
            signal.signal(signum, before[signum] or signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
