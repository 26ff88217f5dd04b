"""`workshop ...`: the library from a shell."""

__all__ = ["COMMANDS", "main"]

import ast
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import tyro

import workshop_lib
from workshop_lib.errors import WorkshopError, unknown_name

# Each command and its module, which is imported when the command runs.
_ROOM = "workshop_lib.commands"
COMMANDS = {
    "quickstart": f"{_ROOM}.experiments",
    "train": f"{_ROOM}.train",
    "compare": f"{_ROOM}.experiments",
    "results": f"{_ROOM}.experiments",
    "evaluate": f"{_ROOM}.train",
    "predict": f"{_ROOM}.predict",
    "map": f"{_ROOM}.map",
    "embed": f"{_ROOM}.embed",
    "report": f"{_ROOM}.report",
    "budget": f"{_ROOM}.train",
    "slurm": f"{_ROOM}.slurm",
    "submit": f"{_ROOM}.leaderboard",
    "leaderboard": f"{_ROOM}.leaderboard",
    "data": f"{_ROOM}.data",
    "split": f"{_ROOM}.data",
    "notebooks": f"{_ROOM}.notebooks",
    "doctor": f"{_ROOM}.data",
}
_HELP = ("-h", "--help")
_FOLDER = Path(workshop_lib.__file__).parents[1]


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

        return doctor()  # before anything needs torch, which may be what is broken
    if not args or args[0] in _HELP:
        print(_overview())
        return 0 if args else 2
    try:
        name, *rest = args
        if name not in COMMANDS:
            raise unknown_name("command", name, COMMANDS)
        code = tyro.cli(
            _command(name, rest),
            prog=f"workshop {name}",
            args=rest,
            config=(tyro.conf.OmitArgPrefixes,),
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


def _command(name: str, args: list[str]) -> Callable[..., Any]:
    """Import a command; one that takes a config gets a flag for each setting."""
    command: Callable[..., Any] = getattr(import_module(COMMANDS[name]), name)
    if "config" not in inspect.signature(command).parameters:
        return command
    from workshop_lib.commands.options import with_settings

    return with_settings(command, args)


def _overview() -> str:
    """List the commands, each with the first line of its help."""
    lines = [
        "usage: workshop COMMAND [OPTIONS]",
        "",
        "Learning from few labels in remote sensing.",
        "",
    ]
    for name, module in COMMANDS.items():
        path = _FOLDER.joinpath(*module.split(".")).with_suffix(".py")
        # Read, not imported: that would take as long as all commands together
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                first = (ast.get_docstring(node) or "").splitlines()[0]
                lines.append(f"  {name:12s}{first}")
    return "\n".join([*lines, "", "`workshop COMMAND --help` explains its options."])


def _explain(error: Exception) -> int:
    """Explain a full disk, a lost file or memory that ran out; raise anything else."""
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
