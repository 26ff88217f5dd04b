"""Archives from strangers: all of it inside the folder, or nothing anywhere."""

import gzip
import io
import os
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.data import archives
from workshop_lib.data.archives import check_name, unpack
from workshop_lib.errors import WorkshopError

FILES = {"a/one.txt": b"one", "a/b/two.bin": bytes(300_000), "três.txt": b"3"}
KINDS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst"]
LEADING_OUT = [
    "../out.txt",
    "a/../../out.txt",
    "/tmp/out.txt",
    "..",
    "C:/out.txt",
    "C:out.txt",
    "..\\out.txt",
    "\\\\host\\share\\out.txt",
    "a\nb.txt",
]


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """Write an archive of the kind that the name asks for."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return path
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    data = out.getvalue()
    if path.name.endswith(("gz", "tgz")):
        data = gzip.compress(data)
    if path.name.endswith("zst"):
        zstandard = pytest.importorskip("zstandard", reason="extra geo not installed")
        half = len(data) // 2  # two frames, as long streams are made of
        data = b"".join(zstandard.compress(d) for d in (data[:half], data[half:]))
    path.write_bytes(data)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    }


def refused(archive: Path, match: str) -> None:
    """Unpack what must be refused, and see that nothing is left of it anywhere."""
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(WorkshopError, match=match):
        unpack(archive, archive.parent / "inner" / "out")
    after = [p for p in archive.parent.parent.rglob("*") if p.name != "inner"]
    assert sorted(after) == before


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_was_packed_is_unpacked(place, kind):
    unpack(pack(place / f"x{kind}", FILES), place / "deep" / "out")
    assert contents(place / "deep" / "out") == FILES
    assert [p.name for p in (place / "deep").iterdir()] == ["out"]


def test_empty_folders_and_a_leading_dot_are_ordinary(place):
    with tarfile.open(place / "x.tar", "w") as tar:
        for name in (".", "./empty", "./empty/"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
    unpack(place / "x.tar", place / "out")
    assert (place / "out" / "empty").is_dir()


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", LEADING_OUT)
def test_names_that_lead_out_are_refused(place, kind, name):
    if kind == ".zip" and name == "..":
        name = "x/../.."
    refused(pack(place / f"x{kind}", {"good.txt": b"1", name: b"2"}), "leads out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_are_refused(place, kind):
    with tarfile.open(place / "x.tar", "w") as tar:
        member = tarfile.TarInfo("innocent")
        member.type = kind
        member.linkname = "/etc/passwd"
        tar.addfile(member)
    refused(place / "x.tar", "cannot unpack")


def test_a_link_in_zip_becomes_a_plain_file(place):
    with zipfile.ZipFile(place / "x.zip", "w") as archive:
        member = zipfile.ZipInfo("innocent")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    unpack(place / "x.zip", place / "out")
    assert not (place / "out" / "innocent").is_symlink()
    assert contents(place / "out") == {"innocent": b"/etc/passwd"}


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_a_bomb_is_stopped(place, kind, monkeypatch):
    monkeypatch.setattr(archives, "_SMALL", 1000)
    bomb = pack(place / f"x{kind}", {"zeros": bytes(3_000_000)})
    assert bomb.stat().st_size < 10_000
    refused(bomb, "unpacks to more than")


def test_a_bomb_that_lies_about_its_size_is_stopped(place):
    """The list of contents and the header say 10 bytes; three million come out."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(3_000_000)
    data = packed.compress(content) + packed.flush()
    name, crc = b"a.txt", zlib.crc32(content)
    sizes = struct.pack("<LLL", crc, len(data), 10)
    start = struct.pack("<HHHHH", 20, 0, 8, 0, 33)
    local = b"PK\3\4" + start + sizes + struct.pack("<HH", len(name), 0) + name
    central = b"PK\1\2" + struct.pack("<H", 20) + start + sizes
    central += struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack(
        "<HHHHLLH", 0, 0, 1, 1, len(central), len(local) + len(data), 0
    )
    (place / "x.zip").write_bytes(local + data + central + end)
    refused(place / "x.zip", "cannot unpack")


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_leaves_nothing(place, kind, share):
    noise = os.urandom(200_000)
    path = pack(place / f"x{kind}", {"a": noise, "b": noise})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "cannot unpack")


def test_the_checksum_at_the_end_of_gzip_is_verified(place):
    path = pack(place / "x.tar.gz", {"a": os.urandom(100_000)})
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    refused(path, "cannot unpack.*CRC")


def test_a_file_where_a_folder_should_be_is_refused(place):
    refused(pack(place / "x.tar", {"a": b"1", "a/b": b"2"}), "cannot unpack")


def test_what_is_there_is_not_unpacked_over(place):
    path = pack(place / "x.zip", FILES)
    (place / "out").mkdir()
    (place / "out" / "mine.txt").write_text("mine")
    with pytest.raises(WorkshopError, match="exists: remove it"):
        unpack(path, place / "out")
    assert contents(place / "out") == {"mine.txt": b"mine"}


def test_another_ending_is_told(place):
    (place / "x.rar").write_bytes(b"Rar!")
    refused(place / "x.rar", "cannot unpack")


def test_without_zstandard_the_command_that_installs_it_is_named(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (place / "x.tar.zst").write_bytes(b"(")
    refused(place / "x.tar.zst", r"workshop_lib\[geo\]")


@given(st.text(max_size=40))
def test_a_name_that_is_let_through_stays_inside(name):
    try:
        path = check_name(name)
    except WorkshopError:
        return
    root = os.path.join(os.sep, "base", "folder")
    target = os.path.normpath(os.path.join(root, *path.parts))
    assert target == root or target.startswith(root + os.sep)


parts = st.text("ab_-. é1", min_size=1, max_size=8).filter(lambda s: s.strip(". "))


@given(st.lists(parts, min_size=1, max_size=5))
def test_ordinary_names_are_let_through(names):
    assert check_name("/".join(names)).parts == tuple(names)


@given(
    st.sampled_from([".zip", ".tar.gz", ".tar"]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
)
def test_damage_is_an_error_in_plain_words_or_harmless(kind, damage):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        place.mkdir()
        path = pack(place / f"x{kind}", {"a/b.txt": b"x" * 700, "c": b"y"})
        data = bytearray(path.read_bytes())
        for position, value in damage:
            data[position % len(data)] = value
        path.write_bytes(data)
        try:
            unpack(path, place / "out")
        except WorkshopError:
            assert [p.name for p in place.iterdir()] == [path.name]
        outside = [p for p in Path(folder).iterdir() if p != place]
        assert not outside
