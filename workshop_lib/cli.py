"""`workshop ...`: the library from a shell."""

__all__ = ["COMMANDS", "main"]

import argparse
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import tyro

from workshop_lib.errors import WorkshopError

COMMANDS = (
    "quickstart",
    "train",
    "compare",
    "results",
    "evaluate",
    "predict",
    "map",
    "embed",
    "report",
    "budget",
    "slurm",
    "submit",
    "leaderboard",
    "data",
    "split",
    "notebooks",
    "doctor",
)


def main(args: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 the doctor or a check of data or notebooks found
        something amiss, 2 wrong use or a mistake the user can mend, 130 stopped with
        Ctrl-C.
    """
    args = sys.argv[1:] if args is None else args
    if args == ["doctor"]:
        from workshop_lib.doctor import main as doctor

        return doctor()  # before anything needs torch, which may be what is ill
    try:
        from workshop_lib import commands  # reads the preset, whose name may be wrong

        known = {name: getattr(commands, name) for name in COMMANDS}
        known, args = _take_preset(known, args)
        code = tyro.extras.subcommand_cli_from_dict(
            known,
            prog="workshop",
            description="Learning from few labels in remote sensing.",
            args=args,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
        )
    except WorkshopError as error:
        print(f"workshop: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"\nworkshop: {str(stopped) or 'stopped'}", file=sys.stderr)
        return 130
    except (OSError, RuntimeError, MemoryError) as error:
        return _explain(error)
    return int(code or 0)


def _take_preset(
    known: dict[str, Callable[..., Any]], args: list[str]
) -> tuple[dict[str, Callable[..., Any]], list[str]]:
    """Let `--preset NAME` decide the defaults of a command's knobs; take it away.

    The other flags are read, and explained by --help, against these defaults: so it
    has to be known before them.
    """
    name = args[0] if args else ""
    if name not in known or "recipe" not in inspect.signature(known[name]).parameters:
        return known, args
    parser = argparse.ArgumentParser(
        f"workshop {name}", add_help=False, allow_abbrev=False
    )
    parser.add_argument("--preset")
    found, others = parser.parse_known_args(args)
    if found.preset is None:
        return known, args
    from workshop_lib.recipe import preset

    start = functools.partial(known[name], recipe=preset(found.preset))
    return {**known, name: start}, others


def _explain(error: Exception) -> int:
    """Tell of a full disk, a lost file or memory that ran out; raise anything else."""
    from workshop_lib.session import is_out_of_memory

    if is_out_of_memory(error):
        advice = "out of memory: use smaller images (--size) or a smaller --batch-size"
        print(f"workshop: {advice}", file=sys.stderr)
        return 2
    if isinstance(error, OSError):
        print(f"workshop: {error}", file=sys.stderr)
        return 2
    raise error


if __name__ == "__main__":
    sys.exit(main())
