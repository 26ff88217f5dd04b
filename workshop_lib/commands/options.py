"""Flags for every setting and hyperparameter, with the defaults of the preset.

A command that takes a `config` gets, in its place, a flag for each setting in four
groups, one for each hyperparameter of the method, and `--preset`, `--task` and
`--method`, which decide the defaults that `--help` shows. Hyperparameters are read from
the source of the methods: importing them would load torch, which takes seconds.
"""

__all__ = ["Option", "hyperparameters", "method_names", "with_settings"]

import argparse
import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, make_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import tyro

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.presets import (
    TASKS,
    TIMES,
    preset,
    preset_hyperparameters,
    preset_settings,
    preset_time,
    usual_method,
)
from workshop_lib.settings import SECTIONS

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_FOLDER = Path(__file__).parents[1] / "methods"
_TYPES = {"float": float, "int": int, "bool": bool, "str": str, "Literal": Literal}
# An entry of the Args of a docstring, with the lines that continue it
_ENTRY = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", re.MULTILINE)


class Option(NamedTuple):
    """A hyperparameter of a method."""

    type: Any
    default: Any
    help: str


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
    own = inspect.signature(command).parameters
    several = "hyperparameters" in own
    usual = command.__name__ if command.__name__ in TASKS else "scenes"
    time, task, method = _choices(args, usual)
    changed = preset_settings(time, task)
    known = _of_all_methods() if several else _of_method(method, time, task)
    _check_flags(args, known, method)

    hints = get_type_hints(command, include_extras=True)
    flags = {
        name: (hints[name], one.default)
        for name, one in own.items()
        if name not in ("config", "hyperparameters", "time")
    }
    names = ", ".join(method_names())
    choices = [
        ("preset", time, f"time at hand, which sets defaults: {', '.join(TIMES)}"),
        ("task", task, f"what to learn, which sets defaults: {', '.join(TASKS)}"),
        ("method", method, f"{names}. --method NAME --help shows its own"),
    ][: 2 if several else 3]
    for name, default, text in choices:
        flags[name] = Annotated[str, tyro.conf.arg(help=text)], default
    for name, section in SECTIONS.items():
        mine = {f.name: changed[f.name] for f in fields(section) if f.name in changed}
        flags[name] = section, section(**mine)
    group = _group(known)
    flags["hyperparameter"] = group, group()

    def run(**given: Any) -> Any:
        for name, *_ in choices:  # which have been read already
            del given[name]
        of_method = vars(given.pop("hyperparameter"))
        sections = {name: given.pop(name) for name in SECTIONS}
        if not several:
            config = preset(time, task, method, **sections, **of_method)
            return command(config=config, **given)
        chosen = {k: v for k, v in of_method.items() if v is not None}
        return command(preset(time, task, **sections), chosen, time, **given)

    parameters = [
        inspect.Parameter(name, _KEYWORD, default=default, annotation=kind)
        for name, (kind, default) in flags.items()
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {name: kind for name, (kind, _) in flags.items()}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run


def _choices(args: Sequence[str], usual: str) -> tuple[str, str, str]:
    """Read preset, task and method from a command line, before all else.

    Args:
        args: the command line.
        usual: the task if none is given.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("preset", "task", "method"):
        parser.add_argument(f"--{name}", nargs="?")
    found, _ = parser.parse_known_args(list(args))
    task = found.task or usual
    return found.preset or preset_time(), task, found.method or usual_method(task)


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


def _of_method(method: str, time: str, task: str) -> dict[str, Option]:
    """Return a method's hyperparameters with the preset's defaults."""
    known = hyperparameters(method)
    changed = preset_hyperparameters(method, known, time, task)
    return {k: v._replace(default=changed.get(k, v.default)) for k, v in known.items()}


def _of_all_methods() -> dict[str, Option]:
    """Return the hyperparameters of all methods, unset."""
    return {
        name: one._replace(type=one.type | None, default=None)
        for method in method_names()
        for name, one in hyperparameters(method).items()
    }


def _group(options: dict[str, Option]) -> type:
    """Make a group of flags. They are checked together when the config is made."""
    made = [
        (name, Annotated[one.type, tyro.conf.arg(help=one.help)], one.default)
        for name, one in options.items()
    ]
    doc = "Of the method, or of those compared."
    return make_dataclass("Group", made, namespace={"__doc__": doc})


def method_names() -> list[str]:
    """List the names of all methods."""
    return list(_methods())


@cache
def hyperparameters(method: str) -> dict[str, Option]:
    """Return the hyperparameters of a method by name, without importing it.

    Raises:
        WorkshopError: an unknown method; lists the known ones and the nearest.

    >>> hyperparameters("fixmatch")["threshold"].default
    0.95
    """
    if method not in _methods():
        raise unknown_name("method", method, _methods())
    lineage = list(_lineage(_methods()[method]))
    help_of = _explanations((*lineage, *_classes().values()))
    found: dict[str, Option] = {}
    for node in reversed(lineage):  # the base class first
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or field.value is None:
                continue
            kind, name = ast.unparse(field.annotation), ast.unparse(field.target)
            if not kind.startswith("ClassVar"):
                # Only types of plain values can be in a config
                value = eval(kind, {"__builtins__": {}}, _TYPES)
                default = ast.literal_eval(field.value)
                found[name] = Option(value, default, help_of.get(name, ""))
    return found


@cache
def _methods() -> dict[str, str]:
    """Return the class of each method, by name: the table METHODS."""
    for node in ast.parse((_FOLDER / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "METHODS":
            assert isinstance(node.value, ast.Dict)
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {str(ast.literal_eval(k)): ast.unparse(v) for k, v in pairs if k}
    raise TypeError(f"{_FOLDER / '__init__.py'} has no table METHODS")


@cache
def _classes() -> dict[str, ast.ClassDef]:
    """Return the source of every class in the folder of methods, by name."""
    trees = (
        ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(_FOLDER.glob("*.py"))
    )
    nodes = (node for tree in trees for node in tree.body)
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def _lineage(*names: str) -> Iterator[ast.ClassDef]:
    """Yield classes and their base classes, level by level, the most derived first."""
    nodes = [_classes()[name] for name in names if name in _classes()]
    if nodes:
        yield from nodes
        yield from _lineage(*(ast.unparse(base) for n in nodes for base in n.bases))


def _explanations(classes: Iterable[ast.ClassDef]) -> dict[str, str]:
    """Return what docstrings say of each hyperparameter; the first that explains it.

    An entry such as "see `FixMatch`" explains nothing itself.
    """
    found: dict[str, str] = {}
    for node in classes:
        text = inspect.cleandoc(ast.get_docstring(node) or "").partition("\nArgs:\n")[2]
        for names, help_ in _ENTRY.findall(text.split("\n\n")[0]):
            if not help_.startswith(("see `", "as in `")):
                for name in names.split(", "):
                    found.setdefault(name, " ".join(help_.split()))
    return found
