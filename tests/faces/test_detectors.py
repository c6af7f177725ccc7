"""Detectors: the real ones on real footage, and what is said where there is none."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from reskin.curation.prepare.faces import FacesConfig, prepare_faces
from reskin.errors import WeightsError
from reskin.faces import detectors
from reskin.faces.alignment import turned_away
from reskin.faces.detectors import DlibDetector, Face, YuNetDetector, open_detector
from reskin.faces.tracks import overlap
from reskin.images import Picture
from reskin.video.reader import VideoReader


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESKIN_WEIGHTS", raising=False)
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))

    def offline(name: str) -> Path:
        raise WeightsError(f"{name} cannot be fetched", "Get it elsewhere.")

    monkeypatch.setattr(detectors, "find_weights", offline)


class _Box:
    """Looks like dlib's rectangle."""

    def __init__(self, left: int, top: int, side: int) -> None:
        self._place = left, top, side

    def left(self) -> int:
        return self._place[0]

    def top(self) -> int:
        return self._place[1]

    def width(self) -> int:
        return self._place[2]

    def height(self) -> int:
        return self._place[2]


@pytest.fixture
def fake_dlib(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A stand-in for dlib's module; the list is of the shapes that it was shown."""
    shown: list[tuple[int, ...]] = []

    class Net:
        def run(
            self, image: Picture, enlarged: int, least: float
        ) -> tuple[list[_Box], list[float], list[int]]:
            shown.append((*image.shape, enlarged))
            return [_Box(1, 1, 8), _Box(10, 20, 40)], [0.05, 1.8], [0, 0]

    module = types.ModuleType("dlib")
    module.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    module.__version__ = "20.0"  # type: ignore[attr-defined]
    module.get_frontal_face_detector = Net  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dlib", module)
    return shown


def test_dlib_gives_boxes_without_landmarks(fake_dlib: list[tuple[int, ...]]) -> None:
    faces = DlibDetector().detect(np.zeros((100, 200, 3), np.uint8))
    assert [face.box for face in faces] == [(10, 20, 40, 40), (1, 1, 8, 8)] and faces[0].landmarks is None
    assert faces[0].score > 0.99 and 0.5 < faces[1].score < 0.8
    faces = DlibDetector().detect(np.zeros((960, 1920, 3), np.uint8))
    assert faces[0].box == (20, 40, 80, 80) and fake_dlib == [(100, 200, 3, 1), (480, 960, 3, 0)]


@pytest.mark.usefixtures("no_weights")
def test_without_weights_dlib_serves_and_says_so(
    fake_dlib: list[tuple[int, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    found = open_detector()
    assert found.name == "dlib 20.0" and not found.has_landmarks and "knows no landmarks" in caplog.text
    with pytest.raises(WeightsError, match="cannot be fetched"):
        open_detector("yunet")


@pytest.mark.usefixtures("no_weights")
def test_with_neither_both_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(WeightsError, match=r"yunet cannot be fetched.*Get it elsewhere.*reskin\[faces\]"):
        open_detector()
    with pytest.raises(WeightsError, match=r"dlib is not installed.*reskin\[faces\]"):
        open_detector("dlib")


def test_weights_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"cannot load .*x\.onnx"):
        YuNetDetector(tmp_path / "x.onnx")


def test_a_moved_face() -> None:
    face = Face((1.0, 2.0, 3.0, 4.0), 0.5, ((1.0, 1.0),)).moved(10, 20, scale=2)
    assert face == Face((12.0, 24.0, 6.0, 8.0), 0.5, ((12.0, 22.0),))


@pytest.fixture
def yunet(
    real_data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> YuNetDetector:
    monkeypatch.setenv("RESKIN_WEIGHTS", str(real_data / "weights"))
    found = open_detector()
    assert isinstance(found, YuNetDetector) and found.name == "yunet 104ee26c"
    assert capfd.readouterr().err == ""  # OpenCV's word about its backend is not for users
    return found


def one_frame(video: Path, index: int = 20) -> Picture:
    with VideoReader(video) as reader:
        return next(iter(reader.frames_at([index]))).image


@pytest.mark.parametrize("name", ["portrait_woman.mp4", "talking_man_portrait.mp4", "signer_man.mkv"])
def test_yunet_on_real_people(yunet: YuNetDetector, real_data: Path, name: str) -> None:
    image = one_frame(real_data / "video" / "live" / name)
    best = yunet.detect(image)[0]
    assert best.score > 0.85 and best.landmarks is not None
    left, top, width, height = best.box
    assert 0.05 < width * height / (image.shape[0] * image.shape[1]) < 0.4 or "signer" in name
    for x, y in best.landmarks:
        assert left < x < left + width and top < y < top + height
    right_eye, left_eye, nose, mouth, _ = best.landmarks
    assert right_eye[0] < left_eye[0] and right_eye[1] < nose[1] < mouth[1]
    assert turned_away(best.landmarks) < 0.9


def test_places_are_in_px_of_a_large_frame(yunet: YuNetDetector, real_data: Path) -> None:
    image = one_frame(real_data / "video" / "live" / "signer_man.mkv")
    large = np.repeat(np.repeat(image, 3, axis=0), 3, axis=1)  # 1920x1440: made smaller inside
    small = yunet.detect(image)[0].moved(0, 0, scale=3)
    assert overlap(yunet.detect(large)[0].box, small.box) > 0.85


def test_no_face_in_scenery(yunet: YuNetDetector, real_data: Path) -> None:
    image = one_frame(real_data / "video" / "cg" / "game_voxel_snow.mp4", 100)
    assert [face for face in yunet.detect(image) if face.score >= FacesConfig().sure] == []


@pytest.mark.slow
def test_real_faces_are_cut_upright(yunet: YuNetDetector, real_data: Path, tmp_path: Path) -> None:
    """Eyes, nose and mouth of a new search in the crops lie where the template says."""
    live = real_data / "video" / "live"
    videos = [live / "signer_man.mkv", live / "portrait_woman.mp4"]
    manifest = prepare_faces(videos, tmp_path, FacesConfig(count=8, every=8, split="none"))
    assert len(manifest.frames) == 8 and manifest.damaged == []
    from reskin.images import read_image

    for frame in manifest.frames:
        picture = read_image(tmp_path / frame.file)
        found = yunet.detect(picture)
        assert found and found[0].score > 0.8 and found[0].landmarks is not None
        right, left = found[0].landmarks[:2]
        assert abs(right[1] - left[1]) < 10 and 35 < (right[1] + left[1]) / 2 < 68
        assert 40 < (right[0] + left[0]) / 2 < 88
