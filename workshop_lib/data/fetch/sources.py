"""Get a data set with one command, and find it again.

A data set lies in `data/NAME` under the current folder, or in `$WORKSHOP_DATA/NAME`.
Beside the images it has LICENCE.txt, CITATION.txt and ORIGIN.txt. An archive appears
there unpacked and whole, or not at all; what is there is never fetched again.
"""

__all__ = ["data_folder", "describe", "find_images", "get", "resolve"]

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from workshop_lib.data.fetch.archives import unpack
from workshop_lib.data.fetch.catalogue import find_source
from workshop_lib.data.fetch.catalogue.kinds import Remote, Source
from workshop_lib.data.fetch.download import download
from workshop_lib.data.fetch.mirrors import file_digest, mismatch, size_of
from workshop_lib.data.fetch.space import human_size, need_space
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_or_explain, write_text

_DEPTH = 8  # folders that archives like to wrap around the images


def data_folder(name: str, root: Path | str | None = None) -> Path:
    """Tell where a data set lies, or would lie: `eurosat:bands` in eurosat-bands."""
    if root is not None:
        return Path(root)
    base = Path(os.environ.get("WORKSHOP_DATA") or "data")
    return base / name.replace(":", "-")


def resolve(name: str, root: Path | str | None = None) -> Path:
    """Find the folder with the images of a data set that `get` has brought.

    Raises:
        WorkshopError: no such data set, or it is not there; names the command.
    """
    source, folder = find_source(name), data_folder(name, root)
    missing = [one for one in source.files if not _is_there(one, folder)]
    found = None if missing or not source.files else find_images(source, folder)
    if found is None:
        size = sum(one.size for one in source.files)
        about = f" ({human_size(size)})" if size else ""
        raise WorkshopError(
            f"{source.title} is not in {folder}: run `workshop data {name} get` once"
            f"{about}, or set WORKSHOP_DATA to the folder that holds"
            f" {folder.name}/."
        )
    return found


def get(
    name: str,
    root: Path | str | None = None,
    given: Sequence[Path | str] = (),
    any_version: bool = False,
    keep: bool = False,
    timeout: float = 30.0,
) -> Path:
    """Bring a data set: download, verify, unpack, and write down licence and origin.

    Args:
        name: of the catalogue, e.g. "ucm".
        root: folder of this data set; by default `data_folder(name)`.
        given: files that are on this machine already, instead of downloads.
        any_version: also take given files whose checksum is not the known one.
        keep: keep a downloaded archive after it is unpacked.
        timeout: seconds that a server may be silent.

    Returns:
        The folder of the data set.

    Raises:
        WorkshopError: no network, no space, a wrong or dangerous file; or the data set
            must be asked for, and how. What was brought before stays.
    """
    source, folder = find_source(name), data_folder(name, root)
    if source.layout == "made":
        print(f"{source.title} is made by this library: there is nothing to get.")
        return folder
    own = _sort_given(source, [Path(path) for path in given], any_version)
    wanted = [one for one in source.files if not _is_there(one, folder)]
    _check_wanted(source, wanted, own, folder)
    for remote in wanted:
        archive = own.get(remote.name) or folder / remote.name
        is_ours = not archive.exists()  # brought here now, so ours to remove
        if is_ours:
            download(remote.name, remote.mirrors, folder, timeout=timeout)
        elif remote.name not in own:
            _verify(archive, remote, any_version)
        _put(archive, remote, source, folder, any_version)
        _note_origin(archive, remote, folder)
        if remote.folder and is_ours and not keep:
            archive.unlink()
    _write_papers(source, folder)
    return folder


def describe(source: Source, folder: Path) -> str:
    """Tell in a few lines what a data set is, where it is from and where it lies."""
    lines = [f"{source.title}: {source.about}.", f"{source.count:,} images"]
    if source.classes:
        lines[-1] += f" in {len(source.classes)} classes"
    lines[-1] += f", {source.side} x {source.side} pixels"
    if source.layout in ("tiles", "scene"):
        images = "image" if source.count == 1 else "images"
        lines[-1] = f"{source.count} {images} of about {source.side} pixels a side"
    if source.odd:
        lines.append(f"known to be odd: {source.odd}")
    lines.append(f"licence: {source.licence}")
    lines += [f"cite: {paper}" for paper in source.citation]
    for remote in source.files:
        size = f", {human_size(remote.size)}" if remote.size else ""
        lines.append(f"file: {remote.name}{size}")
        for mirror in remote.mirrors:
            checksum = mirror.checksum or "no checksum published"
            lines.append(f"  {mirror.url or 'on request'} ({checksum})")
    if source.layout != "made":
        there = all(_is_there(one, folder) for one in source.files)
        command = f"workshop data {source.name} get"
        lines.append(
            f"it is in {folder}" if there else f"not in {folder} yet: {command}"
        )
    return "\n".join(lines)


def find_images(source: Source, folder: Path) -> Path | None:
    """Find the folder in which all classes (or landmarks) of a data set lie."""
    wanted = set(source.classes or source.landmarks)
    level = [folder] if folder.is_dir() else []
    for _ in range(_DEPTH):
        inner: list[Path] = []
        for one in level:
            folders = sorted(p for p in one.iterdir() if p.is_dir())
            if wanted <= {p.name for p in folders}:
                return one
            inner += [p for p in folders if not p.name.startswith(".")]
        level = inner
    return None


def _sort_given(
    source: Source, given: Sequence[Path], any_version: bool
) -> dict[str, Path]:
    """Tell which file of the data set each given file is; refuse what is none."""
    own: dict[str, Path] = {}
    for path in given:
        if not path.is_file():
            raise WorkshopError(f"--from {path}: there is no such file.")
        fits = [one for one in source.files if one.name == path.name]
        if not fits and len(source.files) == 1:
            fits = list(source.files)
        if not fits:
            fits = [one for one in source.files if not mismatch(path, one.mirrors)]
        if len(fits) != 1:
            names = ", ".join(one.name for one in source.files)
            raise WorkshopError(
                f"--from {path}: {source.title} consists of {names}, and this is none"
                " of them by its name or its checksum. Give the right file, or give"
                " it the right name."
            )
        _verify(path, fits[0], any_version)
        own[fits[0].name] = path
    return own


def _verify(path: Path, remote: Remote, any_version: bool) -> None:
    wrong = mismatch(path, remote.mirrors)
    if wrong and not any_version:
        raise WorkshopError(
            f"{path} is not the {remote.name} that is known: {wrong}. Get the right"
            " one; or, if you know why it differs and trust it, add --any-version."
        )
    if wrong:
        print(f"another version of {remote.name}: {wrong}")


def _check_wanted(
    source: Source, wanted: Sequence[Remote], own: dict[str, Path], folder: Path
) -> None:
    """Before anything starts: is there an address for all of it, and room?"""
    size = 0
    for remote in wanted:
        here = own.get(remote.name) or folder / remote.name
        if not here.exists() and not any(mirror.url for mirror in remote.mirrors):
            raise WorkshopError(f"{source.title} has to be asked for.\n{source.steps}")
        size += 0 if here.exists() else remote.size
        if remote.folder:
            size += remote.unpacked or 2 * size_of(here)
    if wanted:
        need_space(folder, size, source.title)
    else:
        print(f"{source.title} is in {folder} already; remove the folder to get anew.")


def _put(
    archive: Path, remote: Remote, source: Source, folder: Path, any_version: bool
) -> None:
    """Unpack an archive to its place, or copy what is no archive."""
    if not remote.folder:
        target = folder / remote.name
        if archive != target:
            write_or_explain(target, lambda part: shutil.copyfile(archive, part))
        return
    place = folder / remote.folder
    # Four times what is expected is no data set that we know; another version may be
    # anything, within reason.
    unpack(archive, place, most=0 if any_version else 4 * remote.unpacked)
    if remote is source.files[-1] and find_images(source, folder) is None:
        wanted = ", ".join(list(source.classes or source.landmarks)[:3])
        shutil.rmtree(place)
        raise WorkshopError(
            f"{archive} holds no folders {wanted}, ... side by side: it is not"
            f" {source.title}, or not laid out like it. Nothing was kept of it."
        )


def _is_there(remote: Remote, folder: Path) -> bool:
    if remote.folder:
        return (folder / remote.folder).is_dir()
    path = folder / remote.name
    return path.exists() and not mismatch(path, remote.mirrors)


def _note_origin(archive: Path, remote: Remote, folder: Path) -> None:
    path = folder / "ORIGIN.txt"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    checksum = f"md5:{file_digest(archive, 'md5')}"
    known = any(mirror.checksum == checksum for mirror in remote.mirrors)
    if not known and mismatch(archive, remote.mirrors):
        checksum += ", another version than the known one"
    line = f"{remote.name}: {checksum}\n"
    if line not in before:
        write_text(path, before + line)


def _write_papers(source: Source, folder: Path) -> None:
    papers = "\n\n".join(source.citation)
    write_text(folder / "LICENCE.txt", f"{source.title}\n\n{source.licence}\n")
    write_text(folder / "CITATION.txt", f"{source.title}: please cite\n\n{papers}\n")
    print(f"{source.title} is in {folder}\nlicence: {source.licence}")
    for paper in source.citation:
        print(f"cite: {paper}")
