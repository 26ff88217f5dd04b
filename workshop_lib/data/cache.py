"""Work that is done once: decoded or generated tensors, kept in one file.

A cache may only ever save time. So a file that is cut off, or that something else
wrote, is made anew; and where nothing can be written, the work is simply done again.
"""

__all__ = ["cache_folder", "cache_path", "cached"]

import hashlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workshop_lib.files import UNREADABLE, write_whole

FORMAT = 1  # of the cache files; another number makes every file anew


def cache_folder() -> Path:
    """Tell where cache files go: `WORKSHOP_CACHE`, else `.cache/workshop` here."""
    return Path(os.environ.get("WORKSHOP_CACHE") or Path(".cache") / "workshop")


def cache_path(key: str, folder: Path | str | None, ending: str) -> Path:
    """Make a file name that people can read and that no two keys share.

    Args:
        folder: where the file lies; `cache_folder()` if not given.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", key)[:60].strip("-.") or "cache"
    name = f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}{ending}"
    return (Path(folder) if folder is not None else cache_folder()) / name


def cached(
    key: str,
    build: Callable[[], dict[str, Any]],
    folder: Path | str | None = None,
) -> dict[str, Any]:
    """Load what an earlier call with the same key built, or build and keep it.

    Args:
        key: names everything that the result depends on; another key, another file.
        build: makes the result: a dictionary of tensors, numbers, texts, and lists or
            dictionaries of these (nothing else can be loaded without running code).
        folder: where the file lies; `cache_folder()` if not given.

    Returns:
        The dictionary. If nothing can be written, it was built and not kept, which one
        line on stderr says.
    """
    path = cache_path(key, folder, ".pt")
    found = _load(path, key)
    if found is not None:
        return found
    content = build()
    state = {"format": FORMAT, "key": key, "content": content}
    try:
        write_whole(path, lambda temporary: torch.save(state, temporary))
    except (OSError, RuntimeError) as error:
        # torch tells of both by a RuntimeError about positions in its archive.
        reason = (
            "no space or no permission" if isinstance(error, RuntimeError) else error
        )
        _say(
            f"warning: going on without a cache, {path} cannot be written ({reason});"
            " free some space, or set WORKSHOP_CACHE to a folder you may write to."
        )
    return content


def _load(path: Path, key: str) -> dict[str, Any] | None:
    """Load a cache file, or tell why not and return None."""
    if not path.exists():
        return None
    try:
        # weights_only: a file from elsewhere can hold data, never code that runs.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        _say(f"{path} is damaged ({type(error).__name__}): making it anew.")
        return None
    if (
        not isinstance(state, dict)
        or state.get("format") != FORMAT
        or state.get("key") != key
        or not isinstance(state.get("content"), dict)
    ):
        _say(f"{path} was not written for this by this version: making it anew.")
        return None
    return dict(state["content"])


def _say(line: str) -> None:
    print(line, file=sys.stderr)
