"""What stands at the top of every notebook: badges, and the cell that sets it up."""

__all__ = ["badges", "setup_code", "setup_text"]

import re

from workshop_lib.course.install_cell import install_cell, release, repository

_SETUP_TEXT = """\
## Set-up

Run this cell first. In Colab it installs `workshop_lib`, once; elsewhere it only
looks at the machine. It makes `device`, on which the trainings run.

A word that you do not know? The [glossary]({glossary}) explains it, for people from
deep learning and for people from remote sensing."""

_GLOSSARY = "docs/glossary.md"

_SETUP = """\
from workshop_lib import session
from workshop_lib.course.todo import todo

device = session.setup()"""

# Where a notebook of a public GitHub repository can be opened: name, badge, address.
_PLACES = (
    (
        "Open in Colab",
        "https://colab.research.google.com/assets/colab-badge.svg",
        "https://colab.research.google.com/github/{owner}/blob/{tag}/{path}",
    ),
    (
        "Open in Kaggle",
        "https://kaggle.com/static/images/open-in-kaggle.svg",
        "https://kaggle.com/kernels/welcome"
        "?src=https://github.com/{owner}/blob/{tag}/{path}",
    ),
    (
        "Launch Binder",
        "https://mybinder.org/badge_logo.svg",
        "https://mybinder.org/v2/gh/{owner}/{tag}?labpath={path}",
    ),
)


def badges(path: str, address: str | None = None) -> str:
    """Return the links that open a notebook in a browser, as Markdown.

    They name the release, never a branch: a branch moves on, and a link to a fork shows
    somebody else's notebook. Without a network the words stand in for the pictures.

    Args:
        path: the notebook inside the repository, e.g. "notebooks/01_intro.ipynb".
        address: of the repository; default: the one in pyproject.toml.

    Returns:
        One line; empty where the repository is not on GitHub, as Colab and Kaggle open
        from no other host.
    """
    owner = _on_github(address)
    if owner is None:
        return ""
    places = {"owner": owner, "tag": release(), "path": path}
    return " ".join(
        f"[![{name}]({badge})]({link.format(**places)})"
        for name, badge, link in _PLACES
    )


def setup_text(path: str, address: str | None = None) -> str:
    """Return the words above the set-up cell, with a link to the glossary.

    A notebook opened from GitHub, as in Colab, has no file beside it: there the link
    leads to the release's page. Elsewhere it leads to the file of the checkout.

    Args:
        path, address: as for `badges`.
    """
    owner = _on_github(address)
    link = "../" * path.count("/") + _GLOSSARY
    if owner is not None:
        link = f"https://github.com/{owner}/blob/{release()}/{_GLOSSARY}"
    return _SETUP_TEXT.format(glossary=link)


def setup_code() -> str:
    """Return the code of the set-up cell: install what is missing, then look around."""
    return f"{install_cell()}\n{_SETUP}"


def _on_github(address: str | None) -> str | None:
    """Return "owner/name" of a repository on GitHub, or None of one elsewhere."""
    address = repository() if address is None else address
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    return found.group(1) if found else None
