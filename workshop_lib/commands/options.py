"""Flags for every setting and hyperparameter, with the defaults of the preset.

A command that takes a `config` gets, in its place, a flag for each setting in four
groups, one for each hyperparameter of the method, and `--preset`, `--task` and
`--method`, which decide the defaults that `--help` shows.
"""

__all__ = ["with_settings"]

import argparse
import inspect
from collections.abc import Callable, Sequence
from dataclasses import field, make_dataclass
from typing import Annotated, Any, get_type_hints

import tyro

from workshop_lib.commands.explained import (
    Option,
    hyperparameters,
    method_names,
    settings,
)
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.presets import (
    TASKS,
    TIMES,
    preset_hyperparameters,
    preset_settings,
    preset_time,
)
from workshop_lib.settings import (
    DataConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
)

_SECTIONS = {
    "data": DataConfig,
    "model": ModelConfig,
    "optim": OptimConfig,
    "run": RunConfig,
}
_MADE_HERE = ("config", "hyperparameters", "time")  # parameters without a flag
_DATA_HELP = (
    'data set: "mini_eo" (or "mini_eo:SEED"), "ucm", "eurosat", "ben_ge", a folder with'
    ' one folder of images per class, a .zip of such a folder, or a .txt with "path'
    ' label" on each line'
)


def with_settings(
    command: Callable[..., Any], args: Sequence[str]
) -> Callable[..., Any]:
    """Replace a command's `config` by flags, with the defaults that `args` ask for.

    A command that also takes `hyperparameters` compares several methods: it gets those
    that are set, of whichever method, and the `time` of the preset.

    Raises:
        WorkshopError: an unknown preset, task or method, or a hyperparameter of another
            method; names the nearest.
    """
    several = "hyperparameters" in inspect.signature(command).parameters
    time, task, method = _choices(args)
    changed = preset_settings(time, task)
    known = _of_all_methods() if several else _of_method(method, time, task)
    _check_flags(args, known, method)
    flags = {
        "preset": (str, time, f"time at hand, which sets defaults: {', '.join(TIMES)}"),
        "task": (str, task, f"what to learn, which sets defaults: {', '.join(TASKS)}"),
    }
    if not several:
        names = ", ".join(method_names())
        flags["method"] = (str, method, f"{names}. --method NAME --help shows its own")
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, tyro.conf.arg(help=text)],
        )
        for name, (kind, default, text) in flags.items()
    ]
    groups = {
        name: _group(section.__doc__, _with_defaults(settings(section), changed))
        for name, section in _SECTIONS.items()
    }
    groups["hyperparameter"] = _group("Of the method, or of those compared.", known)
    added += [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=group(), annotation=group
        )
        for name, group in groups.items()
    ]

    def run(**given: Any) -> Any:
        for name in flags:
            given.pop(name)
        values = {name: vars(given.pop(name)) for name in groups}
        of_method = values.pop("hyperparameter")
        flat = {k: v for section in values.values() for k, v in section.items()}
        if several:
            chosen = {k: v for k, v in of_method.items() if v is not None}
            config = _config(time, task, "fixmatch", flat)
            return command(config, chosen, time, **given)
        return command(
            config=_config(time, task, method, {**flat, **of_method}), **given
        )

    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name not in _MADE_HERE
    ]
    parameters = sorted([*own, *added], key=lambda one: one.kind)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run


def _config(time: str, task: str, method: str, changes: dict[str, Any]) -> Config:
    from workshop_lib.presets import preset

    return preset(time, task, method).replace(**changes)


def _choices(args: Sequence[str]) -> tuple[str, str, str]:
    """Read preset, task and method from a command line, before all else."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("preset", "task", "method"):
        parser.add_argument(f"--{name}", nargs="?")
    found = parser.parse_known_args(list(args))[0]
    time, task = found.preset or preset_time(), found.task or "scenes"
    method = found.method or "fixmatch"
    for kind, name, known in (
        ("preset", time, TIMES),
        ("task", task, TASKS),
        ("method", method, method_names()),
    ):
        if name not in known:
            raise unknown_name(kind, name, known)
    return time, task, method


def _of_method(method: str, time: str, task: str) -> dict[str, Option]:
    """Return a method's hyperparameters with the preset's defaults."""
    known = hyperparameters(method)
    return _with_defaults(known, preset_hyperparameters(method, known, time, task))


def _with_defaults(
    options: dict[str, Option], changed: dict[str, Any]
) -> dict[str, Option]:
    return {
        k: v._replace(default=changed.get(k, v.default)) for k, v in options.items()
    }


def _of_all_methods() -> dict[str, Option]:
    """Return the hyperparameters of all methods, unset."""
    found: dict[str, Option] = {}
    for method in method_names():
        for name, one in hyperparameters(method).items():
            found[name] = one._replace(type=one.type | None, default=None)
    return found


def _check_flags(args: Sequence[str], known: dict[str, Option], method: str) -> None:
    """Say which methods have a hyperparameter that this one lacks.

    Raises:
        WorkshopError: a flag that is a hyperparameter of other methods only.
    """
    for arg in args:
        name = arg.partition("=")[0].removeprefix("--").replace("-", "_")
        name = name.removeprefix("no_")
        others = [one for one in method_names() if name in hyperparameters(one)]
        if arg.startswith("--") and others and name not in known:
            raise WorkshopError(
                f"{arg}: {method} has no {name}; methods that have it:"
                f" {', '.join(others)} (--method {others[0]})."
            )


def _group(doc: str | None, options: dict[str, Option]) -> type:
    """Make a group of flags. They are checked together when the config is made."""
    made = []
    for one in options.values():
        help_, name = one.help, None
        if one.name == "name":
            help_, name = _DATA_HELP, "data"
        about = tyro.conf.arg(name=name, help=help_)
        made.append((one.name, Annotated[one.type, about], field(default=one.default)))
    return make_dataclass("Group", made, namespace={"__doc__": doc})
