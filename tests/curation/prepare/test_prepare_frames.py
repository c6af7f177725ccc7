"""Videos to pictures: what is taken, what it is called, and that stopping does no harm."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.drawn_films import becomes, everything
from tests.support.reports import Reports

from reskin.curation.prepare import extract as extract_module
from reskin.curation.prepare import ray_pool
from reskin.curation.prepare.config import FramesConfig
from reskin.curation.prepare.frames import prepare_frames
from reskin.curation.prepare.picks import clip_names, pick_frames
from reskin.curation.prepare.process_pool import IN_THIS_PROCESS
from reskin.data.folders import list_images, split_images
from reskin.data.manifest import Manifest, read_manifest
from reskin.errors import DataError, SettingsError, VideoError
from reskin.images import Picture, read_image, write_image
from reskin.parsing import parse
from reskin.version import __version__
from reskin.video import reader as reader_module

RATE = Fraction(30000, 1001)


def film(path: Path, count: int, *, width: int = 64, height: int = 48, gop: int = 8) -> Path:
    """A lossless clip whose frame n has grey level 2n."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "4", "g": str(gop), "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            picture = np.full((height, width, 3), 2 * number % 256, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of the same name, of 60 and 25 frames."""
    folder = tmp_path_factory.mktemp("clips")
    return [film(folder / "x" / "clip.mp4", 60), film(folder / "y" / "clip.mp4", 25)]


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test may break what is called; that processes change nothing is tested elsewhere."""
    monkeypatch.setattr(ray_pool, "num_workers", lambda sources, asked: asked or IN_THIS_PROCESS)


def config(**values: Any) -> FramesConfig:
    return parse(FramesConfig, values)


def test_pictures_manifest_and_splits_agree(clips: list[Path], tmp_path: Path) -> None:
    manifest = prepare_frames(clips, tmp_path, config(every=2, size="32", ratio="4:1"))
    assert read_manifest(tmp_path) == manifest and manifest.reskin == __version__ and manifest.damaged == []
    assert manifest.settings["every"] == manifest.settings["every_used"] == 2
    listed = sorted(frame.file for frame in manifest.frames)
    assert listed == sorted(path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path))
    assert {frame.split for frame in manifest.frames} == {"train", "test"}
    for frame in manifest.frames:
        folder, name = frame.file.split("/")
        assert folder == frame.split and name == f"{['clip', 'clip-2'][frame.source]}-{frame.index:06d}.png"
        assert Fraction(frame.time) == frame.index / RATE and frame.seconds == float(frame.index / RATE)
        picture = read_image(tmp_path / frame.file)
        assert picture.shape == (32, 43, 3) and np.abs(picture.astype(int) - 2 * frame.index).max() <= 3
    for source, clip, count in zip(manifest.sources, clips, (60, 25), strict=True):
        assert source.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
        assert (source.name, source.size_bytes, source.frames) == ("clip.mp4", clip.stat().st_size, count)
        assert source.duration_seconds == pytest.approx(count / float(RATE), abs=0.04)
    assert str(tmp_path) not in (tmp_path / "manifest.json").read_text(encoding="utf-8")
    assert len(split_images(tmp_path, "a", "train")) + len(split_images(tmp_path, "a", "test")) == len(listed)
    assert not (tmp_path / ".prepare").exists()


def test_neighbours_in_time_are_not_parted(clips: list[Path], tmp_path: Path) -> None:
    """At 30 frames a second a second of film lies between the splits, or a quarter of a stretch."""
    manifest = prepare_frames(clips[:1], tmp_path, config(every=1))
    for one, other in pairwise(manifest.frames):
        if one.split != other.split:
            assert other.index - one.index > 10


@pytest.mark.sweep
def test_same_input_and_settings_give_the_same_bytes(clips: list[Path], tmp_path: Path) -> None:
    for count in (None, 9):
        for name in ("one", "two"):
            prepare_frames(clips, tmp_path / f"{name}{count}", config(count=count))
        assert everything(tmp_path / f"one{count}") == everything(tmp_path / f"two{count}")


def test_random_frames_are_distinct_and_over_all_clips(clips: list[Path], tmp_path: Path) -> None:
    manifest = prepare_frames(clips, tmp_path, config(count=40, split="none"))
    taken = {(frame.source, frame.index) for frame in manifest.frames}
    assert len(taken) == len(manifest.frames) == 40 and {source for source, _ in taken} == {0, 1}
    assert all("/" not in frame.file for frame in manifest.frames)


def test_picks_by_hand() -> None:
    """30 frames a second, then a pause of two seconds, then two more frames."""
    times = [Fraction(i, 30) for i in range(60)] + [Fraction(4), Fraction(121, 30)]
    assert pick_frames([times], config(per_second=2)) == [[0, 15, 30, 45, 60]]
    assert pick_frames([times], config(per_second=0.5)) == [[0, 60]]
    assert pick_frames([times], config(per_second=100)) == [list(range(62))]
    assert pick_frames([times, times[:3]], config(every=25)) == [[0, 25, 50], [0]]
    assert pick_frames([times, times[:3]], config(count=99)) == [list(range(62)), [0, 1, 2]]
    long = [Fraction(i, 30) for i in range(5500)]
    assert pick_frames([long], config())[0] == list(range(0, 5500, 6))  # five of a second
    film = [Fraction(i, 24) for i in range(20_000)]
    assert pick_frames([film], config())[0] == list(range(0, 20_000, 20))  # about a thousand
    few = [pick_frames([times, times], config(count=5, seed=seed)) for seed in range(20)]
    assert len({str(picks) for picks in few}) == 20 and all(sum(map(len, picks)) == 5 for picks in few)


def test_names_are_safe_on_every_disk() -> None:
    names = clip_names(["a/b\\c:d*e", "ü" * 200, "...", "A_b_C_d_e", "-dash", "new\nline", "trail. "])
    assert names[:4] == ["a_b_c_d_e", "ü" * 60, "clip", "A_b_C_d_e-2"]
    assert names[4:] == ["dash", "new_line", "trail"]
    assert all(len(f"{name}-1234567.png".encode()) <= 255 for name in names)


def test_exact_size_and_jpg(clips: list[Path], tmp_path: Path) -> None:
    manifest = prepare_frames(clips[1:], tmp_path, config(every=5, size="20x30", format="jpg"))
    with Image.open(tmp_path / manifest.frames[0].file) as picture:
        assert picture.size == (20, 30) and picture.format == "JPEG"


def test_a_second_run_decodes_and_writes_nothing(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_frames(clips, tmp_path, config(every=5))
    before = {path: path.stat().st_mtime_ns for path in list_images(tmp_path)}
    monkeypatch.setattr(reader_module, "VideoReader", None)
    seen = Reports()
    assert prepare_frames(clips, tmp_path, config(every=5), report=seen) == first
    assert {path: path.stat().st_mtime_ns for path in list_images(tmp_path)} == before
    assert seen == [(len(first.frames), len(first.frames), "frames")]


def test_a_removed_picture_is_made_again(clips: list[Path], tmp_path: Path) -> None:
    prepare_frames(clips, tmp_path, config(every=5))
    before = everything(tmp_path)
    list_images(tmp_path)[3].unlink()
    prepare_frames(clips, tmp_path, config(every=5))
    assert everything(tmp_path) == before


def test_other_settings_or_videos_in_the_same_folder_are_refused(clips: list[Path], tmp_path: Path) -> None:
    prepare_frames(clips, tmp_path, config(every=5))
    before = everything(tmp_path)
    with pytest.raises(DataError, match=r"size was None, now 32; every was 5, now 4.*--out"):
        prepare_frames(clips, tmp_path, config(every=4, size="32"))
    with pytest.raises(DataError, match=r"videos were clip.mp4, clip.mp4, now clip.mp4"):
        prepare_frames(clips[:1], tmp_path, config(every=5))
    assert everything(tmp_path) == before


def test_a_changed_video_is_noticed(tmp_path: Path) -> None:
    clip = film(tmp_path / "v.mp4", 12)
    prepare_frames([clip], tmp_path / "out", config(every=5))
    film(clip, 14)
    with pytest.raises(DataError, match=r"contents of v\.mp4 have changed"):
        prepare_frames([clip], tmp_path / "out", config(every=5))


def test_pictures_of_somebody_else_are_not_mixed_in(clips: list[Path], tmp_path: Path) -> None:
    write_image(tmp_path / "train" / "holiday.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="not made by this command"):
        prepare_frames(clips, tmp_path, config())


@pytest.mark.parametrize("stop_after", [0, 7, 20])
@pytest.mark.thinned(3, first=1)
def test_stopping_and_going_on_ends_the_same(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    prepare_frames(clips, tmp_path / "whole", config(every=2))
    written: list[Path] = []

    def limited(path: Path, image: Picture) -> None:
        if len(written) >= stop_after:
            raise KeyboardInterrupt
        write_image(path, image)
        written.append(path)

    monkeypatch.setattr(extract_module, "write_image", limited)
    with pytest.raises(KeyboardInterrupt):
        prepare_frames(clips, tmp_path / "out", config(every=2))
    assert not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(DataError, match="every was 2, now 3"):  # known even before the manifest
        prepare_frames(clips, tmp_path / "out", config(every=3))
    kept = {path: path.stat().st_mtime_ns for path in list_images(tmp_path / "out")}
    monkeypatch.setattr(extract_module, "write_image", write_image)
    prepare_frames(clips, tmp_path / "out", config(every=2))
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())  # not written twice


def test_a_damaged_video_gives_what_is_sound(tmp_path: Path) -> None:
    clip = film(tmp_path / "d.mp4", 64)
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 2
    data[start : start + 60] = b"\xff" * 60
    clip.write_bytes(data)
    seen = Reports()
    manifest = prepare_frames([clip], tmp_path / "out", config(every=1), report=seen)
    assert manifest.damaged and manifest.damaged[0].startswith("d.mp4: ")
    assert 0 < len(manifest.frames) < 64 and seen[-1][0] == seen[-1][1]
    assert len(list_images(tmp_path / "out")) == len(manifest.frames)
    before = everything(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(DataError, match="not made by"):
        prepare_frames([clip], tmp_path / "out", config(every=1))
    (tmp_path / "out" / "manifest.json").write_bytes(before["manifest.json"])
    assert prepare_frames([clip], tmp_path / "out", config(every=1)) == manifest


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("content", [b"", b"no video at all"])
@pytest.mark.thinned(2)
def test_a_video_that_was_mended_is_added_by_the_same_command(
    clips: list[Path], tmp_path: Path, place: int, content: bytes
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(content)
    videos = [clips[1]]
    videos.insert(place, bad)
    skips = {"every": 4, "skip_start": "0,0"}
    first = prepare_frames(videos, tmp_path / "out", config(**skips))
    assert len(first.damaged) == 1 and {frame.source for frame in first.frames} == {1 - place}
    again = prepare_frames(videos, tmp_path / "out", config(**skips))
    assert again == first
    bad.write_bytes(clips[0].read_bytes())
    whole = prepare_frames(videos, tmp_path / "out", config(**skips))
    assert whole.damaged == [] and [origin.name for origin in whole.sources] == [path.name for path in videos]
    assert all(origin.frames for origin in whole.sources)
    old = {frame.file: frame for frame in first.frames}
    assert {frame.file: frame for frame in whole.frames if frame.source == 1 - place} == old
    assert {frame.file.rsplit("/", 1)[-1][:3] for frame in whole.frames if frame.source == place} == {"bad"}
    assert prepare_frames(videos, tmp_path / "out", config(**skips)) == whole
    with pytest.raises(DataError, match="every was 4, now 8"):
        prepare_frames(videos, tmp_path / "out", config(**skips | {"every": 8}))


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello", encoding="utf-8")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        prepare_frames([tmp_path / "text.mp4"], tmp_path / "out", config())
    with pytest.raises(VideoError, match=r"none\.mp4"):
        prepare_frames([tmp_path / "none.mp4"], tmp_path / "out", config())
    with pytest.raises(DataError, match="no videos"):
        prepare_frames([], tmp_path / "out", config())


@pytest.mark.parametrize(
    "values",
    [
        {"every": 2, "count": 3},
        {"count": 3, "per_second": 1.0},
        {"size": "0"},
        {"size": "3x"},
        {"ratio": "1:9"},
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        config(**values)


def test_a_damaged_manifest_is_named(clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"reskin": 1}', encoding="utf-8")
    with pytest.raises(DataError, match="is no manifest of ours"):
        prepare_frames(clips, tmp_path, config())
    assert Manifest.model_fields["damaged"].description


def killed_and_gone_on(clips: list[Path], out: Path, delay: float) -> bool:
    """Start a run in another process and kill it; whether it was still at work."""
    code = (
        "import sys; from pathlib import Path; from reskin.curation.prepare.frames import *\n"
        "print('go', flush=True)\n"
        "prepare_frames([Path(p) for p in sys.argv[2:]], Path(sys.argv[1]), FramesConfig(every=1, size='40'))"
    )
    command = [sys.executable, "-c", code, str(out), *map(str, clips)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"go\n"
        time.sleep(delay)
        was_working = process.poll() is None
        process.send_signal(signal.SIGKILL)
    return was_working


@pytest.mark.parametrize("kills", [1, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.sweep
def test_killed_at_random_moments(clips: list[Path], tmp_path: Path, kills: int) -> None:
    prepare_frames(clips, tmp_path / "whole", config(every=1, size="40"))
    wanted = everything(tmp_path / "whole")
    rng = random.Random(kills)
    for number in range(kills):
        out = tmp_path / f"out{number}"
        killed_and_gone_on(clips, out, rng.uniform(0.0, 0.8))
        for path in list_images(out) if out.exists() else []:
            assert path.read_bytes() == wanted[path.relative_to(out).as_posix()]  # no half picture
        prepare_frames(clips, out, config(every=1, size="40"))
        assert becomes(out, wanted)


@pytest.mark.sweep
def test_real_footage(real_data: Path, tmp_path: Path) -> None:
    videos = sorted(path for path in (real_data / "video" / "live").rglob("*.mp4"))
    if not videos:
        pytest.skip("no live footage")
    manifest = prepare_frames(videos[:1], tmp_path, config(count=8, size="64", split="none"))
    assert len(manifest.frames) == 8 and manifest.damaged == []
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["sources"][0]["frames"]
    assert all(min(read_image(path).shape[:2]) == 64 for path in list_images(tmp_path))
    assert os.path.exists(videos[0])
