"""The first code cell of every notebook, written in one place.

Colab comes with torch, numpy and most of what we need, and a package that is replaced
after it was imported breaks the session. So the cell adds only what is missing and
never touches torch. The notebooks' generator pastes what `install_cell` returns.
"""

__all__ = ["KEPT", "install_cell", "release", "repository"]

import re
import textwrap
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata

from workshop_lib import __version__
from workshop_lib.errors import WorkshopError

KEPT = ("torch", "torchvision")  # the machine's own build fits its GPU: never replaced

# The library comes last: a cell that was interrupted then starts again when run again.
_TEMPLATE = """\
# @title Installs what is missing (Colab). torch stays as it is
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("torch") is None:
    raise SystemExit("No torch here: open this in Colab, or use `make lab`")
if importlib.util.find_spec("workshop_lib") is None:
    library = "{library}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    needs = \"\"\"
{needs}
    \"\"\"
    subprocess.check_call([*pip, *needs.split()])
    subprocess.check_call([*pip, "--no-deps", library])
    importlib.invalidate_caches()
"""


def install_cell() -> str:
    """Return the code of the notebooks' install cell.

    The address and the list of packages come from the installed package's metadata,
    hence from pyproject.toml; pip leaves alone whatever satisfies the lower bounds.
    The library is taken at the release that the notebook was made for, so that an old
    copy of a notebook never meets a newer library.

    Raises:
        WorkshopError: workshop_lib can be imported but was never installed, so that it
            has no metadata.
    """
    needs = []
    for requirement in _about().get_all("Requires-Dist") or []:
        if "extra ==" in requirement:
            continue
        name = re.match(r"[\w.-]+", requirement)
        if name is not None and name.group() not in KEPT:
            needs.append(requirement.replace(" ", ""))
    indent = " " * 8
    lines = textwrap.fill(
        " ".join(needs),
        78,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    library = f"git+{repository()}@{release()}"
    return _TEMPLATE.format(library=library, needs=lines)


def repository() -> str:
    """Return the address of the repository, as pyproject.toml gives it.

    Raises:
        WorkshopError: as `install_cell`.
    """
    urls = dict(line.split(", ", 1) for line in _about().get_all("Project-URL") or [])
    return urls["Repository"]


def release() -> str:
    """Return the tag under which this version is published, e.g. "v0.1.0"."""
    return f"v{__version__}"


def _about() -> PackageMetadata:
    try:
        return metadata("workshop_lib")
    except PackageNotFoundError:
        raise WorkshopError(
            "workshop_lib is imported from a folder but not installed, so the address"
            " in pyproject.toml is out of reach: run `make setup` or `pip install -e .`"
        ) from None
