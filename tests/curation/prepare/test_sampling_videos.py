"""Shots, time ranges, several processes, bad sources, adding: `prepare_frames` beyond one good clip."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.support.drawn_films import becomes, everything, shots_film
from tests.support.reports import Reports

from reskin.curation.prepare import extract as extract_module
from reskin.curation.prepare import process_pool, ray_pool, worker
from reskin.curation.prepare.config import FramesConfig
from reskin.curation.prepare.frames import prepare_frames
from reskin.curation.prepare.picks import pick_frames
from reskin.curation.prepare.presets import FRAMES, preset_settings
from reskin.curation.prepare.process_pool import IN_THIS_PROCESS, ProcessPool, num_workers
from reskin.data.folders import list_images
from reskin.data.manifest import Manifest, read_manifest
from reskin.errors import DataError, NotAVideoError, RunError, SettingsError, StorageError, VideoError
from reskin.images import read_image
from reskin.parsing import parse
from reskin.storage import lock

LENGTHS = [20, 15, 30, 12]
STARTS = [0, 20, 35, 65]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films are read in this process unless a test asks for others: each takes a second to start."""
    monkeypatch.setattr(ray_pool, "num_workers", lambda sources, asked: asked or IN_THIS_PROCESS)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two films of four shots each, the second with black bars of 6 px."""
    folder = tmp_path_factory.mktemp("films")
    return [
        shots_film(folder / "one.mp4", LENGTHS),
        shots_film(folder / "two.mp4", LENGTHS[::-1], seed=7, bars=6),
    ]


def config(**values: Any) -> FramesConfig:
    return parse(FramesConfig, values)


def test_picks_per_shot_and_time_ranges_by_hand() -> None:
    times = [[Fraction(i, 25) for i in range(77)]]
    assert pick_frames(times, config(per_shot=1), shots=[STARTS]) == [[10, 27, 50, 71]]
    assert pick_frames(times, config(per_shot=2), shots=[[0, 74]]) == [[18, 55, 74, 76]]
    assert pick_frames(times, config(per_shot=9), shots=[[0, 75]])[0][-2:] == [75, 76]
    assert pick_frames(times, config(every=10, skip_start="1", skip_end="0:01")) == [[25, 35, 45]]
    assert pick_frames(times, config(per_second=1, skip_start="0.5")) == [[13, 38, 63]]
    assert pick_frames(times, config(every=1, skip_start="9:59")) == [[]]
    taken = pick_frames(times, config(count=99, skip_end="2"))[0]
    assert taken == list(range(27))
    two = pick_frames(times * 2, config(every=40, skip_start="0,1"))
    assert two == [[0, 40], [25, 65]]
    with pytest.raises(SettingsError, match="3 times for 2 videos"):
        pick_frames(times * 2, config(skip_start="1,2,3"))


@pytest.mark.parametrize(
    "values",
    [
        {"skip_start": "1:2:3:4"},
        {"skip_end": "-1"},
        {"skip_start": "soon"},
        {"every": 2, "per_shot": 1},
        {"fit": "stretch"},
    ],
)
def test_wrong_settings(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        config(**values)


@pytest.mark.sweep
def test_shots_are_recorded_and_kept_whole(films: list[Path], tmp_path: Path) -> None:
    manifest = prepare_frames(films, tmp_path, config(every=2, shots=True, split="shot", ratio="1:1"))
    assert [source.shots for source in manifest.sources] == [tuple(STARTS), (0, 12, 42, 57)]
    bars = manifest.sources[1].bars
    assert manifest.sources[0].bars is None and bars in [(0, edge, 0, edge) for edge in (7, 8)]
    splits: dict[tuple[int, int], set[str]] = {}
    for frame in manifest.frames:
        starts = manifest.sources[frame.source].shots
        assert starts[frame.shot] <= frame.index < (*starts, 77)[frame.shot + 1]
        splits.setdefault((frame.source, frame.shot), set()).add(frame.split)
        assert (
            read_image(tmp_path / frame.file).shape == ((48, 64, 3), (48 - 2 * bars[1], 64, 3))[frame.source]
        )
    assert len(splits) == 8 and all(len(found) == 1 for found in splits.values())
    assert {"train", "test"} == set.union(*splits.values()) and manifest.settings["split_used"] == "shot"


@pytest.mark.sweep
def test_few_shots_are_split_by_time_unless_asked(films: list[Path], tmp_path: Path) -> None:
    assert (
        prepare_frames(films[:1], tmp_path / "a", config(every=2, shots=True)).settings["split_used"]
        == "block"
    )
    with pytest.raises(DataError, match=r"by shot: 1 group.* 3 parts"):
        prepare_frames(films[:1], tmp_path / "b", config(every=2, split="shot", skip_end="2.5"))


@pytest.mark.sweep
def test_random_split_has_exact_shares(films: list[Path], tmp_path: Path) -> None:
    manifest = prepare_frames(films, tmp_path, config(count=100, split="random", letterbox="keep"))
    found = [frame.split for frame in manifest.frames]
    assert [found.count(split) for split in ("train", "val", "test")] == [80, 10, 10]
    assert manifest.sources[1].bars is None


@pytest.mark.sweep
def test_an_aspect_that_changes_is_said(
    films: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_frames(films[:1], tmp_path / "a", config(every=9, size="32x32"))
    assert "one.mp4: the pictures get narrower by 25%" in caplog.text
    caplog.clear()
    for fit in ("cover", "inside"):
        prepare_frames(films[:1], tmp_path / fit, config(every=9, size="32x32", fit=fit))
    prepare_frames(films[:1], tmp_path / "b", config(every=9, size="65x48"))  # 2 of 100 are let pass
    assert "narrower" not in caplog.text


@pytest.mark.sweep
def test_several_processes_give_the_same_bytes(films: list[Path], tmp_path: Path) -> None:
    seen = Reports()
    prepare_frames(films, tmp_path / "one", config(every=3, shots=True), workers=0)
    prepare_frames(films, tmp_path / "two", config(every=3, shots=True), workers=2, report=seen)
    assert everything(tmp_path / "one") == everything(tmp_path / "two")
    for what in ("frames looked through", "frames"):
        done = [at.done for at in seen if at.what == what]
        assert done == sorted(done) and done[-1] == [at.total for at in seen if at.what == what][-1]


@pytest.mark.sweep
def test_a_script_without_a_guard_may_use_processes(films: list[Path], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from pathlib import Path; from reskin.curation.prepare.frames import *\n"
        "videos = [Path(p) for p in sys.argv[2:]]\n"
        "m = prepare_frames(videos, Path(sys.argv[1]), FramesConfig(every=9), workers=1)\n"
        "sys.stdout.write(str(len(m.frames)))\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "out"), *map(str, films)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(read_manifest(tmp_path / "out").frames)


def bad_files(folder: Path) -> list[Path]:
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("hello", encoding="utf-8")
    (folder / "play.mp4").write_text("#EXTM3U\nfile:///etc/passwd\n", encoding="utf-8")
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    return [folder / f"{name}.mp4" for name in ("empty", "text", "play", "folder", "pipe")]


@pytest.mark.parametrize("processes", [0, pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.thinned(3)
def test_bad_sources_are_named_and_stop_nobody(films: list[Path], tmp_path: Path, processes: int) -> None:
    bad = bad_files(tmp_path)
    out = tmp_path / "out"
    manifest = prepare_frames(
        [*bad[:2], films[0], *bad[2:], films[1]], out, config(every=9), workers=processes
    )
    assert [line.split()[0] for line in manifest.damaged] == [path.name for path in bad]
    assert str(tmp_path) not in (out / "manifest.json").read_text(encoding="utf-8")
    assert {frame.source for frame in manifest.frames} == {2, 6} and len(manifest.sources) == 7
    assert prepare_frames([*bad[:2], films[0], *bad[2:], films[1]], out, config(every=9)) == manifest


def test_only_bad_sources_are_an_error_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 5 videos.*empty\.mp4"):
        prepare_frames(bad_files(tmp_path), tmp_path / "out", config())
    assert not (tmp_path / "out").exists()
    with pytest.raises(VideoError, match=r"text\.mp4"):
        prepare_frames([tmp_path / "text.mp4"], tmp_path / "out", config())


def test_a_wrong_name_is_refused_before_any_work(films: list[Path], tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match=r"none\.mp4"):
        prepare_frames([films[0], tmp_path / "none.mp4"], tmp_path / "out", config())
    assert not (tmp_path / "out").exists()


def test_a_film_given_twice_counts_once(
    films: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(films[0].read_bytes())
    manifest = prepare_frames([films[0], copy, films[1]], tmp_path / "out", config(every=9))
    assert [source.name for source in manifest.sources] == ["one.mp4", "two.mp4"]
    assert "is the same film" in caplog.text


@pytest.mark.sweep
def test_a_reader_that_crashes_costs_its_source_only(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = Path(worker.__file__).read_text(encoding="utf-8")
    crash = "        task = json.loads(lines.get())\n"
    crashing = code.replace(crash, crash + "        if 'one.mp4' in str(task): os.kill(os.getpid(), 11)\n")
    (tmp_path / "crashing.py").write_text(crashing)
    real = subprocess.Popen

    def started(command: list[str], **options: Any) -> Any:
        return real([sys.executable, str(tmp_path / "crashing.py")], **options)

    monkeypatch.setattr(process_pool.subprocess, "Popen", started)
    manifest = prepare_frames(films, tmp_path / "out", config(every=9), workers=2)
    assert manifest.damaged == ["one.mp4: its reader crashed (signal 11): the file is damaged or hostile"]
    assert {frame.source for frame in manifest.frames} == {1}


@pytest.mark.sweep
def test_a_full_disk_stops_all_and_the_next_run_goes_on(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_frames(films, tmp_path / "whole", config(every=3))
    before = [path.read_bytes() for path in films]
    left = [9]
    real = os.fsync

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        prepare_frames(films, tmp_path / "out", config(every=3), workers=0)
    assert not list((tmp_path / "out").rglob("*.part")) and not (tmp_path / "out" / "manifest.json").exists()
    monkeypatch.undo()
    prepare_frames(films, tmp_path / "out", config(every=3))
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    assert [path.read_bytes() for path in films] == before


@pytest.mark.sweep
def test_an_error_for_all_comes_out_of_a_process(films: list[Path], tmp_path: Path) -> None:
    """Nobody can write below /proc."""
    options = {"shots": False, "bars": False}
    task = {"task": "scan", "video": str(films[0]), "state": "/proc/reskin/x.json", "options": options}
    with pytest.raises(StorageError, match=r"x\.json"), ProcessPool(1) as crew:
        crew.run([task], lambda *_: None)
    with pytest.raises(RuntimeError, match="KeyError: 'state'"), ProcessPool(1) as crew:
        crew.run([{"task": "scan", "nowhere": 1}], lambda *_: None)


def test_several_sources_are_never_read_in_this_process(films: list[Path]) -> None:
    """However small they are: a hostile file is small."""
    assert 1 <= num_workers(films, None) <= 2 and num_workers(films, 9) == 2
    assert num_workers(films[:1], None) == num_workers(films, 0) == num_workers(films, -3) == 0


def test_the_same_command_twice_at_once_is_refused(films: list[Path], tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(RunError, match="in use by process"):
        prepare_frames(films, tmp_path, config())


@pytest.mark.sweep
def test_adding_keeps_every_earlier_assignment(films: list[Path], tmp_path: Path) -> None:
    for split in ("block", "source", "shot", "random", "none"):
        out = tmp_path / split
        asked = config(every=3, split=split, ratio="1:1", shots=True)
        first = prepare_frames(films[:1], out, asked) if split != "source" else None
        if first is None:  # one source cannot be split by source; two can, and then a third comes
            first = prepare_frames(films, out, asked)
            third = shots_film(tmp_path / "three.mp4", [40], seed=3)
        else:
            third = films[1]
        before = everything(out)
        with pytest.raises(DataError, match="--add adds"):
            prepare_frames([third], out, asked)
        made = prepare_frames([third], out, asked, add=True)
        assert made.frames[: len(first.frames)] == first.frames and len(made.frames) > len(first.frames)
        assert made.sources[: len(first.sources)] == first.sources
        after = everything(out)
        assert all(after[name] == data for name, data in before.items() if name != "manifest.json")
        assert prepare_frames([third], out, asked, add=True) == made  # nothing new
        assert read_manifest(out) == made
        assert sorted(frame.file for frame in made.frames) == sorted(
            path.relative_to(out).as_posix() for path in list_images(out)
        )


@pytest.mark.sweep
def test_adding_meets_the_ratio_of_the_whole_and_other_settings_are_refused(
    films: list[Path], tmp_path: Path
) -> None:
    asked = config(count=50, split="random", ratio="4:1")
    prepare_frames(films[:1], tmp_path, asked)
    made = prepare_frames(films, tmp_path, asked, add=True)
    assert [sum(f.split == s for f in made.frames) for s in ("train", "test")] == [80, 20]
    with pytest.raises(DataError, match="count was 50, now 51"):
        prepare_frames(films, tmp_path, config(count=51, split="random", ratio="4:1"), add=True)


def test_adding_a_film_of_the_same_name(films: list[Path], tmp_path: Path) -> None:
    other = shots_film(tmp_path / "x" / "one.mp4", [30], seed=5)
    out = tmp_path / "out"
    prepare_frames(films[:1], out, config(every=9))
    made = prepare_frames([other], out, config(every=9), add=True)
    assert {Path(frame.file).name.rsplit("-", 1)[0] for frame in made.frames} == {"one", "one-2"}


def test_presets_are_valid_settings() -> None:
    for name in FRAMES:
        assert config(**preset_settings(FRAMES, name))
    got = config(**preset_settings(FRAMES, "got_frames"))
    assert (got.every, got.size, got.ratio) == (100, "640x360", "4:1")
    with pytest.raises(SettingsError, match="Known: got_frames"):
        preset_settings(FRAMES, "got")


def killed(films: list[Path], out: Path, delay: float) -> None:
    """Start a run with two processes, and kill it after `delay` seconds of work."""
    code = (
        "import sys; from pathlib import Path; from reskin.curation.prepare.frames import *\n"
        "print('go', flush=True)\n"
        "prepare_frames([Path(p) for p in sys.argv[2:]], Path(sys.argv[1]),"
        " FramesConfig(every=1, shots=True, size='40'), workers=2)"
    )
    command = [sys.executable, "-c", code, str(out), *map(str, films)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"go\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.sweep
def test_killed_at_random_moments_with_two_processes(films: list[Path], tmp_path: Path, kills: int) -> None:
    asked = config(every=1, shots=True, size="40")
    prepare_frames(films, tmp_path / "whole", asked)
    wanted = everything(tmp_path / "whole")
    rng = random.Random(kills)
    for number in range(kills):
        out = tmp_path / f"out{number}"
        killed(films, out, rng.uniform(0.0, 2.5))
        for path in list_images(out) if out.exists() else []:
            assert path.read_bytes() == wanted[path.relative_to(out).as_posix()]  # no half picture
        prepare_frames(films, out, asked, workers=2 if number % 2 else 0)
        assert becomes(out, wanted)


@pytest.fixture(scope="module")
def undisturbed(films: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is made of both films, every fourth frame, when nothing comes between."""
    out = tmp_path_factory.mktemp("whole") / "out"
    prepare_frames(films, out, config(every=4, shots=True), workers=0)
    return everything(out)


@pytest.mark.parametrize("point", range(0, 30, 4))
@pytest.mark.thinned(8, first=3)
def test_stopped_at_every_kind_of_moment(
    films: list[Path],
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: int,
) -> None:
    """Stop at the Nth file that is renamed into place, whichever it is: state, picture or manifest."""
    asked = config(every=4, shots=True)
    real, left = os.replace, [point]

    def stopping(old: Any, new: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(old, new)

    monkeypatch.setattr(os, "replace", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare_frames(films, tmp_path / "out", asked, workers=0)
    monkeypatch.undo()
    prepare_frames(films, tmp_path / "out", asked, workers=0)
    assert everything(tmp_path / "out") == undisturbed


def test_a_file_that_changes_while_it_is_read_gives_nothing(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "growing.mp4"
    clip.write_bytes(films[0].read_bytes())
    real = extract_module.write_image

    def growing(path: Path, image: Any) -> None:
        with open(clip, "ab") as file:
            file.write(b"x")
        real(path, image)

    monkeypatch.setattr(extract_module, "write_image", growing)
    with pytest.raises(VideoError, match="changed while it was read"):
        prepare_frames([clip], tmp_path / "out", config(every=2))
    assert not (tmp_path / "out").exists() or not list_images(tmp_path / "out")


@pytest.mark.slow
def test_real_footage_gives_equal_bytes_with_processes(real_data: Path, tmp_path: Path) -> None:
    videos = sorted((real_data / "video").glob("*/*.mp4"))
    asked = config(per_second=1, size="64x64", fit="cover", shots=True, format="jpg")
    made: list[Manifest] = [
        prepare_frames(videos, tmp_path / str(number), asked, workers=number) for number in (1, 2)
    ]
    assert everything(tmp_path / "1") == everything(tmp_path / "2")
    assert any(line.startswith("truncated_no_index.mp4") for line in made[0].damaged)
    bars = {source.name: source.bars for source in made[0].sources if source.bars}
    assert set(bars) == {"film_bw_audio.mp4", "film_sintel_cliff_audio.mp4", "game_voxel_snow.mp4"}
    assert bars["game_voxel_snow.mp4"] == (6, 6, 134, 78)  # a window that does not fill the screen
    shots = {source.name: source.shots for source in made[0].sources}
    assert shots["film_sintel_faces_audio.mp4"] == (0, 79, 158, 220, 228, 244)
    assert shots["talking_man_portrait.mp4"] == (0,)


@pytest.mark.parametrize("number", [9, 15])
def test_a_reader_that_the_system_killed_says_nothing_of_its_file(number: int) -> None:
    class Killed:
        """A process that ends by a signal before it answers."""

        stdin, stdout = io.StringIO(), io.StringIO()

        def wait(self) -> int:
            return -number

    with ProcessPool(2) as pool, pytest.raises(StorageError, match="killed by the system"):
        task = {"task": "scan", "video": "one.mp4", "state": "", "options": {}}
        pool._answer(Killed(), task, lambda *_: None)  # type: ignore[arg-type]
