"""Public data sets on this machine: downloaded or given, verified, unpacked.

A host of data disappears sooner or later, or sends a wrong file. So every file has
several mirrors, what has arrived is kept in `NAME.CHECKSUM.part` and continued from
there, and only a file with the right checksum is used. An archive appears unpacked and
whole or not at all, and what is there is never fetched again. Beside the images are
LICENCE.txt, CITATION.txt and ORIGIN.txt.
"""

__all__ = ["fetch", "get"]

import hashlib
import http.client
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workshop_lib import __version__, files
from workshop_lib.data import catalog
from workshop_lib.data.archives import unpack
from workshop_lib.data.catalog import DatasetInfo, Mirror, RemoteFile
from workshop_lib.errors import WorkshopError

TIMEOUT = 30.0  # seconds that a server may be silent
TRIES = 2  # attempts that bring nothing new; thrice as many once something has come
PAUSE = 1.0  # seconds before the second attempt, doubled with each one
_AGENT = f"workshop_lib/{__version__}"
_CHUNK = 1 << 14  # bytes; at most so many are lost when a connection breaks
_LATER = (408, 425, 429)  # and all from 500: answers that mean "try again"


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
    import pooch

    info, folder = catalog.find_dataset(name), catalog.data_folder(name, root)
    if info.layout == "made":
        print(f"{info.title} is made by this library: there is nothing to get.")
        return folder
    own = dict(_match_given(info, Path(path)) for path in given)
    wanted = [remote for remote in info.files if not remote.is_in(folder)]
    if not wanted:
        print(f"{info.title} is in {folder} already; remove the folder to get anew.")
    here = {one.name: own.get(one.name, folder / one.name) for one in wanted}
    for remote in wanted:
        if not here[remote.name].exists() and not remote.mirrors[0].url:
            raise WorkshopError(f"{info.title} has to be asked for.\n{info.steps}")
    size = sum(remote.size + remote.unpacked for remote in wanted)
    files.require_disk_space(folder, size, info.title)
    for remote in wanted:
        archive, version = here[remote.name], ""
        downloaded = not archive.exists()  # and so may be removed afterwards
        if downloaded:
            fetch(remote, folder)
        elif wrong := remote.checksum_error(archive):
            if not any_version:
                raise WorkshopError(
                    f"{archive} is not the {remote.name} that is known: {wrong}."
                    " Replace it; or, if you know why it differs, add --any-version."
                )
            print(f"another version of {remote.name}: {wrong}")
            version = ", another version than the known one"
        _install(archive, remote, info, folder)
        with (folder / "ORIGIN.txt").open("a", encoding="utf-8") as origin:
            md5 = pooch.file_hash(archive, "md5")
            origin.write(f"{remote.name}: md5:{md5}{version}\n")
        if remote.folder and downloaded and not keep:
            archive.unlink()
    notes = {"LICENCE.txt": (info.licence,), "CITATION.txt": info.citation}
    for name, texts in notes.items():
        files.write_text(folder / name, "\n\n".join([info.title, *texts]) + "\n")
    print(f"{info.title} is in {folder}\nlicence: {info.licence}")
    print("\n".join(f"cite: {paper}" for paper in info.citation))
    return folder


def _match_given(info: DatasetInfo, path: Path) -> tuple[str, Path]:
    """Find which file of the data set a given one is, by name or checksum."""
    if not path.is_file():
        raise WorkshopError(f"--from {path}: there is no such file.")
    fits = [one for one in info.files if one.name == path.name]
    if not fits:
        only = len(info.files) == 1
        fits = [one for one in info.files if only or not one.checksum_error(path)]
    if len(fits) != 1:
        names = ", ".join(one.name for one in info.files)
        raise WorkshopError(
            f"--from {path}: {info.title} consists of {names}, and this is none of"
            " them by its name or checksum. Give the right file, or rename it."
        )
    return fits[0].name, path


def _install(
    archive: Path, remote: RemoteFile, info: DatasetInfo, folder: Path
) -> None:
    """Unpack an archive to its place, or copy what is no archive."""
    if not remote.folder:
        target = folder / remote.name
        if archive != target:
            files.write_or_explain(target, lambda part: shutil.copyfile(archive, part))
        return
    place = folder / remote.folder
    unpack(archive, place)
    if remote is info.files[-1] and info.find_images(folder) is None:
        wanted = ", ".join(list(info.classes or info.landmarks)[:3])
        shutil.rmtree(place)
        raise WorkshopError(
            f"{archive} holds no folders {wanted}, ... side by side: it is not"
            f" {info.title}, or not laid out like it. Nothing of it was kept."
        )


class _MirrorError(Exception):
    """The reason why a mirror will not do."""


def fetch(remote: RemoteFile, folder: Path | str) -> Path:
    """Fetch a file from the first mirror that has it, verified; continue earlier calls.

    Raises:
        WorkshopError: no mirror has the right file (with what each of them said, the
            checksum, and where to put the file by hand), or the disk is full.
    """
    final = Path(folder) / remote.name
    final.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    for mirror in remote.mirrors:
        print(f"from {mirror.url}", flush=True)
        try:
            _fetch_from(mirror, final)
            return final
        except _MirrorError as error:
            print(f"  {error}", flush=True)
            problems.append(f"{mirror.url}: {error}")
    sums = " or ".join(dict.fromkeys(m.checksum for m in remote.mirrors if m.checksum))
    raise WorkshopError(
        "\n  ".join([f"could not get {remote.name}:", *problems])
        + f"\nWithout this network: fetch it elsewhere from {remote.mirrors[0].url}"
        f" (checksum {sums or 'not published'}), then put it at {final}, or give it"
        " with --from, and run the command again. What has arrived is kept."
    )


def _fetch_from(mirror: Mirror, final: Path) -> None:
    """Fetch one mirror's file, verify it, and give it its name."""
    # Named by the checksum: mirrors of the same bytes continue each other's file.
    checksum = mirror.checksum.partition(":")[2]
    tag = checksum or hashlib.sha256(mirror.url.encode()).hexdigest()
    part = final.with_name(f"{final.name}.{tag[:8]}.part")
    receive = _receive_from_drive if "drive.google.com" in mirror.url else _receive
    # The beginning left by an earlier call may be damaged: then once more, all of it.
    for _ in range(1 + part.exists()):
        receive(mirror.url, part)
        problem = mirror.checksum_error(part)
        if not problem:
            os.replace(part, final)
            return
        part.unlink()
    raise _MirrorError(problem)


def _receive(url: str, part: Path) -> None:
    """Connect again and again until the file is whole, or nothing new arrives."""
    most, idle = _size(part), 0
    while reason := _connect(url, part):
        idle = 0 if _size(part) > most else idle + 1
        most = max(most, _size(part))
        if idle >= (3 * TRIES if most else TRIES):
            raise _MirrorError(f"{reason}, {idle} times in a row")
        time.sleep(min(60.0, PAUSE * 2**idle))


def _connect(url: str, part: Path) -> str:
    """Append what one connection brings; return why it ended early, or nothing."""
    import requests

    have = _size(part)
    # Compressed on the way, the ranges of two answers would not fit together.
    headers = {"Accept-Encoding": "identity", "User-Agent": _AGENT}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with requests.get(url, headers=headers, timeout=TIMEOUT, stream=True) as answer:
            if answer.ok:
                return _save(answer, part, have)
            code, reason = answer.status_code, answer.reason
    except requests.RequestException as error:
        return _reason(error)
    except OSError as error:
        raise WorkshopError(
            f"cannot write {part}: {error.strerror}. Free some space, or choose a"
            " folder on another disk (--root)."
        ) from error
    if code == 416:  # nothing comes after that: it is of another file, or damaged
        part.unlink()
        return "what had arrived is more than the server has"
    if code < 500 and code not in _LATER:
        raise _MirrorError(f"the server says {code} {reason}")
    return f"the server says {code} {reason}"


def _save(answer: Any, part: Path, have: int) -> str:
    """Write an answer to the unfinished file; return why it is not whole, or nothing.

    A server that ignores ranges sends the file from the start again.
    """
    content_type = answer.headers.get("Content-Type", "")
    if "text/html" in content_type:
        head = next(answer.iter_content(4096), b"")
        raise _MirrorError(catalog.web_page_error(head, content_type))
    continues = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    have = have if continues else 0
    length = int(answer.headers.get("Content-Length", 0))
    files.require_disk_space(part.parent, length, part.name)
    total = have + length or None
    bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, disable=None)
    with bar, part.open("ab" if continues else "wb") as file:
        for chunk in answer.iter_content(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    whole = not length or _size(part) >= have + length
    return "" if whole else "the connection broke off"


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _reason(error: BaseException) -> str:
    """Say in plain words why a connection failed, from the innermost error."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    broke_off = isinstance(error, http.client.IncompleteRead)
    return "the connection broke off" if broke_off else f"no connection ({error!r})"


def _receive_from_drive(url: str, part: Path) -> None:
    """Leave Google Drive, with its warning pages and cookies, to gdown."""
    try:
        import gdown  # pip install 'workshop_lib[geo]'

        gdown.download(url, str(part), quiet=True)
    except Exception as error:  # whatever it is, another mirror may do
        needs = " (pip install 'workshop_lib[geo]')" * isinstance(error, ImportError)
        reason = " ".join(str(error).split())
        raise _MirrorError(f"Google Drive, by gdown{needs}: {reason}") from error
    if not part.exists():
        raise _MirrorError("Google Drive sent nothing; its quota may be used up")
