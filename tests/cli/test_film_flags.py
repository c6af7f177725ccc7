"""The flags of a film: what they mean, and that pictures refuse them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.small import tiny
from torch import Tensor

from reskin.cli.options import parse
from reskin.cli.translate import Arguments, run
from reskin.errors import SettingsError
from reskin.images import write_image
from reskin.inference.engine import Engine
from reskin.methods.grade import GradeMethod
from reskin.methods.grade_texture import GradeTexture
from reskin.methods.translator import Translator
from reskin.progress import silent
from reskin.translation.face_plan import FaceOptions
from reskin.translation.film import Film, FilmOptions
from reskin.types import Direction
from reskin.video.encoding import Encoding
from reskin.workflows.translate import FilmSettings, translate_any


def typed(*words: str) -> FilmSettings:
    return parse(Arguments, ["run", "in.mp4", "out.mp4", *words], command="reskin translate").film


def test_without_flags_a_film_is_treated_as_from_python() -> None:
    assert typed().options() == FilmOptions()


def test_every_flag_arrives() -> None:
    words = (
        "--work-size full --detail 0.5 --steady 0 --bars translate --start 1:30.5 --seconds 3 --quality 30"
    )
    options = typed(*words.split(), "--codec", "hevc", "--encoder-preset", "slow").options()
    encoding = Encoding("hevc", 30, "slow")
    assert options == FilmOptions("full", 0.5, 0.0, False, encoding, start=90.5, seconds=3.0)
    assert typed("--work-size", "160").options().work_size == 160
    assert typed("--seconds", "1:02.5").options().seconds == 62.5


def test_the_words_for_the_stabiliser() -> None:
    assert typed("--steady", "off").options() == FilmOptions(steady=0.0)
    assert typed("--steady", "best").options() == FilmOptions(looks_ahead=True)
    with pytest.raises(SettingsError, match=r"^--steady best for faces\. Give 0 to 1"):
        typed("--steady", "best").options(FaceOptions())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--seconds", "0"), "--seconds"),
        (("--steady", "-0.1"), "--steady"),
        (("--steady", "nan"), "--steady"),
        (("--steady", "good"), "unable to parse string as a number, or 'off' or 'best'."),
        (("--steady", "1.5"), "--steady"),
        (("--start", "soon"), "'soon' is no time"),
        (("--work-size", "big"), "unable to parse string as an integer, or 'full'."),
        (("--seconds", "soon"), "--seconds soon: 'soon' is no time"),
        (("--seconds", "0:00"), "--seconds"),
        (("--encoder-preset", "quick"), "--encoder-preset"),
    ],
)
def test_wrong_values_are_one_line(words: tuple[str, ...], named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        typed(*words)
    assert named in str(raised.value) and "\n" not in str(raised.value)


def test_pictures_refuse_them(tmp_path: Path) -> None:
    film = typed("--seconds", "3", "--steady", "0.5")
    with pytest.raises(
        SettingsError, match=r"--seconds and --steady for .*, which is no video\. Leave it out"
    ):
        translate_any(Translator(), tmp_path, tmp_path / "out", "a2b", report=silent, film=film)


def test_the_memory_arrives_where_the_device_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"^--memory 4\. Give a size such as 4GB or 500MB\.$"):
        run([str(tmp_path / "run"), str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--memory", "4"])


class Negative(Translator):
    """Gives the negative."""

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return -images


@pytest.mark.parametrize(("name", "said"), [("new.mp4", "a single video"), ("new.png", "a single picture")])
def test_a_folder_does_not_become_a_file(tmp_path: Path, name: str, said: str) -> None:
    write_image(tmp_path / "pictures" / "0.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(
        SettingsError, match=rf"names {said}\. Give the name of a folder, such as new,"
    ) as raised:
        translate_any(Negative(), tmp_path / "pictures", tmp_path / name, "a2b", report=silent)
    assert raised.value.exit_code == 2 and not (tmp_path / name).exists()
    (tmp_path / name).mkdir()  # a folder that is there may be called anything
    translate_any(Negative(), tmp_path / "pictures", tmp_path / name, "a2b", report=silent, overwrite=True)
    assert (tmp_path / name / "0.png").is_file()


@pytest.mark.parametrize("detail", [0.0, 0.5, 1.0])
def test_detail_is_refused_where_nothing_would_use_it(detail: float) -> None:
    grade, face = Engine(tiny(GradeMethod), "a2b"), FilmOptions(detail=detail, faces=FaceOptions())
    with pytest.raises(
        SettingsError, match=r"--detail [\d.]+ for a model that grades.*\. Leave it out"
    ) as raised:
        Film(grade, FilmOptions(detail=detail), []).check_options(640, 360, "a.mp4")
    assert raised.value.exit_code == 2
    Film(grade, face, []).check_options(640, 360, "a.mp4")  # faces are enlarged, graded ones too
    Film(Engine(tiny(GradeTexture), "a2b"), FilmOptions(detail=detail), []).check_options(640, 360, "a.mp4")
    full = FilmOptions(detail=detail, work_size="full")
    with pytest.raises(SettingsError, match=r"--detail .* with --work-size full, where nothing is enlarged"):
        Film(Engine(Negative(), "a2b"), full, []).check_options(640, 360, "a.mp4")
    Film(Engine(Negative(), "a2b"), FilmOptions(detail=detail), []).check_options(640, 360, "a.mp4")


def test_a_grade_refuses_a_work_size_that_it_would_not_use() -> None:
    film = Film(Engine(tiny(GradeMethod), "a2b"), FilmOptions(work_size=64), [])
    with pytest.raises(SettingsError, match=r"--work-size 64 for a model that grades.*\. Leave it out"):
        film.check_options(640, 360, "a.mp4")
    Film(Engine(tiny(GradeMethod), "a2b"), FilmOptions(work_size="full"), []).check_options(64, 36, "a.mp4")
