"""A file that states a thousand gigabytes and holds next to nothing: one line at once, whatever reads it.

Also where the disk does not say that most of the file is not there, and for files that a decoder would read
byte by byte.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image
from tests.support.drawn_vgg import drawn_vgg
from tests.support.finished_folders import draw_sources, make_datasets, make_given, make_runs

from reskin import image_files, paths
from reskin.cli.main import main
from reskin.errors import ImageError, NotAVideoError
from reskin.images import picture_size, read_image
from reskin.paths import open_plain, read_plain
from reskin.video.source import open_container

pytestmark = pytest.mark.skipif(not hasattr(os, "SEEK_HOLE"), reason="needs files with holes")

ENDLESS = 1 << 40
SECONDS = 30
"""Of the processor, of which next to none is needed."""


def endless(path: Path, start: bytes = b"") -> Path:
    """A file that states a TiB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(start)
        try:
            file.truncate(ENDLESS)
        except OSError:
            pytest.skip("this disk has no room for a file with a hole of a TiB")
    return path


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """What reads without end fails instead."""

    def give_up(_: int, __: FrameType | None) -> None:
        raise BaseException("it goes on without end")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


@pytest.fixture(params=["the disk says so", "the disk does not say"])
def holes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "the disk says so":
        monkeypatch.setattr(paths, "_missing_bytes", lambda *_: 0)
    return str(request.param)


def encoded(kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    image.save(content, kind, **options)  # type: ignore[arg-type]
    return content.getvalue()


STARTS = {
    "nothing": b"",
    "jpeg": encoded("JPEG")[:20],
    "gif": encoded("GIF").removesuffix(b"\0;"),
    "webp": b"RIFF" + (2**32 - 10).to_bytes(4, "little") + encoded("WEBP")[8:],
    "png": encoded("PNG")[:33] + (2**31 - 1).to_bytes(4, "big") + b"tEXt",
    "tiff": encoded("TIFF"),
    "ppm": b"P5 4 ",
    "jp2": encoded("JPEG2000")[:12],
    "avif": encoded("AVIF")[:40],
}


@pytest.mark.parametrize("start", STARTS)
def test_pictures(tmp_path: Path, start: str, holes: str) -> None:
    path = endless(tmp_path / "a.png", STARTS[start])
    for read in (read_image, picture_size):
        with pytest.raises(ImageError, match=r"are not there|has 1100 GB"):
            read(path)


@pytest.mark.parametrize("start", STARTS)
def test_pictures_of_a_size_that_a_picture_may_have(
    tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_files, "_MOST_READS", 20_000)
    monkeypatch.setattr(image_files, "_MOST_READ_BYTES", 1 << 25)
    monkeypatch.setattr(paths, "_missing_bytes", lambda *_: 0)
    path = tmp_path / "a.png"
    path.write_bytes(STARTS[start])
    os.truncate(path, image_files.MOST_FILE_BYTES)
    try:
        read_image(path)  # a whole picture with a tail is one
    except ImageError as error:
        assert start != "tiff", error


def test_reads_are_counted_and_large_ones_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "_MOST_READS", 1000)
    (tmp_path / "a.jpg").write_bytes(STARTS["jpeg"] + bytes(5000))
    with pytest.raises(ImageError, match="goes on without end"):
        read_image(tmp_path / "a.jpg")
    monkeypatch.setattr(image_files, "_MOST_READ_BYTES", 1000)
    (tmp_path / "a.webp").write_bytes(STARTS["webp"] + bytes(5000))
    with pytest.raises(ImageError, match="goes on without end"):
        read_image(tmp_path / "a.webp")


def test_films(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="are not there"):
        open_container(endless(tmp_path / "film.mp4", b"\0\0\0\x18ftypmp42"))


def test_files_of_which_enough_is_there_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MOST_HOLE", 1 << 20)
    for name, before, hole, after in (("few", 1 << 20, 3 << 20, 4 << 20), ("none", 3 << 20, 0, 1)):
        with open(tmp_path / name, "wb") as file:
            file.write(b"a" * before)
            file.seek(hole, os.SEEK_CUR)
            file.write(b"b" * after)
        os.close(open_plain(tmp_path / name))
        assert read_plain(tmp_path / name)[0:1] == b"a"
    with open(tmp_path / "most", "wb") as file:
        file.write(b"a")
        file.seek(8 << 20)
        file.write(b"b")
    with pytest.raises(OSError, match="are not there"):
        open_plain(tmp_path / "most")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("endless")
    for make in (draw_sources, make_datasets, make_runs, make_given):
        make(folder)
    return folder


def commands(base: Path, at: Path) -> dict[str, list[object]]:
    """Commands that read a file without end at `at`, by what they read it as."""
    new, cpu, a, b = at / "new", ["--device", "cpu"], base / "a", base / "b"
    grade, munit, picture, film = (
        base / "grade",
        base / "munit",
        base / "pictures" / "0.png",
        base / "film.mp4",
    )
    png, mp4, out = at / "big.png", at / "big.mp4", at / "new.png"
    small = ["--load-size", "32", "--crop-size", "28", "--steps", "1"]
    style = ["--size", "32", "--steps", "1", "--weights"]
    return {
        "images": ["prepare", "images", at / "pictures", "--out", new],
        "frames": ["prepare", "frames", mp4, "--out", new],
        "frames of several": ["prepare", "frames", film, mp4, "--out", new, "--every", "4"],
        "clips": ["prepare", "clips", mp4, "--out", new],
        "faces": ["prepare", "faces", mp4, "--out", new],
        "picture": ["translate", grade, png, out, *cpu],
        "film": ["translate", grade, mp4, at / "new.mp4", *cpu],
        "mask": ["translate", grade, picture, out, "--mask", png, *cpu],
        "mask of a film": ["translate", grade, film, at / "new.mp4", "--mask", mp4, *cpu],
        "style": ["translate", munit, picture, out, "--style", png, *cpu],
        "screen": ["screen", at / "pictures"],
        "split": ["split", at / "pictures", "--by", "random"],
        "balance": ["balance", b, "--by", "people", "--csv", at / "big.csv"],
        "by hand": ["screen", b, "--by-hand", at / "big.csv"],
        "train": ["train", "grade", "--a", at / "pictures", "--b", b, "--out", new, *small, *cpu],
        "config": ["train", "grade", "--config", at / "big.json", "--a", a, "--b", b, "--out", new, *cpu],
        "evaluate": ["evaluate", grade, "--a", at / "pictures", "--b", b, "--metrics", "cycle_l1", *cpu],
        "stylize": ["stylize", picture, "--style", png, "--out", out, *style, drawn_vgg("vgg19"), *cpu],
        "weights": ["stylize", picture, "--style", picture, "--out", out, *style, at / "big.pth", *cpu],
        "import": ["import", at / "big.pth", "--out", new],
        "download": ["download", "pix2pix-maps", "--from", at / "big.tar.gz", "--out", new],
        "download zip": ["download", "horse2zebra", "--from", at / "big.zip", "--out", new],
        "make like": ["make", film, "--like", mp4, "--out", new, "--steps", "1", "--method", "grade", *cpu],
        "model": ["translate", at / "run", picture, out, *cpu],
    }


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("start", "holes"),
    [("nothing", "the disk does not say"), ("sound", "the disk says so")],
    indirect=["holes"],
)
@pytest.mark.parametrize("name", list(commands(Path(), Path())))
def test_commands(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, start: str, holes: str
) -> None:
    starts: dict[str, Callable[[], bytes]] = {
        "big.png": (base / "pictures" / "0.png").read_bytes,
        "big.mp4": (base / "film.mp4").read_bytes,
        "big.csv": lambda: b"file,people\n",
        "big.json": lambda: b"{}",
        "big.pth": (base / "given" / "latest_net_G.pth").read_bytes,
        "big.tar.gz": (base / "given" / "maps.tar.gz").read_bytes,
        "big.zip": lambda: b"PK\3\4",
    }
    for file, content in starts.items():
        endless(tmp_path / file, content() if start == "sound" else b"")
    shutil.copytree(base / "pictures", tmp_path / "pictures")
    endless(tmp_path / "pictures" / "big.png", starts["big.png"]() if start == "sound" else b"")
    shutil.copytree(base / "grade", tmp_path / "run")
    for file in (tmp_path / "run" / "checkpoints").iterdir():
        endless(file, file.read_bytes() if start == "sound" else b"")
    code = main([str(word) for word in commands(base, tmp_path)[name]])
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("reskin: ")]
    assert code in ((0, 3) if name in LEAVES_OUT else (2,)), said
    assert "Traceback" not in said and len(lines) == (code != 0), said


LEAVES_OUT = {"images", "frames of several", "screen", "split", "train", "evaluate"}
"""What lies beside is taken; the endless file is named."""
