"""A stopped translation goes on, and its file equals that of one that was never stopped, byte for byte."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.reports import Reports
from torch import Tensor

from reskin.errors import RunError, StorageError
from reskin.inference.rendering import Rendering
from reskin.methods.translator import Stream, Translator
from reskin.storage import lock
from reskin.translation.clips import translate_video
from reskin.translation.film import FilmOptions
from reskin.translation.job import Job, open_job
from reskin.types import Direction
from reskin.video.encoding import Codec, Encoding
from reskin.video.segments import Segment
from reskin.video.writer import Sound, VideoWriter

RATE = Fraction(4)  # five seconds are 20 frames
FRAMES = 53


def draw(path: Path) -> Path:
    noise = np.random.default_rng(0).integers(40, 200, (12, 20, 3)).astype(np.uint8).repeat(5, 0).repeat(5, 1)
    tone = 0.3 * np.sin(np.arange(8000 * FRAMES // 4) / 20).astype(np.float32)[:, None]
    with VideoWriter(path, size=(64, 48), frame_rate=RATE, sound=Sound(tone, 8000)) as writer:
        for number in range(FRAMES):
            left = number % 30
            writer.write(noise[6:54, left : left + 64], number / RATE)
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("resume") / "clip.mp4")


class Restless(Translator):
    """Draws other noise into each frame that it has not seen, and stops at one."""

    def __init__(self, stops_at: int | None = None, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(gain))
        self.count, self.stops_at = 0, stops_at

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.count += 1
        if self.count == self.stops_at:
            raise KeyboardInterrupt
        seed = int((images * 127.5 + 127.5).round().long().sum())
        noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
        return -self.gain * images * 0.8 + 0.2 * noise


@pytest.fixture(scope="module")
def undisturbed(drawn: Path) -> bytes:
    """The film that `Restless` makes with the settings that nobody changed."""
    out = drawn.with_name("whole.mp4")
    translate_video(Restless(), drawn, out, "a2b")
    return out.read_bytes()


class Remembering(Restless):
    """A model whose stream mixes each frame with the one before."""

    def stream(self, direction: Direction) -> Stream:
        return Mixing(self, direction)


class Mixing(Stream):
    before: Tensor | None = None

    def step(self, frame: Tensor) -> Tensor:
        made = super().step(frame)
        made = made if self.before is None else (made + self.before) / 2
        self.before = made
        return made

    def reset(self) -> None:
        self.before = None

    def state(self) -> dict[str, Tensor]:
        return {} if self.before is None else {"before": self.before}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.before = state.get("before")


def stopped_after(
    number: int,
    model: Translator,
    source: Path,
    out: Path,
    film: FilmOptions | None = None,
    *,
    rendering: Rendering | None = None,
) -> None:
    """Translate until so many segments are whole."""
    save = Job.save

    def stop(self: Job, at: int, segment: Segment, state: dict[str, Tensor]) -> None:
        save(self, at, segment, state)
        if at + 1 == number:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Job, "save", stop)
        translate_video(model, source, out, "a2b", film=film, rendering=rendering)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("model", "film", "whole"),
    [
        (Restless, FilmOptions(), 1),
        (Remembering, FilmOptions(), 2),
        (Restless, FilmOptions(work_size=40), 1),
        (Remembering, FilmOptions(looks_ahead=True), 1),
        (Restless, FilmOptions(work_size=40, looks_ahead=True), 2),
        (Restless, FilmOptions(steady=0, has_bars=False), 2),
        (Restless, FilmOptions(start=2, encoding=Encoding(quality=30)), 1),
        pytest.param(Restless, FilmOptions(), 2, marks=pytest.mark.slow),
        pytest.param(Remembering, FilmOptions(), 1, marks=pytest.mark.slow),
        pytest.param(Restless, FilmOptions(work_size=40), 2, marks=pytest.mark.slow),
        pytest.param(Restless, FilmOptions(steady=0, has_bars=False), 1, marks=pytest.mark.slow),
        pytest.param(
            Restless, FilmOptions(start=2, encoding=Encoding(quality=30)), 2, marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.thinned(7)
def test_what_was_stopped_equals_what_was_not(
    tmp_path: Path, drawn: Path, model: type[Restless], film: FilmOptions, whole: int
) -> None:
    out = tmp_path / "out.mp4"
    translate_video(model(), drawn, tmp_path / "whole.mp4", "a2b", film=film)
    stopped_after(whole, model(), drawn, out, film)
    kept = leftovers(tmp_path)
    assert len(kept) == 2 and kept[0].startswith(".reskin-film-")
    again, seen = model(), Reports()
    made = translate_video(again, drawn, out, "a2b", film=film, report=seen)
    assert out.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert leftovers(tmp_path) == ["out.mp4", "whole.mp4"]
    done = 20 * whole
    assert again.count == made.frames - done  # nothing whole is done again
    assert seen[0].done == done and seen[-1].done == made.frames


@pytest.mark.sweep
def test_other_settings_start_anew(tmp_path: Path, drawn: Path) -> None:
    out = tmp_path / "out.mp4"
    stopped_after(2, Restless(), drawn, out)
    for model, film in ((Restless(gain=0.5), FilmOptions()), (Restless(), FilmOptions(steady=0.5))):
        model.stops_at = 45
        with pytest.raises(KeyboardInterrupt):
            translate_video(model, drawn, out, "a2b", film=film)
        assert model.count == 45
    source = draw(tmp_path / "other.mp4")
    model = Restless()
    translate_video(model, source, out, "a2b", film=FilmOptions(steady=0.5))
    assert model.count == FRAMES and leftovers(tmp_path) == ["other.mp4", "out.mp4"]


@pytest.mark.sweep
def test_a_damaged_segment_is_done_again(tmp_path: Path, drawn: Path, undisturbed: bytes) -> None:
    out = tmp_path / "out.mp4"
    stopped_after(2, Restless(), drawn, out)
    (second,) = tmp_path.glob(".reskin-film-*/000001.segment")
    second.write_bytes(second.read_bytes()[:-7])
    again = Restless()
    translate_video(again, drawn, out, "a2b")
    assert again.count == FRAMES - 20 and out.read_bytes() == undisturbed


@pytest.mark.parametrize("looks_ahead", [False, True])
@pytest.mark.sweep
def test_what_the_stages_remember_is_kept_behind_the_last_segments_only(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch, looks_ahead: bool
) -> None:
    """Where those are damaged as well, the film is made from the last that has it, or from its beginning."""
    monkeypatch.setattr("reskin.translation.clips.SEGMENT_SECONDS", 1)  # four frames: 14 segments
    film, out, whole = FilmOptions(work_size=40, looks_ahead=looks_ahead), tmp_path / "out.mp4", 13
    translate_video(Remembering(), drawn, tmp_path / "whole.mp4", "a2b", film=film)
    for damaged, segments in ((0, 13), (1, 12), (2, 12), (3, 0)):
        stopped_after(whole, Remembering(), drawn, out, film)
        (folder,) = tmp_path.glob(".reskin-film-*")
        states = sorted(folder.glob("*.state"))
        assert [path.stem for path in states] == ["000011", "000012"]
        if damaged == 2:
            states[1].unlink()
        for path in sorted(folder.glob("*.segment"))[-damaged:] if damaged in (1, 3) else []:
            path.write_bytes(path.read_bytes()[:-7])
        again = Remembering()
        translate_video(again, drawn, out, "a2b", film=film)
        assert again.count == FRAMES - 4 * segments
        assert out.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
        out.unlink()


@pytest.mark.sweep
def test_two_at_once_are_refused(tmp_path: Path, drawn: Path) -> None:
    stopped_after(2, Restless(), drawn, tmp_path / "out.mp4")
    (folder,) = tmp_path.glob(".reskin-film-*")
    with lock(folder), pytest.raises(RunError, match=r"out\.mp4 is being written.*Wait for it") as raised:
        translate_video(Restless(), drawn, tmp_path / "out.mp4", "a2b")
    assert raised.value.exit_code == 2
    assert translate_video(Restless(), drawn, tmp_path / "out.mp4", "a2b").frames == FRAMES


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("hevc", ".mp4"), ("vp9", ".webm"), ("prores", ".mov"), ("ffv1", ".mkv"), ("h264", ".mkv")],
)
@pytest.mark.thinned(5, first=1)
@pytest.mark.sweep
def test_segments_of_every_codec_are_one_film(tmp_path: Path, drawn: Path, codec: Codec, suffix: str) -> None:
    import av

    out = tmp_path / f"out{suffix}"
    film = FilmOptions(steady=0, encoding=Encoding(codec=codec))
    translate_video(Restless(), drawn, out, "a2b", film=film)
    with av.open(str(out)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        orders = [packet.dts for packet in packets if packet.dts is not None]
        assert orders == sorted(set(orders))
        assert all(packet.dts is None or packet.dts <= packet.pts for packet in packets)
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([number / 4 for number in range(FRAMES)], abs=0.001)


KILLED = """
import os, signal, sys, torch
sys.path.insert(0, {folder!r})
torch.set_num_threads(1)
from {module} import Restless
from reskin.translation import clips
save = clips.Job.save
def stop(self, number, segment, state):
    if {when!r} == "before" and number == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, number, segment, state)
    if {when!r} == "after" and number == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
clips.Job.save = stop
clips.translate_video(Restless(), {source!r}, {out!r}, "a2b", film=clips.FilmOptions())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize(
    ("when", "number"),
    [
        ("before", 1),
        *(
            pytest.param(when, number, marks=pytest.mark.slow)
            for when, number in (("before", 0), ("after", 0), ("after", 2))
        ),
    ],
)
@pytest.mark.sweep
def test_a_killed_process_loses_no_whole_segment(
    tmp_path: Path, drawn: Path, undisturbed: bytes, when: str, number: int
) -> None:
    out = tmp_path / "out.mp4"
    root = Path(__file__).parents[Restless.__module__.count(".")]
    words = {"folder": str(root), "when": when, "number": number, "source": str(drawn)}
    code = KILLED.format(**words, module=Restless.__module__, out=str(out))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, capture_output=True, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    again = Restless()
    translate_video(again, drawn, out, "a2b", film=FilmOptions())
    assert out.read_bytes() == undisturbed
    assert again.count == max(0, FRAMES - 20 * (number + (when == "after")))
    assert leftovers(tmp_path) == ["out.mp4"]


def test_a_folder_that_refuses_is_said_by_the_name_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("reskin.storage.make_folder", refuse)
    match = r"out\.mp4 may not be written \(Permission denied\)"
    with pytest.raises(StorageError, match=match) as raised, open_job(tmp_path / "out.mp4", "key"):
        pass
    assert ".reskin" not in str(raised.value)
