"""The flags for faces: what they mean, what they need, and that pictures refuse them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_film_flags import typed

from reskin.errors import SettingsError
from reskin.framing import Framing
from reskin.methods.translator import Translator
from reskin.progress import silent
from reskin.translation.face_plan import FaceOptions
from reskin.workflows.translate import translate_any


def test_every_flag_arrives(tmp_path: Path) -> None:
    anna = tmp_path / "anna.jpg"
    anna.write_bytes(b"x")
    assert typed("--faces").options().faces == FaceOptions()
    assert typed("--faces", "--only", "largest").options().faces == FaceOptions(only="largest")
    assert typed("--faces", "--only", str(anna)).options().faces == FaceOptions(only=anna)
    asked = typed("--faces", "--face-margin", "0.5", "--detector", "dlib").options().faces
    assert asked == FaceOptions(framing=Framing(margin=0.5), detector="dlib")


def test_detail_is_that_of_faces() -> None:
    assert typed().options().kept_detail == 0
    assert typed("--faces").options().kept_detail == 1
    assert typed("--faces", "--detail", "0.25").options().kept_detail == 0.25


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
        typed(*words.split()).options()
    assert complaint in str(raised.value) and "\n" not in str(raised.value)


def test_pictures_refuse_them(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--faces for .*, which is no video"):
        translate_any(Translator(), tmp_path, tmp_path / "out", "a2b", report=silent, film=typed("--faces"))
