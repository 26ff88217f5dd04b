"""`workshop ...`: the library from a shell."""

__all__ = ["COMMANDS", "main"]

import sys

import tyro

from workshop_lib.errors import WorkshopError

COMMANDS = (
    "quickstart",
    "train",
    "evaluate",
    "predict",
    "report",
    "budget",
    "data",
    "split",
    "doctor",
)


def main(args: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 done, 1 the doctor found something essential missing, 2 wrong
        use or a mistake the user can mend, 130 stopped with Ctrl-C.
    """
    if (sys.argv[1:] if args is None else args) == ["doctor"]:
        from workshop_lib.doctor import main as doctor

        return doctor()  # before anything needs torch, which may be what is ill
    try:
        from workshop_lib import commands  # reads the preset, whose name may be wrong

        code = tyro.extras.subcommand_cli_from_dict(
            {name: getattr(commands, name) for name in COMMANDS},
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
