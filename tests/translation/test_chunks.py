"""A film whose chunks processes of their own translate equals that of one process, byte for byte."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tests.support.saved_run import save_run
from torch import Tensor

from reskin.errors import RunError, VideoError
from reskin.methods.translator import Stream, Translator
from reskin.translation import chunks
from reskin.translation.chunks import Chunk, parted, plan_chunks, segments_of, translate_chunk
from reskin.translation.clips import How, translate_video
from reskin.translation.film import AS_IT_IS, FilmOptions
from reskin.translation.job import Job, job_folder
from reskin.types import Direction
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.video.segments import Segment
from reskin.video.writer import Sound, VideoWriter

RATE = Fraction(4)  # a segment of five seconds has 20 frames
SHOTS = [17, 26, 14, 31, 22, 13, 27]
FRAMES = sum(SHOTS)


class Inverting(Translator):
    """Turns colours over, and draws other noise into each frame that it has not seen."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(gain))

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        seed = int((images * 127.5 + 127.5).round().long().sum())
        noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
        return -self.gain * images * 0.8 + 0.2 * noise


class Mixing(Inverting):
    """Mixes each frame with the one before."""

    def stream(self, direction: Direction) -> Stream:
        return _Mixed(self, direction)


class _Mixed(Stream):
    last: Tensor | None = None

    def reset(self) -> None:
        self.last = None

    def step(self, frame: Tensor) -> Tensor:
        made = self.model.generate(frame, self.direction)
        self.last = made if self.last is None else 0.5 * made + 0.5 * self.last
        return self.last

    def state(self) -> dict[str, Tensor]:
        return {} if self.last is None else {"last": self.last.clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.last = state.get("last")


def draw(path: Path, shots: list[int]) -> Path:
    rng = np.random.default_rng(0)
    tone = 0.3 * np.sin(np.arange(2000 * sum(shots)) / 20).astype(np.float32)[:, None]
    number = 0
    with VideoWriter(path, size=(64, 48), frame_rate=RATE, sound=Sound(tone, 8000)) as writer:
        for length in shots:
            noise = rng.integers(40, 200, (12, 20, 3)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
            noise //= rng.integers(1, 4, 3).astype(np.uint8)
            for at in range(length):
                left = 30 - abs(at % 60 - 30)
                writer.write(noise[6:54, left : left + 64], number / RATE)
                number += 1
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("chunks") / "clip.mp4", SHOTS)


def content(path: Path) -> object:
    """The bytes of a file, but for Matroska's, which has a random number in it: there its packets."""
    if path.suffix == ".mp4":
        return path.read_bytes()
    with av.open(str(path)) as container:
        return [(p.stream.index, p.pts, p.duration, p.is_keyframe, bytes(p)) for p in container.demux()]


def shared(model: Translator, drawn: Path, out: Path, how: How, *, processes: int = 3) -> list[Chunk]:
    """Translate the chunks in any order, and make the film of them."""
    plan = plan_chunks(model, drawn, out, "a2b", how, processes=processes)
    assert plan.alone == ""
    for chunk in random.Random(0).sample(plan.chunks, len(plan.chunks)):
        translate_chunk(model, drawn, out, "a2b", how, chunk=chunk)
    translate_video(model, drawn, out, "a2b", **how)
    return plan.chunks


@pytest.mark.parametrize(
    ("kind", "options", "suffix"),
    [
        (Inverting, FilmOptions(), ".mp4"),
        (Mixing, FilmOptions(steady=0.0), ".mp4"),
        (Inverting, FilmOptions(steady=0.7, looks_ahead=True), ".mp4"),
        (Inverting, AS_IT_IS, ".webm"),
        (Mixing, FilmOptions(encoding=Encoding(codec="hevc")), ".mkv"),
        (Inverting, FilmOptions(start=6.1, seconds=27.0), ".mp4"),
    ],
    ids=["stabilised", "remembering", "two-sided", "each-by-itself", "hevc", "part"],
)
@pytest.mark.thinned(6)
def test_the_film_is_that_of_one_process(
    tmp_path: Path, drawn: Path, kind: type[Translator], options: FilmOptions, suffix: str
) -> None:
    model, how = kind(), How(film=options)
    found = shared(model, drawn, tmp_path / f"shared{suffix}", how)
    translate_video(model, drawn, tmp_path / f"alone{suffix}", "a2b", **how)
    assert len(found) > 1
    assert content(tmp_path / f"shared{suffix}") == content(tmp_path / f"alone{suffix}")
    assert {path.name for path in tmp_path.iterdir()} >= {f"shared{suffix}", f"alone{suffix}"}
    assert not any(path.suffix == ".segment" for path in tmp_path.rglob("*"))


@pytest.mark.sweep
def test_a_grade_is_smoothed_over_the_same_frames(tmp_path: Path, drawn: Path) -> None:
    model = save_run(tmp_path / "run", "grade")
    shared(model, drawn, tmp_path / "shared.mp4", How())
    translate_video(model, drawn, tmp_path / "alone.mp4", "a2b")
    assert (tmp_path / "shared.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()


@pytest.mark.sweep
def test_segments_that_are_there_are_not_made_again(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that died left some; another goes on behind them with what it remembered."""
    model, out, whole = Mixing(), tmp_path / "out.mp4", tmp_path / "alone.mp4"
    plan = plan_chunks(model, drawn, out, "a2b", {}, processes=1)
    first, last = plan.chunks[0], plan.chunks[-1]
    translate_chunk(model, drawn, out, "a2b", {}, chunk=last)
    assert len(first.segments) > 1, "the first chunk has several segments"
    save = Job.save

    def die(job: Job, number: int, segment: Segment, state: dict[str, Tensor]) -> None:
        save(job, number, segment, state)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Job, "save", die)
        translate_chunk(model, drawn, out, "a2b", {}, chunk=first)
    seen: list[range] = []
    frames_at = VideoReader.frames_at
    monkeypatch.setattr(
        VideoReader,
        "frames_at",
        lambda reader, at: seen.append(range(at[0], at[-1] + 1)) or frames_at(reader, at),
    )
    again = plan_chunks(model, drawn, out, "a2b", {}, processes=1).chunks
    assert again == [one for one in plan.chunks if one != last]
    seen.clear()
    translate_chunk(model, drawn, out, "a2b", {}, chunk=first)
    assert max(seen, key=len).start == 20
    for chunk in again[1:]:
        translate_chunk(model, drawn, out, "a2b", {}, chunk=chunk)
    translate_video(model, drawn, out, "a2b")
    translate_video(model, drawn, whole, "a2b")
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.sweep
def test_a_film_without_cuts_is_shared_only_where_frames_stand_by_themselves(tmp_path: Path) -> None:
    film = draw(tmp_path / "clip.mp4", [90])
    plan = plan_chunks(Inverting(), film, tmp_path / "out.mp4", "a2b", {}, processes=2)
    assert plan.chunks == [] and "no cuts" in plan.alone
    assert not any(tmp_path.glob(".reskin-film-*/*.json"))
    how = How(film=AS_IT_IS)
    assert len(shared(Inverting(), film, tmp_path / "out.mp4", how, processes=2)) > 1


@pytest.mark.sweep
def test_what_other_settings_made_is_not_taken(tmp_path: Path, drawn: Path) -> None:
    """Late in the folder of another translation, a process that was not told in time writes its segment."""
    out = tmp_path / "out.mp4"
    plan = plan_chunks(Inverting(), drawn, out, "a2b", {}, processes=3)
    translate_chunk(Inverting(), drawn, out, "a2b", {}, chunk=plan.chunks[0])
    late = (job_folder(out) / "000000.segment").read_bytes()
    other = Inverting(0.5)
    other_plan = plan_chunks(other, drawn, out, "a2b", {}, processes=3)
    assert len(other_plan.chunks) == len(plan.chunks)
    with pytest.raises(RunError, match="Run the same command again"):
        translate_chunk(Inverting(), drawn, out, "a2b", {}, chunk=plan.chunks[0])
    (job_folder(out) / "000000.segment").write_bytes(late)
    translate_video(other, drawn, out, "a2b")
    translate_video(other, drawn, tmp_path / "alone.mp4", "a2b")
    assert out.read_bytes() == (tmp_path / "alone.mp4").read_bytes()


def test_a_film_that_holds_other_frames_than_it_promises(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.mp4"
    plan = plan_chunks(Inverting(), drawn, out, "a2b", {}, processes=3)
    frames_at = VideoReader.frames_at
    monkeypatch.setattr(
        VideoReader, "frames_at", lambda reader, at: (one for one in frames_at(reader, at) if one.index != 3)
    )
    with pytest.raises(VideoError, match="other frames"):
        translate_chunk(Inverting(), drawn, out, "a2b", {}, chunk=plan.chunks[0])


def test_segments_follow_the_times() -> None:
    times = [Fraction(n, 2) for n in (2, 4, 11, 13, 14, 40)]  # 1, 2, 5.5, 6.5, 7 and 20 seconds
    assert segments_of(times, range(6), Fraction(1)) == [range(0, 3), range(3, 5), range(5, 6)]
    assert segments_of(times, range(1, 4), Fraction(2)) == [range(1, 4)]


def test_chunks_begin_near_cuts() -> None:
    segments = [range(at, at + 20) for at in range(0, 160, 20)]
    cuts = [0, 19, 43, 57, 88, 110, 123]
    # Two processes: four chunks of two segments at least. At 40 the last cut is 21 frames back, more than
    # a quarter of those 40; at 60 it is 3 back. At 100 it is 12 back, of 40; at 120 it is 10 back, of 60.
    found = parted(segments, cuts, 2)
    assert [list(one.segments) for one in found] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [one.since for one in found] == [0, 57, 110]
    assert [one.frames for one in found] == [range(0, 60), range(60, 120), range(120, 160)]
    by_themselves = parted(segments, None, 2)
    assert [list(one.segments) for one in by_themselves] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert [one.since for one in by_themselves] == [0, 40, 80, 120]
    assert chunks.MOST_TWICE == 0.25
