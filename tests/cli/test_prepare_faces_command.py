"""`reskin prepare faces`: what it says, prints and returns."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reskin.cli import prepare_faces as command
from reskin.cli.main import main
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.data.manifest import FrameRecord, Manifest, Origin, write_manifest


def manifest(**values: Any) -> Manifest:
    source = {"name": "a.mp4", "looked_at": 50, "found": 9, "taken": 2}
    settings = {
        "count": 10,
        "detector": "yunet",
        "every_used": 4,
        "per_source": [{**source, "not_taken": {"blurred": 3, "too small": 4}}],
    }
    known: dict[str, Any] = {
        "reskin": "0",
        "settings": settings,
        "sources": [Origin(name="a.mp4", sha256="0", size_bytes=1)],
        "frames": [FrameRecord(file="train/a.png"), FrameRecord(file="test/b.png", split="test")],
        "damaged": [],
        "licence": "CC BY",
    }
    return Manifest(**(known | values))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the last call; its "gives" is what comes of it."""
    seen: dict[str, Any] = {"gives": manifest()}

    def prepare(
        videos: tuple[Path, ...], out: Path, config: FacesConfig, *, report: Any, workers: Any
    ) -> Manifest:
        seen.update(videos=videos, out=out, config=config, workers=workers)
        report(5, 5, "frames searched")
        report(2, 2, "faces cut")
        given: Manifest = seen["gives"]
        return given

    monkeypatch.setattr(command, "prepare_faces", prepare)
    return seen


def test_counts_and_reasons(made: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "faces", "a.mp4", "b.mp4", "--out", str(tmp_path), "--count", "10", "--size", "64"]
    assert main([*words, "--sure", "0.9"]) == 0
    assert made["videos"] == (Path("a.mp4"), Path("b.mp4")) and made["out"] == tmp_path
    config = made["config"]
    assert (config.count, config.size, config.sure, config.align) == (10, 64, 0.9, "landmarks")
    assert made["workers"] is None
    printed = capsys.readouterr()
    assert printed.out == ""
    for said in (
        "5/5 frames searched",
        "2/2 faces cut",
        "a.mp4: 50 frames searched, 9 faces found, 2 taken",
        "not taken: 4 too small, 3 blurred",
        "2 of 10: --every 1 looks at all frames",
        "--licence and --consent not stated",
        "(2 faces: 1 train, 1 test)",
    ):
        assert said in printed.err


def test_json(made: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", "faces", "a.mp4", "--out", str(tmp_path), "--json", "--consent", "all asked"]
    assert main([*words, "--licence", "CC0"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["pictures"] == 2 and summary["splits"] == {"train": 1, "test": 1}
    assert summary["not_taken"] == {"too small": 4, "blurred": 3} and summary["licence"] == "CC BY"
    assert made["config"].consent == "all asked" and "not stated" not in printed.err


def test_damage_is_named_and_the_code_is_3(
    made: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made["gives"] = manifest(damaged=["a.mp4: frame 3 is lost"])
    assert main(["prepare", "faces", "a.mp4", "--out", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "a.mp4: frame 3 is lost" in said and "1 sources or segments could not be read" in said


def test_preset_and_flags(made: dict[str, Any], tmp_path: Path) -> None:
    words = ["prepare", "faces", "a.mp4", "--out", str(tmp_path), "--preset", "face_frame_faces"]
    assert main([*words, "--size", "64"]) == 0
    assert (made["config"].count, made["config"].size, made["config"].ratio) == (1000, 64, "8:1:1")
    assert main([*words[:-1], "nothing"]) == 2


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_is_asked_once(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal("only for study\n\n"))
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert command.run(["a.mp4", "--out", str(tmp_path)]) == 0
    assert made["config"].licence == "only for study" and made["config"].consent is None
    assert "Did the people shown agree" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    write_manifest(tmp_path, manifest(consent="not stated"))
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert command.run(["a.mp4", "--out", str(tmp_path)]) == 0
    assert "agree" not in sys.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.mp4"], "missing: --out"),
        (["a.mp4", "--out", "x", "--szie", "3"], "Did you mean '--size'"),
        (["a.mp4", "--out", "x", "--count", "0"], "greater than or equal to 1"),
        (["a.mp4", "--out", "x", "--ratio", "1:9"], "too little"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "faces", *words]) == 2
    assert said in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prepare", "faces", "--help"])
    said = capsys.readouterr().out
    assert "reskin prepare faces film/*.mp4" in said and "--only" in said
