"""`reskin translate RUN - -` in a pipe of its own: frames on standard output and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def reskin(run: Path, *words: str, given: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "reskin", "translate", str(run), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, input=given, capture_output=True, timeout=300, env=environment, check=False, **options
    )


def test_frames_go_through_a_pipe_and_nothing_else_does(run: Path) -> None:
    done = reskin(run, "-", "-", *RAW, given=frames(5))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 5 * 40 * 32 * 3 and done.stdout != frames(5)
    assert b"done: 5 frames" in done.stderr and b"latency" in done.stderr


def test_a_pipe_becomes_a_video(run: Path, tmp_path: Path) -> None:
    done = reskin(run, "-", str(tmp_path / "out.mp4"), *RAW, "--rate", "10", given=frames(6))
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert [float(time) for time in reader.times()] == pytest.approx([n / 10 for n in range(6)])


def test_a_frame_that_is_cut_is_one_line_and_no_video(run: Path, tmp_path: Path) -> None:
    done = reskin(run, "-", str(tmp_path / "out.mp4"), *RAW, given=frames(2)[:-1])
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1 and b"in the middle of frame 2" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_is_one_line(run: Path) -> None:
    command = [sys.executable, "-m", "reskin", "translate", str(run), "-", "-", *RAW]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        # The input stays open: the program ends although there might be more to come.
        process.stdin.write(frames(2))
        process.stdin.flush()
        said = process.stderr.read()
        assert process.wait(300) == 3
    assert said.count(b"\n") == 1 and b"whoever read standard output has gone" in said


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
def test_wrong_words_are_one_line(
    run: Path, words: tuple[str, ...], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", str(run), *words]) == 2
    said = capfd.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and not said.out
