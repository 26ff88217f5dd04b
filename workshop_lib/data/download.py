"""Public data sets on this machine: downloaded or given, verified, unpacked.

Only a file with the right checksum is used, an archive appears unpacked and whole or
not at all, and what is there is never fetched again. Beside the images are LICENCE.txt,
CITATION.txt and ORIGIN.txt.
"""

__all__ = ["get", "resolve"]

import shutil
from collections.abc import Sequence
from pathlib import Path

from workshop_lib.data.archives import unpack
from workshop_lib.data.catalog import (
    DatasetInfo,
    RemoteFile,
    data_folder,
    find_dataset,
)
from workshop_lib.data.transfer import fetch
from workshop_lib.errors import WorkshopError
from workshop_lib.files import (
    human_size,
    require_disk_space,
    write_or_explain,
    write_text,
)


def get(
    name: str,
    root: Path | str | None = None,
    given: Sequence[Path | str] = (),
    any_version: bool = False,
    keep: bool = False,
) -> Path:
    """Fetch a data set: download, verify, unpack, and write down licence and origin.

    Args:
        name: of the catalogue, e.g. "ucm".
        root: folder of this data set; by default `data_folder(name)`.
        given: files that are on this machine already, instead of downloads.
        any_version: also take given files whose checksum is not the known one.
        keep: keep a downloaded archive after it is unpacked.

    Returns:
        The folder of the data set.

    Raises:
        WorkshopError: no network, no space, a wrong or dangerous file; or the data set
            has to be asked for, and how. What was fetched before stays.
    """
    info, folder = find_dataset(name), data_folder(name, root)
    if info.layout == "made":
        print(f"{info.title} is made by this library: there is nothing to get.")
        return folder
    own = _match_given(info, [Path(path) for path in given])
    wanted = [remote for remote in info.files if not remote.is_in(folder)]
    if not wanted:
        print(f"{info.title} is in {folder} already; remove the folder to get anew.")
    here = {one.name: own.get(one.name, folder / one.name) for one in wanted}
    _require_sources(info, wanted, here, folder)
    for remote in wanted:
        archive, wrong = here[remote.name], ""
        downloaded = not archive.exists()  # and so may be removed afterwards
        if downloaded:
            fetch(remote, folder)
        else:
            wrong = _checksum_error(archive, remote, any_version)
        _install(archive, remote, info, folder, any_version)
        _note_origin(archive, remote, wrong, folder)
        if remote.folder and downloaded and not keep:
            archive.unlink()
    papers = "\n\n".join(info.citation)
    write_text(folder / "LICENCE.txt", f"{info.title}\n\n{info.licence}\n")
    write_text(folder / "CITATION.txt", f"{info.title}: please cite\n\n{papers}\n")
    print(f"{info.title} is in {folder}\nlicence: {info.licence}")
    print("\n".join(f"cite: {paper}" for paper in info.citation))
    return folder


def resolve(name: str, root: Path | str | None = None) -> Path:
    """Find the folder with the images of a data set that `get` has fetched.

    Raises:
        WorkshopError: no such data set, or it is not there; names the command.
    """
    info, folder = find_dataset(name), data_folder(name, root)
    whole = info.files and all(remote.is_in(folder) for remote in info.files)
    images = info.find_images(folder) if whole else None
    if images is None:
        size = sum(remote.size for remote in info.files)
        about = f" ({human_size(size)})" if size else ""
        raise WorkshopError(
            f"{info.title} is not in {folder}: run `workshop data {name} get` once"
            f"{about}, or set WORKSHOP_DATA to the folder that holds {folder.name}/."
        )
    return images


def _match_given(info: DatasetInfo, given: Sequence[Path]) -> dict[str, Path]:
    """Find which file of the data set each given file is, by name or checksum."""
    own: dict[str, Path] = {}
    for path in given:
        if not path.is_file():
            raise WorkshopError(f"--from {path}: there is no such file.")
        fits = [one for one in info.files if one.name == path.name]
        if not fits and len(info.files) == 1:
            fits = list(info.files)
        if not fits:
            fits = [one for one in info.files if not one.checksum_error(path)]
        if len(fits) != 1:
            names = ", ".join(one.name for one in info.files)
            raise WorkshopError(
                f"--from {path}: {info.title} consists of {names}, and this is none of"
                " them by its name or checksum. Give the right file, or rename it."
            )
        own[fits[0].name] = path
    return own


def _require_sources(
    info: DatasetInfo, wanted: Sequence[RemoteFile], here: dict[str, Path], folder: Path
) -> None:
    """Check before anything starts that all files can be had, and fit on the disk."""
    size = 0
    for remote in wanted:
        path = here[remote.name]
        if path.exists():
            size += remote.unpacked or 2 * path.stat().st_size
        elif any(mirror.url for mirror in remote.mirrors):
            size += remote.size + (remote.unpacked if remote.folder else 0)
        else:
            raise WorkshopError(f"{info.title} has to be asked for.\n{info.steps}")
    require_disk_space(folder, size, info.title)


def _checksum_error(path: Path, remote: RemoteFile, any_version: bool) -> str:
    """Refuse a file of another version, or print how it differs and return that."""
    wrong = remote.checksum_error(path)
    if wrong and not any_version:
        raise WorkshopError(
            f"{path} is not the {remote.name} that is known: {wrong}. Replace or remove"
            " it; or, if you know why it differs and trust it, add --any-version."
        )
    if wrong:
        print(f"another version of {remote.name}: {wrong}")
    return wrong


def _install(
    archive: Path, remote: RemoteFile, info: DatasetInfo, folder: Path, any_size: bool
) -> None:
    """Unpack an archive to its place, or copy what is no archive."""
    if not remote.folder:
        target = folder / remote.name
        if archive != target:
            write_or_explain(target, lambda part: shutil.copyfile(archive, part))
        return
    place = folder / remote.folder
    # No known version is four times as large
    unpack(archive, place, limit=0 if any_size else 4 * remote.unpacked)
    if remote is info.files[-1] and info.find_images(folder) is None:
        wanted = ", ".join(list(info.classes or info.landmarks)[:3])
        shutil.rmtree(place)
        raise WorkshopError(
            f"{archive} holds no folders {wanted}, ... side by side: it is not"
            f" {info.title}, or not laid out like it. Nothing of it was kept."
        )


def _note_origin(archive: Path, remote: RemoteFile, wrong: str, folder: Path) -> None:
    import pooch

    path = folder / "ORIGIN.txt"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    version = ", another version than the known one" if wrong else ""
    line = f"{remote.name}: md5:{pooch.file_hash(archive, 'md5')}{version}\n"
    if line not in before:
        write_text(path, before + line)
