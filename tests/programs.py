"""Programs that a test starts: how they end, and what they say."""

import subprocess
from typing import Any


def run_program(
    *command: object, code: int = 0, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a program that should end with this code; return what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, **options)
    assert done.returncode == code, done.stderr
    return done
