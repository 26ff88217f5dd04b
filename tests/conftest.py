"""What holds for every test: which are skipped, how hypothesis draws, one browser.

In CI hypothesis draws the same examples every time, so that a red run can be repeated;
at a desk it draws new ones and finds more. A slow machine is no failure: no deadline.
"""

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from slides.decks import find_chromium
from workshop_lib.errors import WorkshopError

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("desk", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Generate and decode once for all tests, and not where the user keeps things."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless Chromium, or the reason why there is none.

    One for all files: Playwright's plain API cannot be started twice in a process.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install -e '.[test]'"
    )
    try:
        program = find_chromium()
    except WorkshopError as error:
        pytest.skip(str(error))
    with playwright.sync_playwright() as started:
        # Root in a container has no sandbox, and little shared memory
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        one = started.chromium.launch(executable_path=program, args=options)
        yield one
        one.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is none; run the slow ones last."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
