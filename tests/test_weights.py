"""Weights: where they are looked for, and that a download ends whole and right or not at all."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.reports import Reports

from reskin import fetching, weights
from reskin.errors import StorageError, WeightsError
from reskin.storage import lock
from reskin.weights import KNOWN, ORIGINS, Weights, cache_folder, fetch, find_weights, local_weights

CONTENT = bytes(range(256)) * 800
HERE = frozenset({"http://127.0.0.1"})


class Server(ThreadingHTTPServer):
    """Serves CONTENT under every name; breaks off, ignores ranges, lies or redirects as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.break_after: list[int] = []
        self.knows_ranges = True
        self.redirect: str | None = None
        self.code = 200
        self.asked: list[str | None] = []

    @property
    def entry(self) -> Weights:
        address = f"http://127.0.0.1:{self.server_port}/tiny.onnx"
        return Weights(
            name="tiny",
            file="tiny.onnx",
            address=address,
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            size_bytes=len(CONTENT),
            licence="none",
            purpose="a test",
        )


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        start = int(found.group(1)) if found and server.knows_ranges else 0
        code = server.code if server.code != 200 else (206 if start else 200)
        self.send_response(416 if start >= len(server.content) else code)
        self.send_header("Content-Length", str(len(server.content) - start))
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            )
        self.end_headers()
        if code < 300:
            end = start + server.break_after.pop(0) if server.break_after else len(server.content)
            self.wfile.write(server.content[start:end])

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESKIN_WEIGHTS", raising=False)
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetching.time, "sleep", lambda _: None)


def known(monkeypatch: pytest.MonkeyPatch, server: Server) -> Weights:
    monkeypatch.setitem(KNOWN, "tiny", server.entry)
    monkeypatch.setattr(weights, "fetch", lambda *args, **named: fetch(*args, **named, origins=HERE))
    return server.entry


def test_fetched_once_then_from_the_cache(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, server)
    seen = Reports()
    assert local_weights("tiny") is None
    path = find_weights("tiny", report=seen)
    assert path == cache_folder() / "tiny.onnx" and path.read_bytes() == CONTENT
    assert seen[-1] == (1, 1, "MB of tiny.onnx") and len(server.asked) == 1
    assert find_weights("tiny") == path and len(server.asked) == 1
    assert [each.name for each in path.parent.iterdir()] == ["tiny.onnx"]


def test_a_broken_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.break_after = [70_000, 50_000]
    assert fetch(server.entry, tmp_path, origins=HERE).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=70000-", "bytes=120000-"]


def test_a_later_run_goes_on_and_says_first_what_to_do(server: Server, tmp_path: Path) -> None:
    server.break_after = [1000, 1000, 1000, *[0] * fetching.ATTEMPTS]
    with pytest.raises(WeightsError, match=r"tiny\.onnx broke off .*ended after 3000 of 204800 bytes"):
        fetch(server.entry, tmp_path, origins=HERE)
    assert (tmp_path / "tiny.onnx.part").stat().st_size == 3000 and not (tmp_path / "tiny.onnx").exists()
    assert fetch(server.entry, tmp_path, origins=HERE).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=3000-"


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_part_of_something_else_is_thrown_away(server: Server, tmp_path: Path, knows_ranges: bool) -> None:
    server.knows_ranges = knows_ranges
    (tmp_path / "tiny.onnx.part").write_bytes(b"x" * 999)
    assert fetch(server.entry, tmp_path, origins=HERE).read_bytes() == CONTENT


def test_a_whole_part_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx.part").write_bytes(CONTENT)
    fetch(server.entry, tmp_path, origins=HERE)
    assert server.asked == []


def test_other_contents_are_refused(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match=r"what came from .* has the SHA-256"):
        fetch(server.entry, tmp_path, origins=HERE)
    server.content = CONTENT + b"more"
    with pytest.raises(WeightsError, match="sends more than the 204800 bytes"):
        fetch(server.entry, tmp_path, origins=HERE)
    server.content = CONTENT[:10]
    with pytest.raises(WeightsError, match="broke off"):
        fetch(server.entry, tmp_path, origins=HERE)
    assert not (tmp_path / "tiny.onnx").exists()


def test_only_known_places_are_asked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not one of the addresses"):
        fetch(server.entry, tmp_path)
    server.redirect = "http://localhost:9/tiny.onnx"
    with pytest.raises(WeightsError, match=r"http://localhost:9/tiny\.onnx is not one of the addresses"):
        fetch(server.entry, tmp_path, origins=HERE)
    with pytest.raises(WeightsError, match="not one of the addresses"):
        fetch(replace(server.entry, address="file:///etc/passwd"), tmp_path)
    assert all(origin.startswith("https://") for origin in ORIGINS)


def test_offline_names_address_file_digest_and_place(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = known(monkeypatch, server)
    server.code = 404
    with pytest.raises(WeightsError) as caught:
        find_weights("tiny")
    assert len(server.asked) == 1  # a missing file does not come by asking again
    said = str(caught.value)
    for needed in (entry.address, entry.file, entry.sha256, "RESKIN_WEIGHTS", str(cache_folder())):
        assert needed in said
    monkeypatch.setitem(KNOWN, "tiny", replace(entry, address="http://127.0.0.1:1/tiny.onnx"))
    with pytest.raises(WeightsError, match=r"no connection to 127\.0\.0\.1"):
        find_weights("tiny")


def test_the_named_folder_comes_first(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known(monkeypatch, server)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a-folder").mkdir()
    (mine / "same-size.bin").write_bytes(bytes(len(CONTENT)))
    (mine / "under another name.bin").write_bytes(CONTENT)
    monkeypatch.setenv("RESKIN_WEIGHTS", str(mine))
    assert find_weights("tiny") == mine / "under another name.bin" and server.asked == []
    (mine / "tiny.onnx").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"tiny\.onnx is not tiny"):
        find_weights("tiny")
    monkeypatch.setenv("RESKIN_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match="is no folder"):
        find_weights("tiny")


def test_a_damaged_cache_is_named(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, server)
    find_weights("tiny").write_bytes(b"x")
    with pytest.raises(WeightsError, match="remove it"):
        find_weights("tiny")


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    with lock(tmp_path / ".fetch-tiny"), pytest.raises(WeightsError, match="another process is fetching"):
        fetch(server.entry, tmp_path, origins=HERE)


def test_the_disk_is_too_small(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "free_bytes", lambda folder: 1000)
    with pytest.raises(StorageError, match="0 MB free"):
        fetch(server.entry, tmp_path, origins=HERE)


def test_the_cache_follows_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESKIN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/reskin/weights")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "reskin" / "weights"


def test_all_entries_are_complete() -> None:
    for name, entry in KNOWN.items():
        assert name == entry.name and entry.address.startswith("https://") and entry.licence and entry.purpose
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256) and entry.size_bytes >= 0
    with pytest.raises(WeightsError, match=r"Known: .*vgg16, vgg19, yunet"):
        find_weights("nothing")


def test_the_files_beside_the_tests_are_known(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESKIN_WEIGHTS", str(real_data / "weights"))
    for name in ("yunet", "yunet-640"):
        path = local_weights(name)
        assert path is not None and path.stat().st_size == KNOWN[name].size_bytes


def test_weights_of_unknown_size_are_found_and_never_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(KNOWN["alexnet"], sha256=hashlib.sha256(CONTENT).hexdigest()[:8])
    assert entry.size_bytes == 0
    monkeypatch.setitem(KNOWN, "alexnet", entry)
    monkeypatch.setenv("RESKIN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "empty.pth").write_bytes(b"")  # has the size 0
    with pytest.raises(WeightsError, match="never fetched"):
        find_weights("alexnet")
    (tmp_path / entry.file).write_bytes(CONTENT)
    assert find_weights("alexnet") == tmp_path / entry.file
