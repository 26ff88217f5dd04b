"""Public data sets on this machine: downloaded or given, verified, unpacked.

A host of data disappears sooner or later, or sends a wrong file. So every file has
several mirrors, what has arrived is kept in `NAME.CHECKSUM.part`, and only a file with
the right checksum gets its name. An archive appears unpacked and whole, or not at all;
what is there is never fetched again. Beside the images are LICENCE.txt, CITATION.txt
and ORIGIN.txt.
"""

__all__ = ["download", "get", "resolve"]

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from workshop_lib.data.archives import unpack
from workshop_lib.data.catalog import (
    DatasetInfo,
    Mirror,
    RemoteFile,
    data_folder,
    find_dataset,
)
from workshop_lib.data.transfer import MirrorError, Transfer
from workshop_lib.errors import WorkshopError
from workshop_lib.files import (
    human_size,
    require_disk_space,
    write_or_explain,
    write_text,
)

_SLOW = 20_000  # bytes per second below which the next mirror is tried


def download(
    remote: RemoteFile,
    folder: Path | str,
    timeout: float = 30.0,
    tries: int = 2,
    pause: float = 1.0,
) -> Path:
    """Fetch a file from the first mirror that has it, and verify it.

    Continues what an earlier call left. A file that exists already is verified, and
    not fetched again.

    Args:
        remote: the file and its mirrors.
        folder: made if need be.
        timeout, tries, pause: patience with a mirror; see `Transfer`.

    Raises:
        WorkshopError: no mirror has the right file (with what each of them said, the
            checksum, and where to put the file by hand), a wrong file of that name is
            in the way, or the disk is full.
    """
    final = Path(folder) / remote.name
    if final.exists():
        _checksum_error(final, remote, any_version=False)
        return final
    problems = []
    for mirror in remote.mirrors:
        slowest = 0 if mirror is remote.mirrors[-1] else _SLOW  # the last may be slow
        print(f"from {mirror.url}", flush=True)
        transfer = Transfer(_part(final, mirror), timeout, tries, pause, slowest)
        problem = _retrieve(mirror, final, transfer)
        if not problem:
            return final
        print(f"  {problem}", flush=True)
        problems.append(f"{mirror.url}: {problem}")
    sums = " or ".join(dict.fromkeys(m.checksum for m in remote.mirrors if m.checksum))
    raise WorkshopError(
        f"could not get {remote.name}:\n  "
        + "\n  ".join(problems)
        + f"\nWithout this network: fetch it elsewhere from {remote.mirrors[0].url}"
        f" (checksum {sums or 'not published'}), then put it at {final}, or give it"
        " with --from, and run the command again. What has arrived is kept and will be"
        " used."
    )


def _part(final: Path, mirror: Mirror) -> Path:
    """Name an unfinished file by its checksum: mirrors of the same bytes share it."""
    checksum = mirror.checksum.partition(":")[2]
    tag = checksum or hashlib.sha256(mirror.url.encode()).hexdigest()
    return final.with_name(f"{final.name}.{tag[:8]}.part")


def _retrieve(mirror: Mirror, final: Path, transfer: Transfer) -> str:
    """Fetch and verify one mirror's file; return what went wrong, empty if nothing."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it would advise programmers
    problem = ""
    # The beginning left by an earlier call may be damaged: then once more, all of it.
    for _ in range(1 + transfer.part.exists()):
        try:
            pooch.retrieve(
                mirror.url, mirror.checksum or None, final.name, final.parent,
                downloader=transfer,
            )  # fmt: skip
            return ""
        except MirrorError as error:
            return str(error)
        except WorkshopError:
            raise
        except ValueError as error:  # a wrong checksum; pooch has removed the file
            problem = str(error)
    return problem


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
            f"{about}, or set WORKSHOP_DATA to the folder that holds"
            f" {folder.name}/."
        )
    return images


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
            download(remote, folder)
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
                f"--from {path}: {info.title} consists of {names}, and this is none"
                " of them by its name or its checksum. Give the right file, or give"
                " it the right name."
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
    archive: Path,
    remote: RemoteFile,
    info: DatasetInfo,
    folder: Path,
    any_version: bool,
) -> None:
    """Unpack an archive to its place, or copy what is no archive."""
    if not remote.folder:
        target = folder / remote.name
        if archive != target:
            write_or_explain(target, lambda part: shutil.copyfile(archive, part))
        return
    place = folder / remote.folder
    # No known version is four times as large; another one may have any size, within
    # reason.
    unpack(archive, place, limit=0 if any_version else 4 * remote.unpacked)
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
