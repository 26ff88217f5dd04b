"""The top of every notebook: badges, a link to the glossary, and the set-up cell.

Colab comes with torch, numpy and most of what we need, and replacing a package that is
already imported breaks the session. So the set-up cell installs only what is missing
and never touches torch.
"""

__all__ = ["KEPT", "badges", "repository", "setup_code", "setup_text"]

import re
import textwrap
from importlib.metadata import metadata, requires

from workshop_lib import __version__

KEPT = ("torch", "torchvision")  # the machine's own build fits its GPU: never replaced
_RELEASE = f"v{__version__}"  # the tag under which this version is published
_GLOSSARY = "docs/glossary.md"

_SETUP_TEXT = """\
## Set-up

Run this cell first. In Colab it installs `workshop_lib`, once, in a minute or two;
elsewhere it only looks at the machine. It makes `device`, on which the trainings run.
Colab deletes what you have trained when it disconnects: the README says how to keep it.

A word that you do not know? The [glossary]({glossary}) explains it, for people from
deep learning and for people from remote sensing."""

# The library comes last: a cell that was interrupted then starts again when run again.
_SETUP = """\
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

from workshop_lib import session
from workshop_lib.course import todo

device = session.setup()"""

# Where a notebook of a public GitHub repository can be opened: name -> badge, address
_HOSTS = {
    "Open in Colab": (
        "colab.research.google.com/assets/colab-badge.svg",
        "colab.research.google.com/github/{owner}/blob/{tag}/{path}",
    ),
    "Open in Kaggle": (
        "kaggle.com/static/images/open-in-kaggle.svg",
        "kaggle.com/kernels/welcome?src=https://github.com/{owner}/blob/{tag}/{path}",
    ),
    "Launch Binder": (
        "mybinder.org/badge_logo.svg",
        "mybinder.org/v2/gh/{owner}/{tag}?labpath={path}",
    ),
}


def badges(path: str) -> str:
    """Return the links that open a notebook in a browser, as one line of Markdown.

    They name the release, never a branch: a branch changes later, and a link to a fork
    shows another notebook. Without a network the words stand in for the pictures.

    Args:
        path: the notebook inside the repository, e.g. "notebooks/01_intro.ipynb".

    Returns:
        Empty unless the repository is on GitHub: Colab and Kaggle open no other host.
    """
    owner = _owner()
    if owner is None:
        return ""
    values = {"owner": owner, "tag": _RELEASE, "path": path}
    return " ".join(
        f"[![{name}](https://{badge})](https://{link.format(**values)})"
        for name, (badge, link) in _HOSTS.items()
    )


def setup_text(path: str) -> str:
    """Return the words above the set-up cell, with a link to the glossary.

    A notebook opened from GitHub, as in Colab, has no file beside it: its link leads to
    the release's page. Elsewhere the link leads to the file of the checkout.

    Args:
        path: as for `badges`.
    """
    owner = _owner()
    link = "../" * path.count("/") + _GLOSSARY
    if owner is not None:
        link = f"https://github.com/{owner}/blob/{_RELEASE}/{_GLOSSARY}"
    return _SETUP_TEXT.format(glossary=link)


def setup_code() -> str:
    """Return the code of the set-up cell: install what is missing, then look around.

    It installs the library and its dependencies, except torch. Address and packages
    come from the installed package's metadata, hence from pyproject.toml; pip leaves
    alone what satisfies the lower bounds. The library is taken at this release, so an
    old copy of a notebook never meets a newer library.

    Raises:
        PackageNotFoundError: workshop_lib was never installed, so it has no metadata.
    """
    required = [
        one.replace(" ", "")
        for one in requires("workshop_lib") or []
        if "extra ==" not in one and re.split(r"[^\w.-]", one)[0] not in KEPT
    ]
    needs = textwrap.fill(" ".join(required), 70, break_on_hyphens=False)
    return _SETUP.format(
        library=f"git+{repository()}@{_RELEASE}", needs=textwrap.indent(needs, " " * 8)
    )


def repository() -> str:
    """Return the address of the repository, as pyproject.toml states it."""
    urls = metadata("workshop_lib").get_all("Project-URL") or []
    return dict(line.split(", ", 1) for line in urls)["Repository"]


def _owner() -> str | None:
    """Return "owner/name" of the repository on GitHub, None if it is elsewhere."""
    address = r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?"
    found = re.fullmatch(address, repository())
    return found.group(1) if found else None
