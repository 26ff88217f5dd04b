"""What the tests of the course share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the progress, the runs and the files of a test in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
