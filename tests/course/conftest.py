"""What the tests of the course share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.course import checks


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the progress, the runs and the files of a test in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Return the message with which a check refuses a function."""

    def run(check: Callable[..., None], *args: Any, **named: Any) -> str:
        with pytest.raises(checks.CheckFailed) as caught:
            check(*args, **named)
        return " ".join(str(caught.value).split())

    return run
