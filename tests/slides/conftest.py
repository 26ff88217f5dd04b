"""What the tests of the decks share: one build."""

from collections.abc import Callable
from pathlib import Path

import pytest

from slides.decks import build
from workshop_lib.errors import WorkshopError


@pytest.fixture(scope="session")
def build_or_skip() -> Callable[[Path], list[Path]]:
    """`slides.decks.build`, which skips the test where a program is missing."""

    def run(folder: Path) -> list[Path]:
        try:
            return build(folder)
        except WorkshopError as error:
            for lack in ("no browser found", "is not installed", "could not install"):
                if lack in str(error):
                    pytest.skip(str(error).split(". It said")[0])
            raise

    return run


@pytest.fixture(scope="session")
def built(build_or_skip, tmp_path_factory):
    """The folder with HTML and PDF of every deck: built once for all tests."""
    folder = tmp_path_factory.mktemp("decks")
    build_or_skip(folder)
    return folder
