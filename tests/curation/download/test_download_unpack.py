"""Archives that mean harm, and archives that are broken."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.support.toy_archives import picture, tar_of, zip_of

from reskin.curation.download import unpack
from reskin.curation.download.unpack import unpack_pictures
from reskin.errors import DataError, ReskinError, StorageError


def write(folder: Path, content: bytes) -> Path:
    archive = folder / "set.archive"
    archive.write_bytes(content)
    return archive


def nothing_outside(folder: Path) -> bool:
    return sorted(path.name for path in folder.iterdir()) in (["set.archive"], ["out", "set.archive"])


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "a/../../evil.png",
        "/evil.png",
        "a\\..\\evil.png",
        "C:/evil.png",
        "a/\x07.png",
        "x" * 300,
    ],
)
@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.thinned(2)
def test_paths_that_lead_elsewhere(name: str, pack: object, tmp_path: Path) -> None:
    name = name if name.endswith(".png") else f"{name}.png"
    archive = write(tmp_path, pack({"toy/trainA/1.png": picture(1), name: picture(2)}))  # type: ignore[operator]
    with pytest.raises(DataError, match="leads elsewhere or is no plain name"):
        unpack_pictures(archive, tmp_path / "out")
    assert nothing_outside(tmp_path)


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    archive = write(tmp_path, tar_of({"t/trainA/1.png": picture(1)}, {"t/trainA/2.png": "/etc/passwd"}))
    with pytest.raises(DataError, match="a link or device"):
        unpack_pictures(archive, tmp_path / "out")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as opened:
        info = zipfile.ZipInfo("t/trainA/2.png")
        info.external_attr = 0o120777 << 16
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        unpack_pictures(write(tmp_path, data.getvalue()), tmp_path / "out2")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tape:
        device = tarfile.TarInfo("t/null.png")
        device.type = tarfile.CHRTYPE
        tape.addfile(device)
    with pytest.raises(DataError, match="a link or device"):
        unpack_pictures(write(tmp_path, data.getvalue()), tmp_path / "out3")


@pytest.mark.parametrize("pair", [("a.png", "A.PNG"), ("\u00e9.png", "e\u0301.png")])
def test_names_that_fall_together_on_some_disks(pair: tuple[str, str], tmp_path: Path) -> None:
    archive = write(tmp_path, zip_of({pair[0]: picture(1), pair[1]: picture(2)}))
    with pytest.raises(DataError, match="two members are called"):
        unpack_pictures(archive, tmp_path / "out")


@pytest.mark.sweep
def test_bombs(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("t/1.png", bytes(40_000_000))
    with pytest.raises(DataError, match="swells"):
        unpack_pictures(write(tmp_path, data.getvalue()), tmp_path / "out")
    lying = data.getvalue().replace((40_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(DataError, match=r"swells|damaged"):
        unpack_pictures(write(tmp_path, lying), tmp_path / "out2")
    assert sum(path.stat().st_size for path in (tmp_path / "out2").rglob("*") if path.is_file()) < 30_000_000
    with pytest.raises(DataError, match="swells"):
        unpack_pictures(write(tmp_path, tar_of({"t/1.png": bytes(40_000_000)})), tmp_path / "out3")


def test_too_many_members_and_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write(tmp_path, zip_of({f"t/{n}.png": picture(n) for n in range(6)}))
    monkeypatch.setattr(unpack, "MOST_MEMBERS", 5)
    with pytest.raises(DataError, match="more than 5 members"):
        unpack_pictures(archive, tmp_path / "out")
    with pytest.raises(DataError, match="more than 5 members"):
        tar = write(tmp_path, tar_of({f"t/{n}.png": picture(n) for n in range(6)}))
        unpack_pictures(tar, tmp_path / "out1")
    monkeypatch.setattr(unpack, "free_bytes", lambda _: 100)
    with pytest.raises(StorageError, match="no space left to unpack"):
        unpack_pictures(archive, tmp_path / "out2")


def test_single_folders_are_lifted_but_splits_are_not(tmp_path: Path) -> None:
    unpack_pictures(write(tmp_path, zip_of({"a/a/a/train/1.png": picture(1)})), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train"]
    unpack_pictures(write(tmp_path, zip_of({"trainA/1.png": picture(1)})), tmp_path / "out2")
    assert [path.name for path in (tmp_path / "out2").iterdir()] == ["trainA"]


@pytest.mark.parametrize("content", [b"", b"PK", b"\x1f\x8b", b"<html>404</html>", b"PK\x03\x04" + b"x" * 99])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"damaged or cut short|neither"):
        unpack_pictures(write(tmp_path, content), tmp_path / "out")


def test_an_archive_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no picture"):
        unpack_pictures(write(tmp_path, zip_of({"a.txt": b"x"})), tmp_path / "out")
    with pytest.raises(DataError, match="cannot be read"):
        unpack_pictures(tmp_path / "none.zip", tmp_path / "out")


def test_a_way_of_packing_that_is_not_read_is_no_damage(tmp_path: Path) -> None:
    """Deflate64, as Windows packs more than 2 GB: downloading it once more would not help."""
    data = bytearray(zip_of({"t/trainA/1.png": picture(1)}))
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.find(mark) + at] = 9
    with pytest.raises(DataError, match=r"packed in a way that is not read here.*Unpack it by hand"):
        unpack_pictures(write(tmp_path, bytes(data)), tmp_path / "out")


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_a_truncated_archive(pack: object, tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(40_000)
    whole = pack({"t/trainA/1.png": picture(1), "t/trainA/2.png": noise})  # type: ignore[operator]
    with pytest.raises(DataError, match="damaged or cut short"):
        unpack_pictures(write(tmp_path, whole[: len(whole) * 2 // 3]), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_mutated_archives_never_escape_or_crash(pack: object, tmp_path: Path) -> None:
    whole = pack({f"t/train{side}/{n}.png": picture(n) for side in "AB" for n in range(3)})  # type: ignore[operator]
    chance = random.Random(1)
    for number in range(1500):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            unpack_pictures(write(tmp_path, bytes(content)), tmp_path / "out" / str(number))
        except ReskinError as error:
            assert "\n" not in str(error)
    assert nothing_outside(tmp_path)
