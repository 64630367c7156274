"""Downloads and caches: CIFAR-10 from a host with every fault, by hand, and from many programs.

Nothing here needs the network. The host is a real web server on this machine; the programs
that are killed, or that load at the same time, are real processes. The archive is small and
made up, in the layout of the official one.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import numpy as np
import pytest
from permissions import closed, ordinary_user

import helpers
from helpers import ImageDataset, load_dataset
from helpers.basics.errors import DamagedFileError, DownloadError, MissingFileError, StorageError
from helpers.datasets import cifar10
from helpers.datasets.downloads import fetch, one_at_a_time

ROOT = Path(helpers.__file__).parent.parent
CONTENT = np.random.default_rng(0).bytes(300_000)
ARCHIVE = cifar10.CIFAR10_ARCHIVE
PART, LOCK = f"{ARCHIVE}.part", f"{ARCHIVE}.lock"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files_under(folder: Path) -> set[str]:
    """Everything in a folder, to see what a step left behind."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


class Host:
    """A web server with one file, and the faults that real ones have."""

    def __init__(self, content: bytes):
        self.content = content
        self.ranges = True  # whether it can go on in the middle of the file
        self.stop_at: int | None = None  # it breaks off before this byte of the file ...
        self.hang = False  # ... or falls silent there, with the line still open
        self.drips_first_lines = False
        self.statuses: dict[str, int] = {}  # by "whole" and "range": what it refuses, and how
        self.told: dict[str, str | None] = {}  # headers that it tells wrongly, or not at all
        self.body: Callable[[bytes], Iterable[bytes]] = lambda body: [body]  # what it sends
        self.redirects = 0  # how often it sends the asker elsewhere first ...
        self.elsewhere = "/elsewhere"  # ... and where
        self.asked: list[str | None] = []  # the Range header of every request for the file
        self.released = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host.answer(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # such as an asker who has left
        self.url = f"http://127.0.0.1:{self.server.server_port}/{ARCHIVE}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.redirects:
            self.redirects -= 1
            request.send_response(302)
            request.send_header("Location", f"{self.elsewhere}/{self.redirects}")
            request.end_headers()
            return
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        if status := self.statuses.get("range" if wanted else "whole"):
            request.send_error(status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        resumed = bool(wanted) and self.ranges
        start = start if resumed else 0
        if self.drips_first_lines:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.released.wait(0.02):
                request.wfile.write(b"x")
            return
        if self.hang and self.stop_at == 0:
            self.released.wait(60)
            return
        headers: dict[str, str | None] = {"Content-Length": str(len(self.content) - start)}
        if resumed:
            last, size = len(self.content) - 1, len(self.content)
            headers["Content-Range"] = f"bytes {start}-{last}/{size}"
        request.send_response(206 if resumed else 200)
        for name, value in (headers | self.told).items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        for piece in self.body(self.content[start : self.stop_at]):
            request.wfile.write(piece)
            request.wfile.flush()
        if self.hang:
            self.released.wait(60)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def host(monkeypatch) -> Iterator[Host]:
    running = Host(CONTENT)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield running
    running.close()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / ARCHIVE


@pytest.fixture
def part(tmp_path) -> Path:
    """Where an earlier try leaves what came."""
    return tmp_path / PART


def get(host: Host, path: Path, timeout: float = 10) -> None:
    fetch(host.url, path, sha256=digest(CONTENT), size=len(CONTENT), timeout=timeout)


# ------------------------------------------------------------------------- what is there


class TestCache:
    def test_a_good_file_is_used_and_never_changed(self, host, path, part):
        path.write_bytes(CONTENT)
        part.write_bytes(b"of an earlier try")
        path.with_name(f"{ARCHIVE}.new").write_bytes(b"of a program that was killed")
        before = path.stat()
        get(host, path)
        after = path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert host.asked == []
        assert files_under(path.parent) == {ARCHIVE}

    @pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"!", b"\0" + CONTENT[1:]])
    def test_a_wrong_file_is_refused_and_left_alone(self, host, path, content):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError) as refused:
            get(host, path)
        assert str(refused.value) == (
            f"Expected the official file of {host.url} at {path} with sha256 {digest(CONTENT)}. "
            f"Received: {digest(content)}. Put the official file there, or delete this one to "
            "download it."
        )
        assert path.read_bytes() == content
        assert host.asked == []

    def test_a_folder_in_its_place_is_refused(self, host, path):
        path.mkdir()
        with pytest.raises(DamagedFileError, match=r"Received: a folder\."):
            get(host, path)
        assert host.asked == []


# ------------------------------------------------------------------ what hosts do wrong


class TestDownload:
    def test_whole(self, host, path, tmp_path, capsys):
        get(host, path)
        assert path.read_bytes() == CONTENT
        assert host.asked == [None]
        assert files_under(tmp_path) == {ARCHIVE}
        shown = capsys.readouterr()
        assert f"{ARCHIVE}: 100%" in shown.err  # the progress bar
        assert "300k/300k" in shown.err
        assert shown.out == ""

    def test_a_line_that_breaks_in_the_middle_is_resumed(self, host, path, part, tmp_path):
        host.stop_at = 200_000
        with pytest.raises(DownloadError) as failed:
            get(host, path)
        assert str(failed.value) == (
            f"Expected to download {host.url}. Received: a connection that broke off. What came "
            "is kept: the next try goes on from there. Or get the file by another way and put "
            f"it at {path}."
        )
        assert isinstance(failed.value, ConnectionError)
        came = part.read_bytes()
        assert 150_000 < len(came) <= host.stop_at
        assert CONTENT.startswith(came)
        assert files_under(tmp_path) == {PART}

        host.stop_at = None
        get(host, path)
        assert path.read_bytes() == CONTENT
        assert host.asked == [None, f"bytes={len(came)}-"]
        assert files_under(tmp_path) == {ARCHIVE}

    def test_a_host_that_cannot_resume_starts_again(self, host, path, part):
        part.write_bytes(CONTENT[:5_000])
        host.ranges = False
        get(host, path)
        assert host.asked == ["bytes=5000-"]
        assert path.read_bytes() == CONTENT

    @pytest.mark.parametrize(
        "told",
        [
            None,
            "nonsense",
            "bytes 0-299999/300000",
            "bytes 4999-299999/300000",
            "bytes 5001-299999/300000",
            "bytes 5000-299999/300001",
            "bytes 5000-9999/300000",
            "bytes */300000",
        ],
    )
    def test_a_range_that_is_not_the_one_asked_for_is_not_trusted(self, host, path, part, told):
        part.write_bytes(CONTENT[:5_000])
        host.told["Content-Range"] = told
        get(host, path)
        assert host.asked == ["bytes=5000-", None]
        assert path.read_bytes() == CONTENT

    def test_a_range_of_a_file_whose_size_the_host_does_not_know(self, host, path, part):
        part.write_bytes(CONTENT[:5_000])
        host.told["Content-Range"] = "bytes 5000-299999/*"
        get(host, path)
        assert host.asked == ["bytes=5000-"]
        assert path.read_bytes() == CONTENT

    def test_a_range_that_the_host_does_not_have_starts_again(self, host, path, part):
        part.write_bytes(CONTENT[:5_000])
        host.statuses["range"] = 416
        get(host, path)
        assert host.asked == ["bytes=5000-", None]
        assert path.read_bytes() == CONTENT

    def test_a_download_that_was_complete_but_not_yet_named(self, host, path, part):
        part.write_bytes(CONTENT)
        get(host, path)
        assert host.asked == []
        assert path.read_bytes() == CONTENT
        assert not part.exists()

    def test_more_than_the_whole_file_is_not_gone_on_with(self, host, path, part):
        part.write_bytes(CONTENT + b"!")
        get(host, path)
        assert host.asked == [None]
        assert path.read_bytes() == CONTENT

    @pytest.mark.parametrize("kept", [5_000, len(CONTENT)], ids=["begun", "complete"])
    def test_a_beginning_of_another_version_is_fetched_once_more(self, host, path, part, kept):
        part.write_bytes(bytes(kept))
        get(host, path)
        assert host.asked[-1] is None
        assert len(host.asked) <= 2
        assert path.read_bytes() == CONTENT

    def test_only_once_more(self, host, path, part, tmp_path):
        """It cannot be known which of the two is right: what was kept stays."""
        part.write_bytes(CONTENT[:5_000])
        host.content = bytes(len(CONTENT))
        with pytest.raises(DamagedFileError, match=f"Received: {digest(host.content)}"):
            get(host, path)
        assert host.asked == ["bytes=5000-", None]
        assert files_under(tmp_path) == {PART}
        assert part.read_bytes() == CONTENT[:5_000]

    @pytest.mark.parametrize("whole", ["right", "wrong"])
    def test_a_range_that_begins_rightly_and_goes_on_wrongly(
        self, host, path, part, tmp_path, whole
    ):
        part.write_bytes(CONTENT[:5_000])

        def spoil(body: bytes) -> list[bytes]:
            wrong = len(body) < len(CONTENT) or whole == "wrong"
            return [body[:2_000] + bytes(len(body) - 2_000) if wrong else body]

        host.body = spoil
        if whole == "right":
            get(host, path)
            assert path.read_bytes() == CONTENT
            assert files_under(tmp_path) == {ARCHIVE}
        else:
            with pytest.raises(DamagedFileError):
                get(host, path)
            assert part.read_bytes() == CONTENT[:5_000]
        assert host.asked == ["bytes=5000-", None]

    @pytest.mark.parametrize("status", [204, 404, 500, 503])
    def test_a_host_that_refuses_leaves_what_had_come(self, host, path, part, status):
        part.write_bytes(CONTENT[:5_000])
        host.statuses = {"range": status, "whole": status}
        with pytest.raises(DownloadError, match=f"Received: {status} .*goes on from there"):
            get(host, path)
        assert part.read_bytes() == CONTENT[:5_000]
        assert not path.exists()

    @pytest.mark.parametrize("stop_at", [0, 200_000], ids=["at once", "in the middle"])
    def test_a_host_that_falls_silent_is_given_up(self, host, path, part, stop_at):
        host.hang, host.stop_at = True, stop_at
        start = time.monotonic()
        words = r"Received: 0 bytes in 1\.5 seconds \(time-out\)\. What came is kept"
        with pytest.raises(DownloadError, match=words):
            get(host, path, timeout=1.5)  # long enough for the rest to come on a busy machine
        assert time.monotonic() - start < 10
        came = part.read_bytes() if part.exists() else b""
        assert CONTENT.startswith(came)
        assert len(came) > stop_at - 50_000

    def test_what_came_before_the_silence_is_kept(self, host, path, part):
        """Also behind what an earlier try had left. A kilobyte a second is enough to go on."""
        part.write_bytes(CONTENT[:5_000])
        host.hang, host.stop_at = True, 5_800
        with pytest.raises(DownloadError, match=r"Received: 0 bytes in 0\.8 seconds"):
            get(host, path, timeout=0.8)
        assert part.read_bytes() == CONTENT[:5_800]

    @pytest.mark.parametrize("kept", [0, 5_000])
    @pytest.mark.parametrize("sent", ["as it is", "in chunks"])
    def test_a_host_that_only_drips_is_given_up(self, host, path, part, kept, sent):
        """Each byte comes long before the time-out, all of them would take hours."""

        def drip(body: bytes) -> Iterator[bytes]:
            at_once = 0 if sent == "in chunks" else 2_000
            yield body[:at_once]
            for byte in body[at_once:]:
                time.sleep(0.02)
                yield b"1\r\n%c\r\n" % byte if sent == "in chunks" else b"%c" % byte

        part.write_bytes(CONTENT[:kept])
        host.body = drip
        if sent == "in chunks":
            host.told = {"Content-Length": None, "Transfer-Encoding": "chunked"}
            host.content, host.ranges = CONTENT, False
        words = r"Received: [\d,]+ bytes in 0\.1 seconds \(time-out\)\. What came is kept"
        with pytest.raises(DownloadError, match=words):
            get(host, path, timeout=0.1)
        assert CONTENT.startswith(part.read_bytes())
        assert part.stat().st_size >= kept
        assert len(host.asked) == 1

    def test_nor_is_one_waited_for_whose_first_lines_drip(self, host, path, part):
        part.write_bytes(CONTENT[:5_000])
        host.drips_first_lines = True
        words = r"Received: 0 bytes in 0\.2 seconds \(time-out\)\. What came is kept"
        with pytest.raises(DownloadError, match=words):
            get(host, path, timeout=0.2)
        assert part.read_bytes() == CONTENT[:5_000]

    def test_nor_one_whose_lines_between_two_pieces_drip(self, host, path, part):
        """Such a line may say more than the length of the piece, and no end is in sight."""

        def drip(body: bytes) -> Iterator[bytes]:
            yield b"%x\r\n%s\r\n1;" % (20_000, body[:20_000])
            while not host.released.wait(0.02):
                yield b"x"

        host.body = drip
        host.told = {"Content-Length": None, "Transfer-Encoding": "chunked"}
        with pytest.raises(DownloadError, match=r"0 bytes in 1\.5 seconds .*What came is kept"):
            get(host, path, timeout=1.5)
        assert part.read_bytes() == CONTENT[:20_000]

    def test_a_slow_host_is_not_a_dripping_one(self, host, path):
        def slowly(body: bytes) -> Iterator[bytes]:
            for start in range(0, len(body), 30_000):
                time.sleep(0.2)
                yield body[start : start + 30_000]

        host.body = slowly
        start = time.monotonic()
        get(host, path, timeout=1)
        assert time.monotonic() - start > 1
        assert path.read_bytes() == CONTENT

    def test_a_short_silence_is_no_reason_to_give_up(self, host, path):
        def with_a_break(body: bytes) -> Iterator[bytes]:
            yield body[:1_000]
            time.sleep(0.4)
            yield body[1_000:]

        host.body = with_a_break
        get(host, path, timeout=60)
        assert path.read_bytes() == CONTENT

    def test_thirty_seconds_of_silence_are_the_default(self):
        assert fetch.__kwdefaults__["timeout"] == 30

    def test_nobody_there(self, host, path, tmp_path):
        host.close()
        with pytest.raises(DownloadError, match=r"Received: no connection\. What came"):
            get(host, path)
        assert files_under(tmp_path) == set()

    def test_a_connection_that_is_not_secure(self, host, path):
        with pytest.raises(DownloadError, match=r"Received: no secure connection \(a proxy"):
            fetch(
                host.url.replace("http:", "https:"), path,
                sha256=digest(CONTENT), size=len(CONTENT), timeout=5,
            )  # fmt: skip

    @pytest.mark.parametrize("url", ["", "no address", "file:///etc/passwd", "http://[::1"])
    def test_what_is_no_address_is_said_in_words(self, path, url):
        with pytest.raises(DownloadError, match="Expected to download .* Received: "):
            fetch(url, path, sha256=digest(CONTENT), size=len(CONTENT), timeout=1)

    def test_redirects_are_followed(self, host, path):
        host.redirects = 3
        get(host, path)
        assert path.read_bytes() == CONTENT

    def test_endless_redirects_are_not(self, host, path):
        host.redirects = 10_000
        with pytest.raises(DownloadError, match="Received: Exceeded 30 redirects. What"):
            get(host, path)

    @pytest.mark.parametrize("length", [None, "nonsense", "-5", "300001", "9" * 30])
    def test_a_whole_file_of_a_length_told_wrongly_is_taken(self, host, path, length):
        host.told["Content-Length"] = length
        get(host, path)
        assert path.read_bytes() == CONTENT

    def test_a_length_told_too_short_is_found_out(self, host, path, tmp_path):
        host.told["Content-Length"] = "299999"
        with pytest.raises(DamagedFileError, match=f"Received: {digest(CONTENT[:-1])}"):
            get(host, path)
        assert files_under(tmp_path) == set()

    def test_an_end_that_nobody_told_may_be_a_broken_line(self, host, path, part):
        host.told["Content-Length"], host.stop_at = None, 200_000
        with pytest.raises(DownloadError, match="broke off.*goes on from there"):
            get(host, path)
        assert part.read_bytes() == CONTENT[:200_000]

    @pytest.mark.parametrize("length", ["300000", None], ids=["told", "not told"])
    @pytest.mark.parametrize("extra", [b"!", CONTENT])
    def test_what_comes_beyond_the_size_is_not_taken(self, host, path, length, extra):
        host.told["Content-Length"] = length
        host.body = lambda body: [body, extra]
        get(host, path)
        assert path.read_bytes() == CONTENT

    def test_an_endless_answer_is_cut_off(self, host, path, tmp_path):
        sent = itertools.count()
        host.told["Content-Length"] = None
        host.body = lambda body: (b"x" * 50_000 for _ in sent)
        with pytest.raises(DamagedFileError) as refused:
            get(host, path)
        assert f"Received: {digest(b'x' * len(CONTENT))}." in str(refused.value)
        assert files_under(tmp_path) == set()

    def test_a_file_sent_in_chunks(self, host, path):
        host.told = {"Content-Length": None, "Transfer-Encoding": "chunked"}
        host.body = lambda body: [b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)]
        get(host, path)
        assert path.read_bytes() == CONTENT

    def test_a_host_that_calls_the_packing_of_the_file_itself_an_encoding(self, host, path):
        """As web servers do that were told of the ending .gz."""
        host.content = gzip.compress(CONTENT)
        host.told = {"Content-Encoding": "x-gzip"}
        fetch(host.url, path, sha256=digest(host.content), size=len(host.content), timeout=10)
        assert path.read_bytes() == host.content

    def test_a_host_that_sends_one_to_no_address(self, host, path, part):
        part.write_bytes(CONTENT[:5_000])
        host.redirects, host.elsewhere = 1, "http://[::1"
        with pytest.raises(DownloadError, match=r"Received: Invalid IPv6 URL\. What came is kept"):
            get(host, path)
        assert part.read_bytes() == CONTENT[:5_000]

    @pytest.mark.parametrize(
        "content", [b"<html>Sign in to the Wi-Fi first</html>", bytes(len(CONTENT))]
    )
    def test_something_else_came(self, host, path, tmp_path, content):
        host.content = content
        with pytest.raises(DamagedFileError) as refused:
            get(host, path)
        assert str(refused.value) == (
            f"Expected {host.url} to have sha256 {digest(CONTENT)}. "
            f"Received: {digest(content)}. The download was deleted. Try again, or get the file "
            f"by another way and put it at {path}."
        )
        assert isinstance(refused.value, ValueError)
        assert files_under(tmp_path) == set()

    PAGE = b"<html>Sign in to the Wi-Fi first</html>"

    def test_a_sign_in_page_does_not_cost_what_came_before(self, host, path, part):
        part.write_bytes(CONTENT[:200_000])
        host.content, host.ranges = self.PAGE, False
        with pytest.raises(DamagedFileError, match=f"Received: {digest(self.PAGE)}"):
            get(host, path)
        assert part.read_bytes() == CONTENT[:200_000]

    @pytest.mark.parametrize("kept", [300, 5_000, 299_999])
    @pytest.mark.parametrize("page", [PAGE, b"", PAGE * 10_000, CONTENT[:200]], ids=len)
    @pytest.mark.parametrize("how", ["length", "chunked", "no length", "gzip"])
    def test_nor_does_it_however_it_is_sent(self, host, path, part, tmp_path, kept, page, how):
        part.write_bytes(CONTENT[:kept])
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page) if page else b"0\r\n\r\n"
        sent = {"chunked": chunked, "gzip": gzip.compress(page)}.get(how, page)
        host.body = lambda body: [sent]
        host.told = {"Content-Length": str(len(sent)) if how in ("length", "gzip") else None}
        host.told |= {
            "chunked": {"Transfer-Encoding": "chunked"},
            "gzip": {"Content-Encoding": how},
        }.get(how, {})
        host.ranges = False
        with pytest.raises((DownloadError, DamagedFileError)):
            get(host, path)
        assert part.read_bytes() == CONTENT[:kept]
        assert files_under(tmp_path) == {PART}

        host.told, host.ranges, host.body = {}, True, lambda body: [body]
        get(host, path)  # and the next try goes on with it
        assert path.read_bytes() == CONTENT
        assert files_under(tmp_path) == {ARCHIVE}

    def test_a_line_that_breaks_while_the_whole_is_fetched_anew_costs_nothing(
        self, host, path, part, tmp_path
    ):
        part.write_bytes(CONTENT[:5_000])
        host.content, host.ranges, host.stop_at = bytes(len(CONTENT)), False, 200_000
        with pytest.raises(DownloadError, match="broke off"):
            get(host, path)
        assert files_under(tmp_path) == {PART}
        assert part.read_bytes() == CONTENT[:5_000]

    def test_what_a_killed_program_fetched_anew_is_removed(self, host, path, tmp_path):
        path.with_name(f"{ARCHIVE}.new").write_bytes(b"half")
        get(host, path)
        assert files_under(tmp_path) == {ARCHIVE}


# --------------------------------------------------------------------------- the disk


class TestDisk:
    @pytest.mark.parametrize(("kept", "needed"), [(0, 400_000), (100_000, 300_000)])
    def test_free_space_is_checked_first(self, host, path, part, monkeypatch, kept, needed):
        """For what is still to come and for what the caller writes afterwards."""
        part.write_bytes(CONTENT[:kept])
        usage = shutil.disk_usage(path.parent)
        wanted = {"sha256": digest(CONTENT), "size": len(CONTENT), "room": 100_000}
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed - 1))
        words = rf"Expected 0 MB of free disk for {ARCHIVE} in .*Nothing was written"
        with pytest.raises(StorageError, match=words):
            fetch(host.url, path, **wanted)
        assert host.asked == []
        assert part.read_bytes() == CONTENT[:kept]
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed))
        fetch(host.url, path, **wanted)
        assert path.read_bytes() == CONTENT

    def test_so_it_is_where_the_file_is_there_already(self, host, path, monkeypatch):
        path.write_bytes(CONTENT)
        usage = shutil.disk_usage(path.parent)
        wanted = {"sha256": digest(CONTENT), "size": len(CONTENT), "room": 100_000}
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=99_999))
        with pytest.raises(StorageError, match="of free disk for"):
            fetch(host.url, path, **wanted)
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=100_000))
        fetch(host.url, path, **wanted)
        assert host.asked == []

    def test_a_disk_that_gets_full_on_the_way(self, host, path, part, tmp_path):
        """/dev/full is a file on a full disk, for everyone and in any container."""
        part.symlink_to("/dev/full")
        with pytest.raises(StorageError) as refused:
            get(host, path)
        assert str(refused.value).startswith(
            f"Expected room on the disk for {path}. Received: the disk is full."
        )
        assert files_under(tmp_path) == set()

    def test_a_disk_that_takes_no_new_file(self, host, path, part, monkeypatch):
        def full(file, *_, **__):
            raise OSError(errno.ENOSPC, "No space left on device", str(file))

        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(StorageError, match="the disk is full"):
            get(host, path)

    def test_a_disk_that_gets_full_while_going_on_leaves_what_was_kept(
        self, host, path, part, monkeypatch
    ):
        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        part.write_bytes(CONTENT[:5_000])
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            get(host, path)
        assert part.read_bytes() == CONTENT[:5_000]

    def test_a_folder_where_nothing_may_be_written(self, host, path, tmp_path):
        with closed(tmp_path), ordinary_user(reaching=tmp_path):
            for attempt in (
                lambda: get(host, path),
                lambda: one_at_a_time(path).__enter__(),
            ):
                with pytest.raises(StorageError) as refused:
                    attempt()
                assert str(refused.value) == (
                    f"Expected to be allowed to write {path}. Received: Permission denied. "
                    "Choose a folder that is yours, or copy the course into one."
                )
        assert files_under(tmp_path) == set()


# ------------------------------------------------------------------ CIFAR-10, by hand


def archive_with(files: dict[str, bytes], *entries: tarfile.TarInfo) -> bytes:
    """An archive of some files, with other entries before them: links, devices, zeros."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(bytes(entry.size)) if entry.isreg() else None)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, size=0, link="") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


@pytest.fixture
def trust(monkeypatch) -> Callable[[bytes], bytes]:
    """Gives a function that makes an archive the official one, by its hash and size."""

    def make_official(archive: bytes) -> bytes:
        monkeypatch.setattr(cifar10, "CIFAR10_SHA256", digest(archive))
        monkeypatch.setattr(cifar10, "CIFAR10_BYTES", len(archive))
        return archive

    return make_official


@pytest.fixture
def layout(cifar10_files) -> dict[str, bytes]:
    """The six files under the names that they have in the archive."""
    return {f"cifar-10-batches-bin/{name}": c for name, c in cifar10_files.items()}


@pytest.fixture
def archive(layout, trust) -> bytes:
    """An archive in the official layout, taken for the official one."""
    notes = {"cifar-10-batches-bin/batches.meta.txt": b"airplane\n"}
    return trust(archive_with({**notes, **layout}, entry("cifar-10-batches-bin", tarfile.DIRTYPE)))


def load_cifar10(data_dir: Path) -> ImageDataset:
    return load_dataset("cifar10", data_dir=data_dir, validation_images=0)


UNPACKED = {"cifar10"} | {f"cifar10/{name}" for name in (*cifar10.CIFAR10_FILES, "SHA256SUMS")}


class TestCifar10Archive:
    """The archive handed round on a stick and dropped into data/."""

    def test_it_is_found_unpacked_and_known_to_be_official(
        self, path, part, tmp_path, archive, cifar10_files
    ):
        path.write_bytes(archive)
        part.write_bytes(archive[:1_000])  # of a download that was given up
        (tmp_path / cifar10.CIFAR10_UNPACKING).mkdir()  # of a program that was stopped
        (tmp_path / cifar10.CIFAR10_UNPACKING / "half").write_bytes(b"")
        loaded = load_cifar10(tmp_path)
        assert loaded.source == "CIFAR-10"
        assert loaded.test.images[0, 0, 0, 0] == cifar10_files["test_batch.bin"][1]
        assert files_under(tmp_path) == UNPACKED | {ARCHIVE, LOCK}
        listed = (tmp_path / "cifar10" / "SHA256SUMS").read_text().splitlines()
        assert listed == [f"{digest(c)}  {name}" for name, c in cifar10_files.items()]

    def test_it_is_needed_only_once(self, path, tmp_path, archive):
        path.write_bytes(archive)
        load_cifar10(tmp_path)
        path.unlink()
        assert load_cifar10(tmp_path).source == "CIFAR-10"

    def test_a_pixel_changed_after_unpacking_is_no_longer_official(self, path, tmp_path, archive):
        path.write_bytes(archive)
        load_cifar10(tmp_path)
        file = tmp_path / "cifar10" / "data_batch_2.bin"
        content = bytearray(file.read_bytes())
        content[100] ^= 1
        file.write_bytes(content)
        assert "not known to be the official" in load_cifar10(tmp_path).source

    @pytest.mark.parametrize("keep", [0, 1_000, -1], ids=["empty", "cut short", "one byte less"])
    def test_a_damaged_archive_is_refused_and_kept_for_the_reader(
        self, path, tmp_path, archive, keep
    ):
        damaged = archive[:keep]
        path.write_bytes(damaged)
        with pytest.raises(DamagedFileError) as refused:
            load_cifar10(tmp_path)
        message = str(refused.value)
        assert f"with sha256 {cifar10.CIFAR10_SHA256}. Received: {digest(damaged)}" in message
        assert path.read_bytes() == damaged
        assert files_under(tmp_path) == {ARCHIVE, LOCK}

    @pytest.mark.parametrize(
        "wrong",
        [
            entry("../evil.txt"),
            entry("/tmp/evil.txt"),
            entry("cifar-10-batches-bin/evil", tarfile.SYMTYPE, link="/etc/passwd"),
            entry("cifar-10-batches-bin/test_batch.bin", tarfile.LNKTYPE, link="../../evil"),
            entry("cifar-10-batches-bin/evil", tarfile.CHRTYPE),
            entry("cifar-10-batches-bin/bomb.txt", size=50_000_000),
        ],
        ids=lambda wrong: f"{wrong.name} {wrong.type.decode()} {wrong.size}",
    )
    def test_what_does_not_belong_there_is_refused_unopened(
        self, tmp_path, layout, monkeypatch, wrong
    ):
        """Its hash is not that of the official archive."""
        (tmp_path / ARCHIVE).write_bytes(content := archive_with(layout, wrong))
        monkeypatch.setattr(tarfile, "open", None)
        with pytest.raises(DamagedFileError, match=f"Received: {digest(content)}"):
            load_cifar10(tmp_path)
        assert files_under(tmp_path) == {ARCHIVE, LOCK}

    def test_nothing_but_the_six_files_is_taken_out(self, tmp_path, layout, trust):
        """Whatever else the official archive were to hold."""
        data_dir = tmp_path / "course" / "data"
        data_dir.mkdir(parents=True)
        others = (
            entry("../evil.txt"),
            entry("cifar-10-batches-bin/../../evil.txt"),
            entry("cifar-10-batches-bin/evil", tarfile.SYMTYPE, link="/etc/passwd"),
        )
        (data_dir / ARCHIVE).write_bytes(trust(archive_with(layout, *others)))
        assert load_cifar10(data_dir).source == "CIFAR-10"
        assert files_under(tmp_path / "course") == {"data"} | {
            f"data/{name}" for name in UNPACKED | {ARCHIVE, LOCK}
        }

    def test_a_disk_that_gets_full_while_unpacking(self, path, tmp_path, archive, monkeypatch):
        copied, write_bytes = [], Path.write_bytes

        def copy_three_then_fill_up(file: Path, content: bytes) -> None:
            copied.append(write_bytes(file, content))
            if len(copied) == 3:
                write_bytes(Path("/dev/full"), b"!")

        path.write_bytes(archive)
        monkeypatch.setattr(Path, "write_bytes", copy_three_then_fill_up)
        with pytest.raises(StorageError, match="Received: the disk is full"):
            load_cifar10(tmp_path)
        assert files_under(tmp_path) == {ARCHIVE, LOCK}
        monkeypatch.undo()
        assert path.read_bytes() == archive

    def test_a_file_in_the_place_of_the_folder(self, tmp_path, host):
        (tmp_path / "cifar10").write_text("a note")
        with pytest.raises(MissingFileError, match=r"is not there\. Move .*cifar10 elsewhere"):
            load_cifar10(tmp_path)
        with pytest.raises(StorageError, match=r"Expected a folder for .*a file is in the way"):
            load_cifar10(tmp_path / "cifar10")
        assert files_under(tmp_path) == {"cifar10"}

    def test_data_that_may_only_be_read_is_enough(self, path, tmp_path, archive):
        path.write_bytes(archive)
        load_cifar10(tmp_path)
        (tmp_path / LOCK).unlink()
        with closed(tmp_path), ordinary_user(reaching=tmp_path):
            assert load_cifar10(tmp_path).source == "CIFAR-10"
        assert files_under(tmp_path) == UNPACKED | {ARCHIVE}

    def test_an_archive_where_nothing_may_be_written(self, path, tmp_path, archive):
        path.write_bytes(archive)
        with (
            closed(tmp_path),
            ordinary_user(reaching=tmp_path),
            pytest.raises(StorageError, match="to be allowed to write"),
        ):
            load_cifar10(tmp_path)
        assert files_under(tmp_path) == {ARCHIVE}


# ------------------------------------------------------------------ CIFAR-10, downloaded


@pytest.fixture
def official_host(host, archive, monkeypatch) -> Host:
    """The host of the CIFAR-10 archive."""
    host.content = archive
    monkeypatch.setattr(cifar10, "CIFAR10_URL", host.url)
    return host


class TestCifar10Download:
    def test_whole(self, tmp_path, official_host, archive):
        data_dir = tmp_path / "not there yet"
        assert load_cifar10(data_dir).source == "CIFAR-10"
        assert official_host.asked == [None]
        assert files_under(data_dir) == UNPACKED | {ARCHIVE, LOCK}
        assert (data_dir / ARCHIVE).read_bytes() == archive

    def test_room_is_needed_for_the_archive_and_for_the_files(
        self, tmp_path, official_host, archive, cifar10_files, monkeypatch
    ):
        needed = len(archive) + sum(map(len, cifar10_files.values()))
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed - 1))
        with pytest.raises(StorageError, match="Expected 1 MB of free disk.* Nothing was written"):
            load_cifar10(tmp_path)
        assert official_host.asked == []
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=needed))
        assert load_cifar10(tmp_path).source == "CIFAR-10"

    def test_a_download_that_fails_names_the_dataset_that_needs_none(self, tmp_path, host):
        host.statuses["whole"] = 503
        with pytest.MonkeyPatch.context() as patch, pytest.raises(DownloadError) as failed:
            patch.setattr(cifar10, "CIFAR10_URL", host.url)
            load_cifar10(tmp_path)
        assert str(failed.value) == (
            f"Expected to download {host.url}. Received: 503 Service Unavailable. What came is "
            "kept: the next try goes on from there. Or get the file by another way and put it "
            f"at {tmp_path / ARCHIVE}. The bundled dataset needs no download: "
            'load_dataset("fashion_mnist").'
        )

    def test_the_known_size_and_hash_are_those_of_the_data_card(self):
        card = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
        assert f"`{ARCHIVE}` ({cifar10.CIFAR10_BYTES:,} bytes)" in card
        assert len(cifar10.CIFAR10_FILES) * cifar10.CIFAR10_RECORDS_A_FILE == 60_000


@pytest.fixture
def command_line(tmp_path) -> Callable[..., subprocess.Popen]:
    """Gives a function that runs what `make cifar10` runs, in a copy of the project."""

    def start(url: str) -> subprocess.Popen:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=ignored)
        module = tmp_path / "helpers" / "datasets" / "cifar10.py"
        text = module.read_text(encoding="utf-8").replace(cifar10.CIFAR10_URL, url)
        module.write_text(text, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "helpers.datasets", "cifar10"], cwd=tmp_path, text=True,
            stderr=subprocess.PIPE, env={**os.environ, "PYTHONWARNINGS": "error"},
        )  # fmt: skip

    return start


class TestCommandLine:
    def test_an_error_is_one_line_and_no_traceback(self, host, command_line):
        host.statuses["whole"] = 404
        running = command_line(host.url)
        said = running.communicate(timeout=60)[1]
        assert running.returncode == 1
        assert said.startswith(f"Expected to download {host.url}. Received: 404 Not Found. What")
        assert said.count("\n") == 1

    @pytest.mark.parametrize("stop_at", [0, 200_000], ids=["at once", "in the middle"])
    def test_it_can_be_stopped(self, host, command_line, tmp_path, stop_at):
        host.hang, host.stop_at = True, stop_at
        running = command_line(host.url)
        part = tmp_path / "data" / PART

        def waits() -> bool:
            return bool(part.exists() and part.stat().st_size) if stop_at else bool(host.asked)

        deadline = time.monotonic() + 60
        while not waits() and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1]
        assert running.returncode == 1
        assert said.endswith("Stopped. What came is kept: the next try goes on from there.\n")
        assert "Traceback" not in said


# ----------------------------------------------------- many programs, and killed ones

# A program with all that loading CIFAR-10 imports. It reads jobs, one a line, and forks itself
# for each: that takes milliseconds, where a fresh Python takes a second.
FORKING = """
import json, os, signal, sys, threading, time
import filelock, psutil, requests, tqdm.auto, urllib3
from helpers.datasets import cifar10, load_dataset

os.fsync = lambda descriptor: None  # what was written outlives a process, only not a machine
STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def load(job):
    for name, value in job["constants"].items():
        setattr(cifar10, name, value)
    sys.stdout = open(job["said"], "a")
    if job["seconds"] is not None:
        threading.Thread(target=lambda: (time.sleep(job["seconds"]), die()), daemon=True).start()
    left = job["step"]

    def count(event, arguments):
        nonlocal left
        if left is not None and event in STEPS:
            left -= 1
            if left == 0:
                die()

    sys.addaudithook(count)
    for _ in range(job["loads"]):
        loaded = load_dataset("cifar10", data_dir=job["data_dir"], validation_images=0)
        assert loaded.source == "CIFAR-10"
    left = None


for line in sys.stdin:
    job = json.loads(line)
    gate, opener = os.pipe()
    children = []
    for _ in range(job["programs"]):
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)  # until all are there
            ended = 1
            try:
                load(job)
                ended = 0
            except BaseException as error:
                print(type(error).__name__, error)
            sys.stdout.flush()
            os._exit(ended)
        children.append(child)
    os.close(opener)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.close(gate)
    print(json.dumps(ended), flush=True)
"""


class Programs:
    """Other programs that load CIFAR-10, with what they said."""

    def __init__(self, said: Path):
        self.said = said
        self.running = subprocess.Popen(
            [sys.executable, "-c", FORKING],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip

    def load(self, data_dir: Path, *, programs=1, loads=1, seconds=None, step=None) -> list[int]:
        """Let them load, killed after some seconds or at a step; give how each ended."""
        names = [f"CIFAR10_{name}" for name in ("RECORDS_A_FILE", "URL", "SHA256", "BYTES")]
        job = {
            "constants": {name: getattr(cifar10, name) for name in names},
            "data_dir": str(data_dir), "said": str(self.said),
            "programs": programs, "loads": loads, "seconds": seconds, "step": step,
        }  # fmt: skip
        self.running.stdin.write(json.dumps(job) + "\n")
        self.running.stdin.flush()
        return json.loads(self.running.stdout.readline())

    def close(self) -> None:
        self.running.stdin.close()
        self.running.wait(10)
        self.running.stdout.close()


@pytest.fixture
def programs(tmp_path_factory, official_host) -> Iterator[Programs]:
    running = Programs(tmp_path_factory.mktemp("programs") / "said.txt")
    yield running
    running.close()


KILLED = -9


class TestManyPrograms:
    def test_a_hundred_loads_from_many_programs_download_once(
        self, tmp_path, programs, official_host, archive
    ):
        def slowly(body: bytes) -> Iterator[bytes]:
            for start in range(0, len(body), 40_000):
                time.sleep(0.03)  # so that the others come meanwhile
                yield body[start : start + 40_000]

        official_host.body = slowly
        assert programs.load(tmp_path, programs=10, loads=10) == [0] * 10
        assert official_host.asked == [None]
        assert files_under(tmp_path) == UNPACKED | {ARCHIVE, LOCK}
        assert (tmp_path / ARCHIVE).read_bytes() == archive
        said = programs.said.read_text().splitlines()
        words = f"Another program is already downloading {ARCHIVE}; waiting for it."
        assert said == [words] * 9

    def test_the_second_waits_and_goes_on_when_the_first_has_failed(
        self, tmp_path, official_host, capsys
    ):
        held = threading.Event()

        def fail_after_a_while() -> None:
            with filelock.FileLock(tmp_path / LOCK):
                held.set()
                time.sleep(0.2)

        threading.Thread(target=fail_after_a_while).start()
        held.wait(10)
        assert load_cifar10(tmp_path).source == "CIFAR-10"
        assert capsys.readouterr().out.count("waiting for it.") == 1
        assert official_host.asked == [None]

    def test_the_lock_is_given_back_when_something_fails(self, path, tmp_path):
        with pytest.raises(KeyError), one_at_a_time(path):
            raise KeyError
        with filelock.FileLock(tmp_path / LOCK, timeout=0):
            pass


@pytest.mark.slow
class TestKilledPrograms:
    """Whatever the moment: what is there is whole, and the next program goes on."""

    @pytest.fixture(autouse=True)
    def no_waiting_for_the_disk(self, monkeypatch):
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    def goes_on(self, data_dir: Path) -> None:
        if (data_dir / "cifar10").exists():
            assert files_under(data_dir) >= UNPACKED
        if (data_dir / ARCHIVE).exists():
            assert digest((data_dir / ARCHIVE).read_bytes()) == cifar10.CIFAR10_SHA256
        assert load_cifar10(data_dir).source == "CIFAR-10"
        assert files_under(data_dir) == UNPACKED | {ARCHIVE, LOCK}

    @pytest.mark.parametrize("by_hand", [True, False], ids=["unpacking", "downloading"])
    def test_at_every_step_that_changes_files(self, tmp_path, programs, archive, by_hand):
        ends = []
        for step in itertools.count(1):
            data_dir = tmp_path / str(step)
            data_dir.mkdir()
            if by_hand:
                (data_dir / ARCHIVE).write_bytes(archive)
            ends += programs.load(data_dir, step=step)
            self.goes_on(data_dir)
            shutil.rmtree(data_dir)
            if ends[-1] != KILLED:
                break
        assert ends == [KILLED] * (len(ends) - 1) + [0]
        assert len(ends) > 20

    def test_at_random_moments_of_a_download(self, tmp_path, programs, official_host, archive):
        def slowly(body: bytes) -> Iterator[bytes]:
            for start in range(0, len(body), 10_000):
                time.sleep(0.005)
                yield body[start : start + 10_000]

        at_once = official_host.body
        for moment, shift in enumerate(np.random.default_rng(0).random(12)):
            data_dir = tmp_path / str(moment)
            official_host.body = slowly
            (ended,) = programs.load(data_dir, seconds=0.02 * (moment + shift))
            assert ended in (KILLED, 0)
            part = data_dir / PART
            kept = part.stat().st_size if part.exists() else 0
            official_host.asked.clear()
            official_host.body = at_once
            self.goes_on(data_dir)
            if 0 < kept < len(archive):
                assert official_host.asked == [f"bytes={kept}-"]

    def test_at_random_moments_of_unpacking(self, tmp_path, programs, archive):
        for moment, shift in enumerate(np.random.default_rng(1).random(12)):
            data_dir = tmp_path / str(moment)
            data_dir.mkdir()
            (data_dir / ARCHIVE).write_bytes(archive)
            (ended,) = programs.load(data_dir, seconds=0.003 * (moment + shift))
            assert ended in (KILLED, 0)
            self.goes_on(data_dir)
