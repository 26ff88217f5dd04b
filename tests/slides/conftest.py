"""What the tests of the decks share: one browser, one build."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slides.decks import build, find_chromium
from workshop_lib.errors import WorkshopError


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless Chromium, or the reason why there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install -e '.[test]'"
    )
    try:
        program = find_chromium()
    except WorkshopError as error:
        pytest.skip(str(error))
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield one
        one.close()


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
def built(
    build_or_skip: Callable[[Path], list[Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder with HTML and PDF of every deck: built once for all tests."""
    folder = tmp_path_factory.mktemp("decks")
    build_or_skip(folder)
    return folder
