"""`workshop ...`: the library from a shell."""

__all__ = ["COMMANDS", "main"]

import inspect
import sys

import tyro

from workshop_lib.commands import datasets, experiments, runs, training
from workshop_lib.commands.options import with_settings
from workshop_lib.errors import WorkshopError, unknown_name

COMMANDS = {
    command.__name__: command
    for command in (
        *(experiments.quickstart, training.train, training.pretrain),
        *(experiments.compare, experiments.results, runs.evaluate, runs.predict),
        *(runs.map, runs.embed, experiments.report, training.budget, training.slurm),
        *(experiments.submit, experiments.leaderboard, datasets.data, datasets.split),
        *(datasets.notebooks, datasets.doctor),
    )
}


def main(args: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 the doctor or a check of data or notebooks found
        something amiss, 2 wrong use or a mistake the user can mend, 130 stopped with
        Ctrl-C.
    """
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help"):
        print(_overview())
        return 0 if args else 2
    try:
        name, *rest = args
        if name not in COMMANDS:
            raise unknown_name("command", name, COMMANDS)
        command = COMMANDS[name]
        if "config" in inspect.signature(command).parameters:
            command = with_settings(command, rest)
        flat = (tyro.conf.OmitArgPrefixes,)
        code = tyro.cli(command, prog=f"workshop {name}", args=rest, config=flat)
    except WorkshopError as error:
        print(f"workshop: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"\nworkshop: {str(stopped) or 'stopped'}", file=sys.stderr)
        return 130
    except (OSError, RuntimeError, MemoryError) as error:
        return _explain(error)
    return int(code or 0)


def _overview() -> str:
    """List the commands, each with the first line of its help."""
    lines = [
        "usage: workshop COMMAND [OPTIONS]",
        "",
        "Learning from few labels in remote sensing.",
        "",
        *(
            f"  {name:12s}{inspect.getdoc(command)}".splitlines()[0]
            for name, command in COMMANDS.items()
        ),
        "",
        "`workshop COMMAND --help` explains its options.",
    ]
    return "\n".join(lines)


def _explain(error: Exception) -> int:
    """Explain a full disk, a lost file or memory that ran out; raise anything else."""
    from workshop_lib.session import is_out_of_memory

    said = str(error)
    if is_out_of_memory(error):
        said = "out of memory: use smaller images (--size) or a smaller --batch-size"
    elif not isinstance(error, OSError):
        raise error
    print(f"workshop: {said}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
