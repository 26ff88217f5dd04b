"""Downloads against a server on this machine that behaves as badly as the real ones."""

import hashlib
import http.server
import inspect
import re
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from workshop_lib import files
from workshop_lib.data import download
from workshop_lib.data.catalog import Mirror, RemoteFile
from workshop_lib.data.download import fetch
from workshop_lib.errors import WorkshopError

CONTENT = bytes(range(256)) * 800  # 204,800 bytes
CUT = 50_000  # bytes a time, of a server that cuts
KEPT = 3 * 16_384  # of these: whole chunks, as pooch writes them
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>sorry</html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path is another way to be difficult; `server.asked` remembers requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        self.server.agent = self.headers.get("User-Agent")
        begin = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked else 0
        getattr(self, "serve_" + self.path.strip("/").replace("/", "_"))(begin)

    def send(self, body, begin=0, cut=None, kind="application/zip", total=None):
        total = len(body) if total is None else total
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(total - begin))
        self.end_headers()
        self.wfile.write(body[begin:cut])
        if cut is not None:
            self.close_connection = True

    def serve_good(self, begin):
        if begin >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send(CONTENT, begin)

    def serve_cut(self, begin):
        self.send(CONTENT, begin, cut=begin + CUT)

    def serve_whole_only(self, begin):  # knows no ranges
        first = len(self.server.asked) == 1
        self.send(CONTENT, 0, cut=CUT if first else None)

    def serve_whole_only_always_cut(self, begin):
        self.send(CONTENT, 0, cut=CUT)

    def serve_wrong(self, begin):
        self.send(b"x" * len(CONTENT), begin)

    def serve_page(self, begin):
        self.send(PAGE, 0, kind="text/html; charset=utf-8")

    def serve_disguised_page(self, begin):
        self.send(b"\n " + PAGE, 0)

    def serve_chunked(self, begin):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for k in range(0, len(CONTENT), 51_200):
            part = CONTENT[k : k + 51_200]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def serve_silent(self, begin):
        self.send(CONTENT, begin, cut=max(begin, CUT))
        self.server.stop.wait(2)

    def serve_busy(self, begin):  # twice too busy, then ready
        if len(self.server.asked) > 2:
            self.send(CONTENT, begin)
        else:
            self.send_error(503)

    def serve_moved(self, begin):
        self.send_response(302)
        self.send_header("Location", "/good")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def serve_gone(self, begin):
        self.send_error(404)

    def log_message(self, *args):
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        """Say nothing of clients that hang up."""


@pytest.fixture(scope="module")
def running():
    server = Server(("127.0.0.1", 0), Handler)
    server.stop = threading.Event()
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("TIMEOUT", 5.0), ("TRIES", 3), ("PAUSE", 0.001)):
        monkeypatch.setattr(download, name, value)
    running.asked.clear()
    return running


def mirror(server, path, checksum=MD5):
    return Mirror(f"http://127.0.0.1:{server.server_port}/{path}", checksum)


def a_zip(*mirrors):
    return RemoteFile("a.zip", mirrors)


def fetch_here(server, folder, *paths, checksum=MD5):
    return fetch(a_zip(*(mirror(server, path, checksum) for path in paths)), folder)


@pytest.mark.parametrize("path", ["good", "chunked", "moved", "busy"])
def test_a_file_arrives_whole_under_its_name(server, tmp_path, path):
    folder = tmp_path / "new" / "folder"
    assert fetch_here(server, folder, path) == folder / "a.zip"
    assert (folder / "a.zip").read_bytes() == CONTENT
    assert [p.name for p in folder.iterdir()] == ["a.zip"]
    assert server.agent.startswith("workshop_lib/"), "it says who it is"


@pytest.mark.parametrize("checksum", [MD5, ""])
def test_a_broken_download_goes_on_where_it_broke_off(server, tmp_path, checksum):
    path = fetch_here(server, tmp_path, "cut", checksum=checksum)
    assert path.read_bytes() == CONTENT, "without a checksum the length must be right"
    ranges = [asked for _, asked in server.asked]
    assert ranges == [None] + [f"bytes={k * KEPT}-" for k in (1, 2, 3, 4)]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(server, tmp_path):
    with pytest.raises(WorkshopError, match="What has arrived is kept"):
        fetch_here(server, tmp_path, "whole_only_always_cut")
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".part") and part.stat().st_size == KEPT
    server.asked.clear()
    assert fetch_here(server, tmp_path, "good").read_bytes() == CONTENT
    assert server.asked == [("/good", f"bytes={KEPT}-")]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    assert fetch_here(server, tmp_path, "whole_only").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_server_that_never_gets_further_is_left(server, tmp_path):
    with pytest.raises(WorkshopError, match="broke off, 9 times in a row"):
        fetch_here(server, tmp_path, "whole_only_always_cut")
    assert len(server.asked) == 10  # one that brought something, nine that did not


def test_mirrors_are_tried_in_order(server, tmp_path, capsys):
    path = fetch_here(server, tmp_path, "gone", "page", "wrong", "good")
    assert path.read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/gone", "/page", "/wrong", "/good"]
    said = capsys.readouterr().out
    assert "404" in said and "Quota exceeded" in said and "expected" in said
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_mirror_goes_on_with_the_part_of_another_one(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    assert fetch_here(server, tmp_path, "silent", "good").exists()
    assert server.asked[-1][0] == "/good"
    assert int(server.asked[-1][1][6:-1]) == KEPT


def test_mirrors_of_other_bytes_do_not_share_a_part(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    other = "md5:" + "0" * 32
    fetch(a_zip(mirror(server, "silent", other), mirror(server, "good")), tmp_path)
    assert server.asked[-1] == ("/good", None)


QUOTA = "web page .*Quota exceeded.* instead"


@pytest.mark.parametrize(
    ("path", "checksum", "told"),
    [
        ("page", MD5, QUOTA),
        ("page", "", QUOTA),
        ("disguised_page", MD5, QUOTA),
        ("disguised_page", "", QUOTA),
        ("wrong", MD5, r"its md5 is \w{32}, expected \w{32}"),
    ],
)
def test_a_page_or_a_wrong_file_never_gets_the_name(
    server, tmp_path, path, checksum, told
):
    with pytest.raises(WorkshopError, match=told):
        fetch_here(server, tmp_path, path, checksum=checksum)
    assert not list(tmp_path.iterdir())


def test_a_page_instead_of_the_rest_does_not_spoil_what_is_there(server, tmp_path):
    with pytest.raises(WorkshopError):
        fetch_here(server, tmp_path, "whole_only_always_cut")
    with pytest.raises(WorkshopError, match="web page"):
        fetch_here(server, tmp_path, "page")
    (part,) = tmp_path.iterdir()
    assert part.read_bytes() == CONTENT[:KEPT]


@pytest.mark.parametrize(
    ("left", "ranges"),
    [
        (b"rubbish" * 1000, ["bytes=7000-", None]),  # damaged: once more, all of it
        (CONTENT, [f"bytes={len(CONTENT)}-", None]),  # nothing comes after that
        (CONTENT + b"more", [f"bytes={len(CONTENT) + 4}-", None]),  # of another file
    ],
)
def test_what_an_earlier_call_left_costs_one_download_at_most(
    server, tmp_path, left, ranges
):
    (tmp_path / f"a.zip.{MD5[4:12]}.part").write_bytes(left)
    assert fetch_here(server, tmp_path, "good").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ranges


def test_a_silent_server_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    started = time.monotonic()
    with pytest.raises(WorkshopError, match="fell silent"):
        fetch_here(server, tmp_path, "silent")
    assert time.monotonic() - started < 60  # not for ever


def test_no_room_is_told_before_anything_is_written(server, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "RESERVE", 10**18)
    with pytest.raises(WorkshopError, match="needs 205 kB on the disk.*are free"):
        fetch_here(server, tmp_path, "good")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_in_plain_words(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_save", full)
    with pytest.raises(WorkshopError, match="No space left.*Free some space"):
        fetch_here(server, tmp_path, "good")


class FileURLRetrievalError(Exception):
    """One of gdown's own errors, which has no base that all have."""


def refuse(*args, **options):
    raise FileURLRetrievalError("Too many users have viewed or downloaded this file")


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (lambda url, output, quiet: Path(output).write_bytes(CONTENT), ""),
        (refuse, "Too many users"),
        (lambda url, output, quiet: Path(output).write_bytes(PAGE), "Quota exceeded"),
        (lambda url, output, quiet: None, "sent nothing"),
        (None, r"pip install 'workshop_lib\[geo\]'"),
    ],
)
def test_google_drive_is_left_to_gdown(tmp_path, monkeypatch, behaviour, told):
    gdown = types.SimpleNamespace(download=behaviour) if behaviour else None
    monkeypatch.setitem(sys.modules, "gdown", gdown)
    drive = a_zip(Mirror("https://drive.google.com/uc?id=abc", MD5))
    if not told:
        assert fetch(drive, tmp_path).read_bytes() == CONTENT
        return
    with pytest.raises(WorkshopError, match=told):
        fetch(drive, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_real_gdown_has_the_names_that_are_used():
    gdown = pytest.importorskip("gdown", reason="extra geo not installed")
    names = set(inspect.signature(gdown.download).parameters)
    assert {"url", "output", "quiet"} <= names


def test_a_file_may_match_any_of_the_mirrors(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(CONTENT)
    sha256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
    mirrors = [Mirror("u", "md5:" + "0" * 32), Mirror("v", sha256)]
    assert a_zip(*mirrors).checksum_error(path) == ""
    assert "expected 000" in a_zip(*mirrors[:1]).checksum_error(path)
