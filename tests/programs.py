"""Programs that a test starts: how they end, and what they say."""

import subprocess
from typing import Any

import tyro

from workshop_lib.commands.options import with_settings
from workshop_lib.config import Config


def run_program(
    *command: object, code: int = 0, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a program that should end with this code; return what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, **options)
    assert done.returncode == code, done.stderr
    return done


def read_flags(flags: list[str]) -> Config:
    """Read flags as the command line does."""

    def command(config: Config) -> Config:
        return config

    flat = (tyro.conf.OmitArgPrefixes,)
    found: Config = tyro.cli(with_settings(command, flags), args=flags, config=flat)
    return found
