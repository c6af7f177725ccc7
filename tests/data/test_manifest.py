"""Manifests: what is written comes back, damage is told in a line, many rows open fast."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest

from reskin.data.manifest import (
    MANIFEST_NAME,
    Crop,
    FrameRecord,
    Manifest,
    Origin,
    framing_of,
    read_manifest,
    write_manifest,
)
from reskin.errors import DataError
from reskin.framing import Framing


def manifest(frames: list[FrameRecord]) -> Manifest:
    sources = [Origin(name="a.mp4", sha256="0" * 64, size_bytes=1)]
    return Manifest(reskin="0", settings={"every": 3}, sources=sources, frames=frames, damaged=[])


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    crop = Crop(matrix=(1, 0, 0.5, 0, 1, -2), frame_width=9, frame_height=7, landmarks=((1.0, 2.0),))
    row = FrameRecord(
        file="train/ä \n.png", source=0, crop=crop, scores={"blur": 0.1}, left_out=("blur", "balance")
    )
    written = manifest([row, FrameRecord(file="b.png", split="test")])
    write_manifest(tmp_path, written)
    assert read_manifest(tmp_path) == written
    assert gc.isenabled()


def test_it_says_how_faces_are_framed(tmp_path: Path) -> None:
    made = manifest([])
    faces = {"kind": "faces", "margin": 0.4, "align": "box", "size": 64, "per_source": []}
    write_manifest(tmp_path, made.model_copy(update={"settings": faces}))
    (tmp_path / "train").mkdir()
    assert framing_of(tmp_path) == framing_of(tmp_path / "train") == Framing(margin=0.4, align="box")
    write_manifest(tmp_path / "train", made)
    assert framing_of(tmp_path / "train") is None and framing_of(tmp_path / "missing.png") is None
    write_manifest(tmp_path, made.model_copy(update={"settings": {"kind": "frames", "margin": 3}}))
    assert framing_of(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "EOF"),
        ("[]", "dictionary|object"),
        ("{", "EOF"),
        ('{"reskin": "0"}', "settings: Field required"),
        (
            '{"reskin": "0", "settings": {}, "sources": [], "damaged": [], "frames": [{"file": 3}]}',
            r"frames\.0\.file",
        ),
        (
            '{"reskin": "0", "settings": {}, "sources": [], "damaged": [], "frames": [], "more": 1}',
            "more: Extra",
        ),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "expected value"),
    ],
)
def test_damage_is_one_line(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=f"is no manifest of ours .*({says})") as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "file",
    ["manifest.json", ".lock", "train/.x.png", ".reskin/x.png", "train/notes.txt", "train/png", "a.sh"],
)
def test_a_row_is_a_picture(tmp_path: Path, file: str) -> None:
    """Files are moved, shown and left out by these names."""
    write_manifest(tmp_path, manifest([FrameRecord(file="train/a..b.PNG", source=0)]))
    path = tmp_path / MANIFEST_NAME
    path.write_text(path.read_text(encoding="utf-8").replace("train/a..b.PNG", file), encoding="utf-8")
    with pytest.raises(DataError, match="is no name of a picture") as error:
        read_manifest(tmp_path)
    assert "\n" not in str(error.value)


def test_no_manifest_is_none_and_a_folder_in_its_place_an_error(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    (tmp_path / MANIFEST_NAME).mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.slow
def test_100_000_rows_open_in_a_second(tmp_path: Path) -> None:
    scores = {"blur": 1.5, "light": 0.2, "text": 0.0}
    rows = [
        FrameRecord(
            file=f"train/clip-{i:06d}.png", source=0, index=i, time=f"{i}/30", seconds=i / 30, scores=scores
        )
        for i in range(100_000)
    ]
    write_manifest(tmp_path, manifest(rows))
    best = 9.0
    for _ in range(3):
        began = time.process_time()
        found = read_manifest(tmp_path)
        best = min(best, time.process_time() - began)
    assert found is not None and len(found.frames) == 100_000
    assert best < 1.0


def test_reasons_of_earlier_versions_have_their_names_of_today(tmp_path: Path) -> None:
    write_manifest(
        tmp_path, manifest([FrameRecord(file="a.png"), FrameRecord(file="b.png", left_out=("blur",))])
    )
    path = tmp_path / MANIFEST_NAME
    path.write_text(path.read_text().replace('"blur"', '"duplicate-side", "blur"'))
    read = read_manifest(tmp_path)
    assert read is not None
    assert [row.left_out for row in read.frames] == [None, ("duplicate-domain", "blur")]


def test_a_balance_of_an_earlier_version_has_its_domains(tmp_path: Path) -> None:
    written = manifest([FrameRecord(file="a.png")]).model_copy(update={"balance": {"sides": [1], "by": "x"}})
    write_manifest(tmp_path, written)
    read = read_manifest(tmp_path)
    assert read is not None and read.balance == {"domains": [1], "by": "x"}
