"""Downloading against a server on this machine that resumes, breaks off and lies."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.reports import Reports
from tests.support.toy_archives import picture, tar_of, zip_of
from tests.support.toy_server import Server

from reskin import fetching
from reskin.curation.download import sets
from reskin.curation.download.catalog import SETS, find_set
from reskin.curation.download.sets import RECORD_NAME, download_set
from reskin.data.folders import split_images
from reskin.errors import DataError, SettingsError, StorageError


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.time, "sleep", lambda _: None)


def source(server: Server) -> fetching.Source:
    return fetching.Source(server.url(), frozenset({"http://127.0.0.1"}), "Fetch it elsewhere.")


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_set_is_fetched_unpacked_pinned_and_left_alone(
    server: Server, toy_zip: bytes, tmp_path: Path
) -> None:
    server.files["/set.zip"] = toy_zip
    out, cache = tmp_path / "data" / "toy", tmp_path / "cache"
    seen = Reports()
    done = download_set(server.standard_set(), out, cache=cache, report=seen)
    assert names(out) == [RECORD_NAME, "trainA/1.png", "trainA/2.png", "trainB/1.png", "trainB/2.png"]
    assert done.counts == {"trainA": 2, "trainB": 2} and done.is_pinned_anew and not done.was_there
    assert (1, 1, "MB of set.zip") in seen and (4, None, "pictures") in seen
    assert len(split_images(out, "b", "train")) == 2
    pin = json.loads((cache / "downloads.json").read_text())["toy"]
    assert pin["sha256"] == done.sha256 and pin["size_bytes"] == len(toy_zip)
    again = download_set(server.standard_set(), out, cache=cache)
    assert again.was_there and again.counts == done.counts and len(server.asked) == 1
    assert [path.name for path in out.parent.iterdir()] == ["toy"]
    assert not list(cache.rglob("archive*"))


def test_another_file_under_the_same_name_is_refused(server: Server, toy_zip: bytes, tmp_path: Path) -> None:
    server.files["/set.zip"] = toy_zip
    cache = tmp_path / "cache"
    download_set(server.standard_set(), tmp_path / "one", cache=cache)
    server.files["/set.zip"] = zip_of({"toy/trainA/1.png": picture(99)})
    with pytest.raises(DataError, match="not the file that was first downloaded"):
        download_set(server.standard_set(), tmp_path / "two", cache=cache)
    assert not (tmp_path / "two").exists() and not list(cache.rglob("archive*"))
    server.files["/set.zip"] = toy_zip
    assert not download_set(server.standard_set(), tmp_path / "two", cache=cache).is_pinned_anew


def test_a_known_digest_is_compared_at_the_first_download(
    server: Server, toy_zip: bytes, tmp_path: Path
) -> None:
    known = replace(server.standard_set(), sha256=hashlib.sha256(toy_zip).hexdigest())
    server.files["/set.zip"] = zip_of({"toy/trainA/1.png": picture(99)})
    with pytest.raises(DataError, match="not the archive that is known"):
        download_set(known, tmp_path / "one", cache=tmp_path / "cache")
    assert not (tmp_path / "one").exists() and not list((tmp_path / "cache").rglob("archive*"))
    server.files["/set.zip"] = toy_zip
    assert not download_set(known, tmp_path / "one", cache=tmp_path / "cache").is_pinned_anew


def test_digests_are_whole() -> None:
    known = [one.sha256 for one in SETS.values() if one.sha256]
    assert len(known) == 10 and all(re.fullmatch("[0-9a-f]{64}", digest) for digest in known)


def test_a_connection_that_drops_goes_on_where_it_was(server: Server, toy_zip: bytes, tmp_path: Path) -> None:
    server.files["/set.zip"] = toy_zip
    server.drop_after = [500, 1200, 1201]
    done = download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert done.size_bytes == len(toy_zip)
    assert [wanted for _, wanted in server.asked] == [None, "bytes=500-", "bytes=1200-", "bytes=1201-"]


def test_a_server_that_cannot_resume_is_asked_from_the_start(
    server: Server, toy_zip: bytes, tmp_path: Path
) -> None:
    server.files["/set.zip"], server.knows_ranges, server.drop_after = toy_zip, False, [700]
    done = download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert done.size_bytes == len(toy_zip) and len(server.asked) == 2


def test_a_file_that_changed_between_two_tries_is_not_glued_together(
    server: Server, toy_zip: bytes, tmp_path: Path
) -> None:
    server.files["/set.zip"], server.drop_after = toy_zip, [600] + [0] * 20
    with pytest.raises(DataError, match=r"broke off at 0\.0 MB .*Run the same command again"):
        download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert not (tmp_path / "toy").exists()
    server.files["/set.zip"] = zip_of({"toy/trainA/9.png": picture(9), "toy/pad.txt": b"y" * 4000})
    server.etag, server.drop_after = '"second"', []
    download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert names(tmp_path / "toy") == [RECORD_NAME, "trainA/9.png"]


def test_a_kill_between_the_last_byte_and_the_name(server: Server, toy_zip: bytes, tmp_path: Path) -> None:
    server.files["/set.zip"] = toy_zip
    target = tmp_path / "archive.zip"
    part = tmp_path / "archive.zip.part"
    part.write_bytes(toy_zip)
    (tmp_path / "archive.zip.part.json").write_text(
        json.dumps({"mark": server.etag, "size_bytes": len(toy_zip)})
    )
    fetching.fetch(source(server), target)
    assert target.read_bytes() == toy_zip and server.asked == [] and names(tmp_path) == ["archive.zip"]


def test_a_kill_after_the_folder_is_there(
    server: Server, toy_zip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/set.zip"] = toy_zip
    out, cache = tmp_path / "toy", tmp_path / "cache"
    with monkeypatch.context() as patch:

        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(sets, "_pin", stop)
        with pytest.raises(KeyboardInterrupt):
            download_set(server.standard_set(), out, cache=cache)
    assert list(cache.rglob("archive.zip"))
    done = download_set(server.standard_set(), out, cache=cache)
    assert done.was_there and names(cache) == ["downloads.json"]
    assert json.loads((cache / "downloads.json").read_text())["toy"]["sha256"] == done.sha256


def test_a_part_longer_than_the_file_begins_anew(server: Server, toy_zip: bytes, tmp_path: Path) -> None:
    server.files["/set.zip"] = toy_zip
    (tmp_path / "a.zip.part").write_bytes(toy_zip + b"more")
    (tmp_path / "a.zip.part.json").write_text(json.dumps({"mark": server.etag, "size_bytes": None}))
    fetching.fetch(source(server), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == toy_zip


@pytest.mark.parametrize("status", [404, 403])
def test_what_is_not_there_says_so(server: Server, status: int, tmp_path: Path) -> None:
    server.files["/set.zip"], server.statuses = b"", {"/set.zip": status}
    with pytest.raises(DataError, match=rf"answered {status} .* --from"):
        download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert len(server.asked) == 1


def test_a_server_in_trouble_is_asked_a_few_times(server: Server, tmp_path: Path) -> None:
    server.statuses = {"/set.zip": 503}
    with pytest.raises(DataError, match="503"):
        download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert len(server.asked) == fetching.ATTEMPTS


def test_without_a_network_the_text_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    lost = Server(port=port).standard_set()
    with pytest.raises(DataError, match=r"no connection to 127\.0\.0\.1 .*--from"):
        download_set(lost, tmp_path / "toy", cache=tmp_path / "cache")
    assert not (tmp_path / "toy").exists()


def test_redirections_stay_on_known_hosts_and_end(server: Server, toy_zip: bytes, tmp_path: Path) -> None:
    server.files["/moved.zip"] = toy_zip
    server.redirects = {"/set.zip": server.url("/moved.zip")}
    assert download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "c").counts["trainA"] == 2
    server.redirects = {"/set.zip": f"http://localhost:{server.port}/moved.zip"}
    with pytest.raises(DataError, match=r"http://localhost.*is not one of the addresses"):
        download_set(server.standard_set(), tmp_path / "other", cache=tmp_path / "d")
    server.redirects = {"/set.zip": "file:///etc/passwd"}
    with pytest.raises(DataError, match=r"file:///etc/passwd is not one|answered 302"):
        download_set(server.standard_set(), tmp_path / "other", cache=tmp_path / "d")
    server.redirects = {"/set.zip": server.url()}
    with pytest.raises(DataError, match="answered 302"):
        download_set(server.standard_set(), tmp_path / "other", cache=tmp_path / "d")


def test_a_full_disk_is_seen_before_it_is_full(
    server: Server, toy_zip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/set.zip"] = toy_zip
    monkeypatch.setattr(fetching, "free_bytes", lambda _: 100)
    with pytest.raises(StorageError, match="free, the download needs"):
        download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")


def test_an_archive_from_the_disk_is_used_pinned_and_kept(tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(tar_of({"maps/train/1.png": picture(1), "maps/val/2.png": picture(2)}))
    before = archive.read_bytes()
    toy = Server(port=9).standard_set()
    done = download_set(toy, tmp_path / "toy", archive=archive, cache=tmp_path / "cache")
    assert names(tmp_path / "toy") == [RECORD_NAME, "train/1.png", "val/2.png"]
    assert done.is_pinned_anew and archive.read_bytes() == before
    archive.write_bytes(tar_of({"maps/train/1.png": picture(7)}))
    with pytest.raises(DataError, match="not the file that was first downloaded"):
        download_set(toy, tmp_path / "again", archive=archive, cache=tmp_path / "cache")
    assert archive.exists()


def test_a_folder_with_something_else_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        download_set(server.standard_set(), tmp_path / "toy", cache=tmp_path / "cache")
    assert names(tmp_path / "toy") == ["mine.txt"] and server.asked == []


def test_every_set_has_an_address_or_a_reason() -> None:
    for item in SETS.values():
        assert bool(item.url) != bool(item.refusal)
        assert not item.url or item.url.split("/")[2] in item.hosts
    with pytest.raises(SettingsError, match="login"):
        find_set("cityscapes")
    with pytest.raises(SettingsError, match="Did you mean 'horse2zebra'"):
        find_set("horse2zebras")
