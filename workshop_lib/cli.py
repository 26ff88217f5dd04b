"""`workshop ...`: the library from a shell."""

__all__ = ["main"]

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
        print(f"\nworkshop: {stopped or 'stopped'}", file=sys.stderr)
        return 130
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
