"""The command that writes a job script for a cluster."""

__all__ = ["slurm"]

from pathlib import Path

import tyro

from workshop_lib.recipe import Recipe, preset

_PRESET = preset()


def slurm(
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = _PRESET,
    nodes: int = 1,
    gpus: int = 1,
    cpus: int = 4,
    hours: float | None = None,
    options: tuple[str, ...] = (),
    folder: Path | None = None,
    split: Path | None = None,
    out: Path = Path("job.sh"),
) -> None:
    """Write a job script that trains a recipe on a cluster with SLURM.

    The job stops in time, with a checkpoint, is queued again and goes on, until the
    training is finished; the same after a preemption.

    Example: workshop slurm --method comatch --gpus 4 --options partition=gpu

    Args:
        recipe: the knobs.
        nodes: machines.
        gpus: of each machine, with one process for each; 0 trains on CPUs.
        cpus: cores of each process.
        hours: time limit; default: measured in a few steps on this machine, and half
            as much again.
        options: more of sbatch's, without the dashes: partition=gpu account=me.
        folder: where the run goes; default runs/METHOD-HASH.
        split: folder that `workshop split --save` wrote; default: drawn by split_seed.
        out: the script.
    """
    from workshop_lib.files import write_text
    from workshop_lib.methods import build_method
    from workshop_lib.models import build_model
    from workshop_lib.slurm import job_script, minutes_to_ask_for

    build_method(recipe, num_classes=2)
    build_model(recipe.model, in_channels=3, num_classes=2)
    minutes = 60 * hours if hours else minutes_to_ask_for(_measured(recipe))
    script = job_script(
        recipe,
        nodes=nodes,
        gpus=gpus,
        cpus=cpus,
        minutes=round(minutes),
        options=options,
        folder=folder,
        split=split,
    )
    write_text(out, script)
    print(f"written: {out}\nnext: sbatch {out}")


def _measured(recipe: Recipe) -> float:
    """Time a few steps here; say on what, as the cluster is another machine."""
    from workshop_lib.data.load import describe_bands, describe_data
    from workshop_lib.session import versions
    from workshop_lib.training.budget import budget

    images, bands, classes = describe_data(recipe)
    found = budget(
        recipe,
        num_images=images,
        channels=bands,
        num_classes=classes,
        band_names=describe_bands(recipe),
        alternatives=False,
    )
    print(
        f"{found.seconds / 3600:.2f} h for {recipe.steps} steps of one process on"
        f" {versions()['device']}; on another machine give --hours."
    )
    return found.seconds
