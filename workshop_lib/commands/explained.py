"""Settings and hyperparameters with their explanations, read from the source.

Importing the methods would load torch, which takes seconds.
"""

__all__ = ["Option", "hyperparameters", "method_names", "settings"]

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_type_hints

from workshop_lib.errors import unknown_name

_FOLDER = Path(__file__).parents[1] / "methods"
_TYPES = {"float": float, "int": int, "bool": bool, "str": str, "Literal": Literal}
_ENTRY = re.compile(r"    (\w+(?:, \w+)*): (.*)")  # of the Args of a docstring
_ELSEWHERE = re.compile(r"(?:see|as in) `(\w+)`")  # explained in another class


class Option(NamedTuple):
    """A field of a method or of a section of the config."""

    name: str
    type: Any
    default: Any
    help: str


def settings(section: type) -> dict[str, Option]:
    """Return the settings of a section of the config; comments explain them.

    A comment is above its field, or behind it, or both.
    """
    found: dict[str, Option] = {}
    hints, defaults = get_type_hints(section), {f.name: f for f in fields(section)}
    above: list[str] = []
    for line in inspect.getsource(section).splitlines():
        code, _, comment = line.strip().partition("# ")
        if not code:
            above.append(comment)
            continue
        if start := re.match(r"(\w+): ", code):
            name = start[1]
            if name in defaults:
                text = " ".join([*above, comment] if comment else above)
                found[name] = Option(name, hints[name], defaults[name].default, text)
        above = []
    return found


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
    found: dict[str, Option] = {}
    for node in reversed(list(_lineage(_methods()[method]))):  # the base class first
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or field.value is None:
                continue
            kind, name = ast.unparse(field.annotation), ast.unparse(field.target)
            if kind.startswith("ClassVar"):
                continue
            # Only types of plain values can be in a config
            value = eval(kind, {"__builtins__": {}}, _TYPES)
            default = ast.literal_eval(field.value)
            found[name] = Option(name, value, default, "")
    help_of = _explanations(_methods()[method])
    return {k: v._replace(help=help_of.get(k, "")) for k, v in found.items()}


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
        ast.parse(path.read_text(encoding="utf-8")) for path in _FOLDER.glob("*.py")
    )
    nodes = (node for tree in trees for node in tree.body)
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def _lineage(name: str) -> Iterator[ast.ClassDef]:
    """Yield a class and its base classes, the most derived first."""
    while name in _classes():
        yield _classes()[name]
        name = ast.unparse(_classes()[name].bases[0]) if _classes()[name].bases else ""


def _explanations(name: str) -> dict[str, str]:
    """Return what the docstrings say of each hyperparameter, by name."""
    found: dict[str, str] = {}
    elsewhere: dict[str, str] = {}  # the class that explains it
    for node in _lineage(name):
        text = inspect.cleandoc(ast.get_docstring(node) or "").partition("\nArgs:\n")[2]
        entry: tuple[str, ...] = ()
        for line in text.split("\n\n")[0].splitlines():
            if start := _ENTRY.fullmatch(line):
                entry = tuple(one for one in start[1].split(", ") if one not in found)
                if other := _ELSEWHERE.match(start[2]):
                    elsewhere = {**dict.fromkeys(entry, other[1]), **elsewhere}
                    entry = ()
                found |= dict.fromkeys(entry, start[2])
            else:
                found |= {one: f"{found[one]} {line.strip()}" for one in entry}
    for one, other_class in elsewhere.items():
        if one not in found and one in (known := _explanations(other_class)):
            found[one] = known[one]
    return found
