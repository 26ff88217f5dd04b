"""The first code cell of every notebook, written in one place.

Colab comes with torch, numpy and most of what we need, and a package that is replaced
after it was imported breaks the session. So the cell adds only what is missing and
never touches torch. The notebooks' generator pastes what `install_cell` returns.
"""

__all__ = ["KEPT", "install_cell"]

import re
import textwrap
from importlib.metadata import PackageNotFoundError, metadata

from workshop_lib.errors import WorkshopError

KEPT = ("torch", "torchvision")  # the machine's own build fits its GPU: never replaced

# The library comes last: a cell that was interrupted then starts again when run again.
_TEMPLATE = """\
# Installs workshop_lib where it is missing (Colab). torch stays as it is
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

    Raises:
        WorkshopError: workshop_lib can be imported but was never installed, so that it
            has no metadata.
    """
    try:
        about = metadata("workshop_lib")
    except PackageNotFoundError:
        raise WorkshopError(
            "workshop_lib is imported from a folder but not installed, so the address"
            " in pyproject.toml is out of reach: run `make setup` or `pip install -e .`"
        ) from None
    urls = dict(line.split(", ", 1) for line in about.get_all("Project-URL") or [])
    needs = []
    for requirement in about.get_all("Requires-Dist") or []:
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
    return _TEMPLATE.format(library="git+" + urls["Repository"], needs=lines)
