"""`reskin translate RUN - -` in a pipe of its own: frames on standard output and nothing else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.runs.test_load import model_folder

from reskin.cli.main import main
from reskin.video.reader import VideoReader

RAW = ("--input-size", "40x32")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("live") / "run")


def frames(count: int) -> bytes:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 40, 3)).astype(np.uint8).tobytes()


@contextmanager
def standard_input(given: int) -> Iterator[None]:
    """This process reads the descriptor `given` as its standard input, which it closes."""
    own = os.dup(0)
    try:
        os.dup2(given, 0)
        os.close(given)
        with pytest.MonkeyPatch.context() as patch, open(0, "rb", closefd=False) as stream:
            patch.setattr(sys, "stdin", io.TextIOWrapper(stream))
            yield
            sys.stdin.detach()
    finally:
        os.dup2(own, 0)
        os.close(own)


def piped(data: bytes) -> int:
    """A descriptor from which so many bytes can be read; a pipe holds them all."""
    end, start = os.pipe()
    os.write(start, data)
    os.close(start)
    return end


@pytest.mark.sweep
def test_frames_go_through_a_pipe_and_nothing_else_does(run: Path) -> None:
    command = [sys.executable, "-m", "reskin", "translate", str(run), "-", "-", *RAW]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, input=frames(5), capture_output=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 5 * 40 * 32 * 3 and done.stdout != frames(5)
    assert b"done: 5 frames" in done.stderr and b"latency" in done.stderr


def test_a_pipe_becomes_a_video(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with standard_input(piped(frames(6))):
        assert main(["translate", str(run), "-", str(tmp_path / "out.mp4"), *RAW, "--rate", "10"]) == 0
    assert not capfd.readouterr().out
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert [float(time) for time in reader.times()] == pytest.approx([n / 10 for n in range(6)])


def test_a_frame_that_is_cut_is_one_line_and_no_video(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with standard_input(piped(frames(2)[:-1])):
        assert main(["translate", str(run), "-", str(tmp_path / "out.mp4"), *RAW]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "in the middle of frame 2" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sweep
def test_a_reader_that_goes_is_one_line(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given, ours = os.pipe()
    gone, written = os.pipe()
    os.close(gone)
    own = os.dup(1)
    # The input stays open: the program ends although there might be more to come.
    os.write(ours, frames(2))
    try:
        os.dup2(written, 1)
        with standard_input(given):
            assert main(["translate", str(run), "-", "-", *RAW]) == 3
    finally:
        os.dup2(own, 1)
        for descriptor in (own, written, ours):
            os.close(descriptor)
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "whoever read standard output has gone" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-", "-"), "have no size of their own. Add it, such as --input-size 640x360"),
        (("-", "-", "--input-size", "640"), "--input-size 640: it is no size"),
        (("-", "-", "--input-size", "0x32"), "frames of 0x32 px"),
        (("in.mp4", "-", *RAW), "in.mp4 to standard output. Type: ffmpeg -i in.mp4"),
        (("-", "-", *RAW, "--start", "3"), "--start for frames that come live"),
        (("-", "-", *RAW, "--codec", "hevc"), "--codec or --quality for raw frames"),
        (("-", "-", *RAW, "--compare", "grid"), "a comparison of frames that come live"),
        (("in.mp4", "out.mp4", *RAW), "--input-size for in.mp4. Give - as IN"),
        (("in.mp4", "out.mp4", "--camera", "0"), "IN and --camera are both given"),
        (("out.mp4", "--camera", "0", *RAW), "--input-size with --camera"),
        (("out.mp4", "--camera", "99"), "there is no camera 99"),
        (("-", "--camera", "99"), "there is no camera 99"),
        (("out.mp4", "--camera", "-1"), "--camera -1"),
    ],
)
@pytest.mark.thinned(3)
def test_wrong_words_are_one_line(
    run: Path, words: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", str(run), *words]) == 2
    said = capfd.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and not said.out
