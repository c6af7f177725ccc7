"""A video through a model: every frame at its time, the sound untouched, all or nothing on the disk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tests.support.reports import Reports
from torch import Tensor

from reskin.device import Compute
from reskin.errors import NotAVideoError, NotFiniteError, SettingsError, StorageError, VideoError
from reskin.methods.translator import Translator
from reskin.translation import clips
from reskin.translation.clips import translate_video
from reskin.translation.film import AS_IT_IS
from reskin.video.reader import Frame, VideoReader
from reskin.video.writer import Encoding, Sound, VideoWriter

as_it_is = partial(translate_video, film=AS_IT_IS)
FP32 = Compute(torch.device("cpu"), "fp32")
UNEVEN = [Fraction(n * 1001, 30000) for n in (0, 1, 2, 5, 6, 9, 10, 11, 12, 20, 21, 22)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of 70x46 at uneven times, with sound: smooth slopes of colour that drift."""
    path = tmp_path_factory.mktemp("drawn") / "clip.mp4"
    rows, columns = np.mgrid[0:46, 0:70]
    tone = np.sin(np.arange(16000) / 10).astype(np.float32)[:, None] * 0.3
    with VideoWriter(
        path, size=(70, 46), frame_rate=Fraction(15), sound=Sound(tone, 16000), encoding=Encoding(quality=4)
    ) as writer:
        for number, time in enumerate(UNEVEN):
            planes = [rows * 3 + 40, columns * 2 + 5 * number, 200 - rows - columns]
            writer.write(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8), time)
    return path


def decoded(path: Path) -> tuple[list[Fraction], np.ndarray]:
    """Times and RGB pictures of a file, straight from FFmpeg."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.pts * frame.time_base for frame in frames], np.stack(
            [frame.to_ndarray(format="rgb24") for frame in frames]
        )


def sound_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in packets]


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((image.astype(float) - reference) ** 2)))


def leftovers(folder: Path, *known: str) -> set[str]:
    return {path.name for path in folder.iterdir()} - set(known)


@pytest.mark.parametrize("batch", [None, 5])
def test_pictures_times_size_and_sound(
    tmp_path: Path, drawn: Path, negative: Translator, batch: int | None
) -> None:
    before = drawn.read_bytes()
    result = as_it_is(negative, drawn, tmp_path / "out.mp4", "a2b", batch=batch)
    assert (result.frames, result.damaged) == (12, [])
    (times, pictures), (old_times, old_pictures) = decoded(tmp_path / "out.mp4"), decoded(drawn)
    assert times == old_times and times[-1] == UNEVEN[-1]
    assert pictures.shape == old_pictures.shape
    for picture, old in zip(pictures, old_pictures, strict=True):
        assert psnr(picture, 255 - old) > 35
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(drawn)
    assert drawn.read_bytes() == before and leftovers(tmp_path) == {"out.mp4"}


def test_a_clip_is_translated_as_its_frames_are(
    tmp_path: Path, drawn: Path, reflecting: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the writer gets is bit for bit what a single picture gives."""
    written: list[np.ndarray] = []
    real = VideoWriter.write

    def write(self: VideoWriter, image: np.ndarray, time: Fraction, alpha: None) -> None:
        written.append(image.copy())
        real(self, image, time)

    monkeypatch.setattr(VideoWriter, "write", write)
    as_it_is(reflecting, drawn, tmp_path / "out.mp4", "a2b", compute=FP32)
    with VideoReader(drawn) as reader:
        for image, frame in zip(written, reader, strict=True):
            assert np.array_equal(
                image, clips.Engine(reflecting, "a2b", FP32).translate(frame.image[None])[0]
            )


def test_progress_counts_frames(tmp_path: Path, drawn: Path, negative: Translator) -> None:
    seen = Reports()
    as_it_is(negative, drawn, tmp_path / "out.mp4", "a2b", report=seen, batch=5)
    assert seen == [(done, 12, "frames") for done in (0, 5, 10, 12)]


def test_an_output_that_is_there_is_only_replaced_on_demand(
    tmp_path: Path, drawn: Path, negative: Translator
) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    with pytest.raises(SettingsError, match=r"out\.mp4 is there already.*--overwrite"):
        as_it_is(negative, drawn, out, "a2b")
    assert out.read_bytes() == b"mine"
    as_it_is(negative, drawn, out, "a2b", overwrite=True)
    assert len(decoded(out)[0]) == 12


def test_the_source_is_never_the_target(tmp_path: Path, drawn: Path, negative: Translator) -> None:
    copy = tmp_path / "copy.mp4"
    shutil.copy(drawn, copy)
    (tmp_path / "link.mp4").symlink_to(copy)
    for out in (copy, tmp_path / "link.mp4", tmp_path / ".." / tmp_path.name / "copy.mp4"):
        with pytest.raises(SettingsError, match="is the file that is to be translated"):
            as_it_is(negative, copy, out, "a2b", overwrite=True)
    assert copy.read_bytes() == drawn.read_bytes()


def test_wrong_calls_are_refused_and_leave_nothing(
    tmp_path: Path, drawn: Path, reflecting: Translator
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(SettingsError, match="does not translate b2a"):
        as_it_is(reflecting, drawn, tmp_path / "out.mp4", "b2a")
    with pytest.raises(SettingsError, match="a batch of 0"):
        as_it_is(reflecting, drawn, tmp_path / "out.mp4", "a2b", batch=0)
    with pytest.raises(VideoError, match="ending"):
        as_it_is(reflecting, drawn, tmp_path / "out.xyz", "a2b")
    with pytest.raises(NotAVideoError):
        as_it_is(reflecting, text, tmp_path / "out.mp4", "a2b")
    with pytest.raises(NotAVideoError):
        as_it_is(reflecting, tmp_path / "nowhere.mp4", tmp_path / "out.mp4", "a2b")
    assert leftovers(tmp_path) == {"text.mp4"}


class FailsAt(Translator):
    """Raises at the fourth frame."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.count = error, 0

    def translate(self, images: Tensor, direction: str) -> Tensor:
        self.count += 1
        if self.count == 4:
            raise self.error
        return images


@pytest.mark.parametrize(
    "error", [NotFiniteError("broken"), KeyboardInterrupt(), RuntimeError("ours"), SystemExit(1)]
)
@pytest.mark.thinned(3, first=2)
def test_a_failure_of_the_model_leaves_nothing(tmp_path: Path, drawn: Path, error: BaseException) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(type(error)) as raised:
        as_it_is(FailsAt(error), drawn, tmp_path / "out.mp4", "a2b")
    assert raised.value is error
    assert leftovers(tmp_path) == set() and set(threading.enumerate()) <= threads
    as_it_is(FailsAt(error), drawn, tmp_path / "two.mp4", "a2b", batch=12)
    assert leftovers(tmp_path) == {"two.mp4"}


def test_a_failure_of_the_reader_or_the_writer_leaves_nothing(
    tmp_path: Path, drawn: Path, negative: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = VideoReader.__iter__, VideoWriter.write

    def read_some(self: VideoReader) -> Iterator[Frame]:
        for frame in read(self):
            if frame.index == 6:
                raise VideoError("the file changed")
            yield frame

    def write_some(self: VideoWriter, image: np.ndarray, time: Fraction, alpha: None) -> None:
        if time > 0.2:
            raise StorageError("no space left")
        write(self, image, time)

    with monkeypatch.context() as patch, pytest.raises(VideoError, match="the file changed"):
        patch.setattr(VideoReader, "__iter__", read_some)
        as_it_is(negative, drawn, tmp_path / "out.mp4", "a2b")
    with monkeypatch.context() as patch, pytest.raises(StorageError, match="no space left"):
        patch.setattr(VideoWriter, "write", write_some)
        as_it_is(negative, drawn, tmp_path / "out.mp4", "a2b")
    assert leftovers(tmp_path) == set()
    assert as_it_is(negative, drawn, tmp_path / "out.mp4", "a2b").frames == 12


@pytest.mark.sweep
def test_memory_is_bounded_whatever_the_length(
    tmp_path: Path, drawn: Path, negative: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow writer holds the reader back: of 300 frames few are ever in memory."""
    read = written = most = 0

    def read_many(self: VideoReader) -> Iterator[Frame]:
        nonlocal read
        image = np.zeros((46, 70, 3), np.uint8)
        for number in range(300):
            read += 1
            yield Frame(image, Fraction(number, 25), number)

    def write_slowly(self: VideoWriter, image: np.ndarray, time: Fraction, alpha: None) -> None:
        nonlocal written, most
        threading.Event().wait(0.001)
        most = max(most, read - written)
        written += 1
        if time == 0:
            real(self, image, time)

    real = VideoWriter.write
    monkeypatch.setattr(VideoReader, "__iter__", read_many)
    monkeypatch.setattr(VideoWriter, "write", write_slowly)
    assert as_it_is(negative, drawn, tmp_path / "out.mp4", "a2b").frames == 300
    assert written == 300 and most <= 4 * 4 + 6  # four lines of four, one in each hand and one held back


def same_as_source(model: Translator, source: Path, out: Path) -> clips.VideoResult:
    """Translate; frames, times, size and sound must be the source's."""
    result = as_it_is(model, source, out, "a2b")
    with VideoReader(source) as before, VideoReader(out) as after:
        assert (after.info.width, after.info.height) == (before.info.width, before.info.height)
        old = [(frame.time, frame.image.mean()) for frame in before]
        new = [(frame.time, frame.image.mean()) for frame in after]
        assert after.info.has_sound == before.info.has_sound
    assert len(new) == len(old) == result.frames
    assert [time for time, _ in new] == [time for time, _ in old]
    assert max(abs(255 - light - dark) for (_, light), (_, dark) in zip(old, new, strict=True)) < 3
    return result


def cut(source: Path, out: Path, seconds: float) -> Path:
    """The first seconds of a file, packets as they are."""
    with av.open(str(source)) as container, av.open(str(out), "w") as output:
        streams = {
            stream.index: output.add_stream_from_template(stream)
            for stream in (*container.streams.video, *container.streams.audio)
        }
        for packet in container.demux(*(container.streams[index] for index in streams)):
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    return out


def test_a_film_with_sound(tmp_path: Path, real_data: Path, negative: Translator) -> None:
    source = cut(real_data / "video/cg/film_sintel_cliff_audio.mp4", tmp_path / "film.mp4", 0.8)
    result = same_as_source(negative, source, tmp_path / "out.mp4")
    assert result.damaged == [] and result.frames > 10
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(source)


@pytest.mark.sweep
def test_frames_that_were_dropped_stay_dropped(tmp_path: Path, real_data: Path, negative: Translator) -> None:
    same_as_source(negative, real_data / "video/odd/vfr_dropped_frames.mp4", tmp_path / "out.mp4")


@pytest.mark.sweep
def test_a_turned_phone_clip_is_upright(tmp_path: Path, real_data: Path, negative: Translator) -> None:
    source = real_data / "video/odd/rotated_90_phone_audio.mov"
    same_as_source(negative, source, tmp_path / "out.mov")
    with VideoReader(tmp_path / "out.mov") as reader:
        assert reader.info.rotation == 0
    assert sound_packets(tmp_path / "out.mov") == sound_packets(source)


@pytest.mark.parametrize(
    "name", [pytest.param("corrupt_stream.mp4", marks=pytest.mark.slow), "truncated_midway.mp4"]
)
@pytest.mark.sweep
def test_what_is_sound_in_a_damaged_file_is_translated(
    tmp_path: Path, real_data: Path, negative: Translator, name: str
) -> None:
    result = as_it_is(negative, real_data / "video/odd" / name, tmp_path / "out.mp4", "a2b")
    assert result.frames > 0 and result.damaged
    assert len(decoded(tmp_path / "out.mp4")[0]) == result.frames
