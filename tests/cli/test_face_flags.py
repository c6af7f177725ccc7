"""The flags for faces: what they mean and what they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from reskin.cli.options import parse
from reskin.cli.translate import Arguments
from reskin.errors import SettingsError
from reskin.framing import Framing
from reskin.translation.face_plan import FaceOptions
from reskin.translation.film import FilmOptions
from reskin.workflows.translate import FaceSettings


def typed(*words: str) -> Arguments:
    return parse(Arguments, ["run", "in.mp4", "out.mp4", *words], command="reskin translate")


def faces(*words: str) -> FaceSettings:
    return typed(*words).of_faces


def options(*words: str) -> FilmOptions:
    arguments = typed(*words)
    return arguments.film.options(arguments.of_faces.options())


def test_every_flag_arrives(tmp_path: Path) -> None:
    anna = tmp_path / "anna.jpg"
    anna.write_bytes(b"x")
    assert options("--faces").faces == FaceOptions()
    assert options("--faces", "--only", "largest").faces == FaceOptions(only="largest")
    assert options("--faces", "--only", str(anna)).faces == FaceOptions(only=anna)
    asked = options("--faces", "--face-margin", "0.5", "--detector", "dlib").faces
    assert asked == FaceOptions(framing=Framing(margin=0.5), detector="dlib")


def test_detail_is_that_of_faces() -> None:
    assert options().kept_detail == 0
    assert options("--faces").kept_detail == 1
    assert options("--faces", "--detail", "0.25").kept_detail == 0.25


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--only largest", "--only without --faces. Add --faces"),
        ("--face-margin 0.5", "--face-margin without --faces"),
        ("--detector dlib", "--detector without --faces"),
        (
            "--faces --only anna.jpg",
            "--only anna.jpg is neither all nor largest, and no such picture is there",
        ),
        ("--faces --work-size full", "--work-size full for faces"),
        ("--faces --face-margin 9", "--face-margin 9"),
        ("--faces --detector haar", "--detector"),
    ],
)
def test_wrong_values_are_one_line(words: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as raised:
        options(*words.split())
    assert complaint in str(raised.value) and "\n" not in str(raised.value)
