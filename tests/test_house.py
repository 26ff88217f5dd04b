"""The files that describe the house agree with each other and with the code."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from workshop_lib import __version__, doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "workshop_lib"
SPEC = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SPEC["project"]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Where the name one imports is not the name one installs.
DISTRIBUTION = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}

# What each room must not know of: arrows go downwards only.
_ORDER = ("data", "augment", "losses", "models", "methods", "training", "evaluation")
ABOVE = {room: (*_ORDER[i + 1 :], "report") for i, room in enumerate(_ORDER)} | {
    "plots": ("training", "evaluation", "report", "methods")
}
# What only the top knows of: nothing below imports it.
TOP = ("cli", "commands", "experiments", "course")


def core() -> list[Requirement]:
    return [Requirement(line) for line in PROJECT["dependencies"]]


def declared() -> list[Requirement]:
    """Everything pyproject names: core, extras and build, less the package itself."""
    extras = PROJECT["optional-dependencies"].values()
    lines = [line for extra in extras for line in extra]
    lines += SPEC["build-system"]["requires"]
    found = core() + [Requirement(line) for line in lines]
    return [one for one in found if one.name != PROJECT["name"]]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def holds(requirement: Requirement, python: str) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({"python_version": python})


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """The dotted names a module imports; those inside functions too, unless told."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_has_exactly_one_pin_that_its_bound_allows(python: str):
    pinned = {canonicalize_name(p.name): p for p in pins() if holds(p, python)}
    assert len(pinned) == sum(holds(p, python) for p in pins()), (
        "a package pinned twice"
    )
    for requirement in declared():
        if not holds(requirement, python):
            continue
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in constraints.txt for Python {python}"
        (pin,) = pinned[name].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{name} {pin.version}"


def test_constraints_pin_nothing_else_and_hold_no_address():
    names = {canonicalize_name(one.name) for one in declared()}
    assert {canonicalize_name(one.name) for one in pins()} <= names
    assert "//" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_dependencies_are_lower_bounds_only():
    # An upper bound makes Colab downgrade a package that is already imported.
    for requirement in core():
        assert [one.operator for one in requirement.specifier] == [">="], requirement


def test_conda_environment_mirrors_pyproject():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    items = yaml.safe_load(text)["dependencies"]
    conda = {Requirement(item).name: item for item in items if isinstance(item, str)}
    assert set(conda) == {"python", "pip"}, "every other package comes from pyproject"

    bounds = Requirement(conda["python"]).specifier
    assert PROJECT["requires-python"] in {str(bound) for bound in bounds}
    assert [one for one in PYTHONS if bounds.contains(one)] == list(PYTHONS)

    (pip,) = (item["pip"] for item in items if isinstance(item, dict))
    assert "-c constraints.txt" in pip
    (editable,) = re.findall(r"-e \.\[(\w+)\]", "\n".join(pip))
    assert editable in PROJECT["optional-dependencies"]
    assert len(pip) == 2


def test_extras_are_the_four_that_the_readme_may_promise():
    assert set(PROJECT["optional-dependencies"]) == {"pretrained", "geo", "dev", "test"}


def test_doctor_asks_for_what_pyproject_asks_for():
    torch = next(one for one in core() if one.name == "torch")
    assert torch.specifier == SpecifierSet(f">={doctor.TORCH[0]}.{doctor.TORCH[1]}")


def test_installed_version_is_the_one_in_the_code():
    assert version("workshop_lib") == __version__


def test_modules_import_at_the_top_only_core_dependencies():
    allowed = {canonicalize_name(one.name) for one in core()} | {"workshop-lib"}
    for path in modules():
        for name in imports(path, top_level_only=True):
            root = name.split(".")[0]
            missing = ("fcntl", "grp", "pwd", "resource", "termios")  # on Windows
            assert root not in missing, f"{path.name} imports {root} at the top"
            if root not in sys.stdlib_module_names:
                package = canonicalize_name(DISTRIBUTION.get(root, root))
                assert package in allowed, f"{path.name} imports {root}"


def test_imports_go_one_way():
    for path in modules():
        room, *_ = path.relative_to(PACKAGE).parts
        if room.removesuffix(".py") in TOP:
            continue
        for above in (*ABOVE.get(room, ()), *TOP):
            prefix = f"workshop_lib.{above}"
            wrong = [n for n in imports(path) if n == prefix or prefix + "." in n]
            assert not wrong, f"{path.relative_to(ROOT)} must not import {wrong}"


def test_no_function_or_class_bears_the_name_of_its_module():
    # `from workshop_lib.data import audit` would be a module or a function by chance
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if getattr(node, "name", "") == path.stem:
                raise AssertionError(f"{path.relative_to(ROOT)} defines {path.stem}")


def dotted() -> dict[str, Path]:
    """Every module by the name it is imported by."""
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in modules()]
    whole = zip(names, modules(), strict=True)
    return {name.removesuffix(".__init__"): path for name, path in whole}


def test_no_module_imports_itself_by_way_of_others():
    known, graph = dotted(), {}
    for name, path in known.items():
        found = imports(path, top_level_only=True)
        # `from package import module` needs the module, not what its package exports
        bare = {one.rpartition(".")[0] for one in found & known.keys()}
        used = {one.rpartition(".")[0] for one in found - known.keys()}
        graph[name] = (found & known.keys()) - (bare - used) - {name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def test_no_small_module_serves_a_single_other():
    known = dotted()
    users: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        if path.name != "__init__.py":  # which exports a name, and has no use for it
            for one in imports(path) & known.keys() - {name}:
                users[one].add(name)
    small = {
        name
        for name, path in known.items()
        if path.name != "__init__.py"
        and len(path.read_text("utf-8").splitlines()) < 120
    }
    alone = {name for name in small if len(users[name]) == 1}
    assert alone == set(), "put them into the module that imports them"


def test_modules_stay_readable():
    for path in modules():
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= 300, f"{path.relative_to(ROOT)} has {lines} lines: split it"


# Lines of code without docstrings and comments, and modules: what a room adds, it takes
# away elsewhere. Lower these when the house shrinks.
LARGEST = {"workshop_lib": (18_000, 150), "tests": (21_000, 190)}
LARGEST |= {"benchmarks": (2_200, 22), "slides": (200, 2)}


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank one, no comment, no docstring."""
    text = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and ast.get_docstring(node) is not None:
                docstrings |= set(range(first.lineno, (first.end_lineno or 0) + 1))
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT}
    skipped |= {tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


@pytest.mark.parametrize("room", LARGEST)
def test_the_house_does_not_grow(room: str):
    paths = sorted((ROOT / room).rglob("*.py"))
    paths = [path for path in paths if "node_modules" not in path.parts]
    lines, modules = LARGEST[room]
    assert sum(map(code_lines, paths)) <= lines, f"{room}: more code than {lines}"
    assert len(paths) <= modules, f"{room}: more than {modules} modules"


def test_files_beside_the_code_are_packaged():
    # Colab installs a wheel: what the pattern list forgets is missing only there.
    patterns = SPEC["tool"]["setuptools"]["package-data"]["workshop_lib"]
    for path in PACKAGE.rglob("*"):
        if path.is_dir() or path.suffix in (".py", ".pyc"):
            continue
        inside = path.relative_to(PACKAGE)
        assert any(inside.match(one) for one in patterns), (
            f"package-data lacks {inside}"
        )


def test_licence_states_both():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in text and "CC-BY-4.0" in text
    assert PROJECT["license"] == "MIT AND CC-BY-4.0"


@pytest.mark.slow
@pytest.mark.parametrize("python", [PYTHONS[0], PYTHONS[-1]])
def test_pins_can_be_installed_together(python: str):
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--all-extras"]
    command += ["--python-version", python, "-c", "constraints.txt", "pyproject.toml"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    if "No module named uv" in done.stderr:
        pytest.skip("uv is not installed beside this Python")
    if re.search(r"error sending request|dns error|timed out", done.stderr):
        pytest.skip("no package index within reach")
    assert done.returncode == 0, done.stderr
    (torch,) = re.findall(r"^torch==(\S+)", done.stdout, re.MULTILINE)
    expected = next(p for p in pins() if p.name == "torch" and holds(p, python))
    assert expected.specifier.contains(torch)
