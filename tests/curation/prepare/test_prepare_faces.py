"""Videos to faces: what is found, chosen, cut and written down, and that stopping does no harm."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.drawn_films import everything
from tests.support.fake_faces import RATE, Place, RedDetector, UprightDetector, film, with_brow
from tests.support.reports import Reports

from reskin.curation.prepare import dry_run as dry_run_module
from reskin.curation.prepare import face_cut, face_search, process_pool, ray_pool, tasks, worker
from reskin.curation.prepare import faces as faces_module
from reskin.curation.prepare.face_search import FaceCandidate
from reskin.curation.prepare.faces import NOT_STATED, FacesConfig, prepare_faces
from reskin.curation.prepare.faces_choice import choose, fault, shared_out
from reskin.curation.prepare.process_pool import IN_THIS_PROCESS
from reskin.data.folders import list_images, split_images
from reskin.data.manifest import read_manifest, write_manifest
from reskin.errors import DataError, RunError, SettingsError, VideoError
from reskin.faces.alignment import put_back
from reskin.images import read_image
from reskin.parsing import parse
from reskin.storage import lock
from reskin.video.reader import VideoReader

EASY: dict[str, Any] = {"size": 32, "smallest": 16, "margin": 0.0, "every": 1}


def config(**values: Any) -> FacesConfig:
    return parse(FacesConfig, {**EASY, **values})


def walk(count: int, side: int = 40) -> list[list[Place]]:
    return [[(50.0 + i % 60, 60.0, side)] for i in range(count)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of the same name, of 60 and 24 frames, with one face in each; the first has a cut at 30."""
    folder = tmp_path_factory.mktemp("clips")
    return [film(folder / "x" / "v.mp4", walk(60), cut_at=30), film(folder / "y" / "v.mp4", walk(24))]


@pytest.fixture(autouse=True, scope="module")
def detector() -> Iterator[None]:
    """The drawn faces are seen by a detector that only this process has."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (faces_module, face_search, dry_run_module):
            patch.setattr(module, "open_detector", lambda name: RedDetector())
        for pools in (ray_pool, dry_run_module):
            patch.setattr(pools, "num_workers", lambda sources, asked: asked or IN_THIS_PROCESS)
        yield


@pytest.fixture(scope="module")
def whole(clips: list[Path], detector: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made of both clips when nothing comes between; whoever changes it works on a copy."""
    out = tmp_path_factory.mktemp("whole") / "out"
    prepare_faces(clips, out, config())
    return out


@pytest.fixture
def made(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "made"))


def test_pictures_manifest_and_splits_agree(clips: list[Path], tmp_path: Path) -> None:
    manifest = prepare_faces(clips, tmp_path, config(count=30, ratio="4:1", licence="mine"))
    assert read_manifest(tmp_path) == manifest and manifest.damaged == [] and len(manifest.frames) == 30
    assert (manifest.licence, manifest.consent) == ("mine", NOT_STATED)
    listed = sorted(frame.file for frame in manifest.frames)
    assert listed == sorted(path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path))
    assert Counter(frame.source for frame in manifest.frames) == {0: 15, 1: 15}
    assert len(split_images(tmp_path, "a", "train")) + len(split_images(tmp_path, "a", "test")) == 30
    for frame in manifest.frames:
        crop = frame.crop
        assert crop is not None and crop.landmarks is not None and crop.box is not None
        assert frame.file.split("/")[1].startswith(f"{['v', 'v-2'][frame.source or 0]}-{frame.index:06d}-")
        assert Fraction(frame.time or "") == (frame.index or 0) / RATE and crop.score == 0.95
        assert (crop.frame_width, crop.frame_height) == (160, 120)
        picture = read_image(tmp_path / frame.file)
        assert picture.shape == (32, 32, 3) and (picture[2:-2, 2:-2, 0] > 140).all()  # nothing but face
    made = manifest.settings
    assert made["detector"] == "red squares" and made["every_used"] == 1
    assert [source["found"] for source in made["per_source"]] == [60, 24]
    for source in made["per_source"]:
        assert source["taken"] + sum(source["not_taken"].values()) == source["found"]
    assert not (tmp_path / ".prepare").exists()


def test_every_crop_goes_back_into_its_frame(clips: list[Path], tmp_path: Path) -> None:
    manifest = prepare_faces(clips[1:], tmp_path, config(count=4, size=96, margin=0.3, outside=1))
    frames = {
        f.index: f.image for f in VideoReader(clips[1]).frames_at([f.index or 0 for f in manifest.frames])
    }
    for record in manifest.frames:
        assert record.crop is not None
        frame = frames[record.index or 0]
        back = put_back(frame, read_image(tmp_path / record.file), record.crop)
        assert np.abs(back.astype(int) - frame).mean() < 0.6
        assert np.abs(back.astype(int) - frame).max() < 60  # only at the sharp edges of the drawing


@pytest.mark.sweep
def test_shots_are_known_and_limits_hold(clips: list[Path], tmp_path: Path) -> None:
    manifest = prepare_faces(clips, tmp_path, config(per_shot=5, split="none"))
    count = Counter((frame.source, frame.shot) for frame in manifest.frames)
    assert count == {(0, 0): 5, (0, 1): 5, (1, 0): 5}
    assert all(
        (frame.shot == 1) == (frame.source == 0 and (frame.index or 0) >= 30) for frame in manifest.frames
    )
    assert all("/" not in frame.file for frame in manifest.frames)
    fewer = prepare_faces(clips, tmp_path / "t", config(per_track=2, split="none"))
    assert set(Counter((f.source, f.crop and f.crop.track) for f in fewer.frames).values()) == {2}


@pytest.mark.sweep
def test_one_or_all(tmp_path: Path) -> None:
    clip = film(tmp_path / "v.mp4", [[(40.0, 60.0, 30), (110.0, 60.0, 40)]] * 12)
    one = prepare_faces([clip], tmp_path / "one", config(split="none"))
    assert len(one.frames) == 12 and all(f.crop and f.crop.box and f.crop.box[2] > 35 for f in one.frames)
    assert one.settings["per_source"][0]["not_taken"] == {"a larger face in the frame": 12}
    both = prepare_faces([clip], tmp_path / "all", config(split="none", faces="all"))
    assert len(both.frames) == 24 == len({frame.file for frame in both.frames})


@pytest.mark.sweep
def test_bars_are_not_part_of_a_face(tmp_path: Path) -> None:
    """A face at the lower bar: its picture holds no black, and putting it back leaves the bar as it is."""
    import av

    clip = tmp_path / "v.mp4"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "4"})
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv420p"
        for i in range(12):
            picture = np.zeros((160, 160, 3), np.uint8)
            picture[30:130] = 120
            picture[94:128, 50 + i : 84 + i] = (230, 40, 40)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    easy = {"split": "none", "sharpness": 0.0, "outside": 0.5, "size": 64, "margin": 0.2}
    manifest = prepare_faces([clip], tmp_path / "out", config(**easy))
    bars = manifest.sources[0].bars
    assert bars == (0, 32, 0, 32) and len(manifest.frames) == 12
    for frame in manifest.frames:
        picture = read_image(tmp_path / "out" / frame.file)
        assert picture.max(axis=2).min() > 90
        assert frame.crop is not None
        back = put_back(np.zeros((160, 160, 3), np.uint8), picture, frame.crop, bars=bars)
        assert not back[:32].any() and not back[128:].any() and back[100:120].any()


@pytest.mark.sweep
def test_same_input_same_bytes_and_a_second_run_does_nothing(
    clips: list[Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = prepare_faces(clips, out, config())
    assert everything(whole) == everything(out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    monkeypatch.setattr(tasks, "search_faces", None)
    monkeypatch.setattr(face_cut, "write_image", None)
    assert prepare_faces(clips, out, config()) == first
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.*")} == before


@pytest.mark.sweep
def test_words_can_be_said_later_and_stay(clips: list[Path], made: Path) -> None:
    before = read_manifest(made)
    assert before is not None
    after = prepare_faces(clips, made, config(consent="asked"))
    assert after == before.model_copy(update={"consent": "asked"}) == read_manifest(made)
    assert prepare_faces(clips, made, config()).consent == "asked"


@pytest.mark.sweep
def test_a_removed_picture_is_made_again(clips: list[Path], whole: Path, made: Path) -> None:
    list_images(made)[3].unlink()
    prepare_faces(clips, made, config())
    assert everything(made) == everything(whole)


@pytest.mark.sweep
def test_other_settings_are_refused(clips: list[Path], made: Path) -> None:
    with pytest.raises(DataError, match=r"margin was 0\.0, now 0\.5"):
        prepare_faces(clips, made, config(margin=0.5))
    with pytest.raises(DataError, match="videos were"):
        prepare_faces(clips[:1], made, config())
    with lock(made), pytest.raises(RunError, match="in use"):
        prepare_faces(clips, made, config())


def test_a_bad_source_does_not_stop_the_others(clips: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "text.mp4"
    bad.write_text("hello", encoding="utf-8")
    manifest = prepare_faces([bad, clips[1]], tmp_path / "out", config(split="none"))
    assert len(manifest.frames) == 24 and {frame.source for frame in manifest.frames} == {1}
    assert len(manifest.damaged) == 1 and manifest.damaged[0].startswith("text.mp4: it is")
    assert str(tmp_path) not in manifest.damaged[0]
    again = prepare_faces([bad, clips[1]], tmp_path / "out", config(split="none"))
    assert again == manifest
    with pytest.raises(VideoError, match=r"text\.mp4"):
        prepare_faces([bad], tmp_path / "no", config())
    with pytest.raises(VideoError, match=r"gone\.mp4"):
        prepare_faces([tmp_path / "gone.mp4", clips[1]], tmp_path / "no", config())
    with pytest.raises(DataError, match="no videos"):
        prepare_faces([], tmp_path / "no", config())


@pytest.mark.sweep
def test_a_damaged_video_gives_what_is_sound(tmp_path: Path) -> None:
    clip = film(tmp_path / "d.mp4", walk(60))
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 3
    data[start : start + 1500] = b"\xff" * 1500
    clip.write_bytes(data)
    manifest = prepare_faces([clip], tmp_path / "out", config(split="none"))
    assert manifest.damaged and 0 < len(manifest.frames) < 60
    assert all((tmp_path / "out" / frame.file).exists() for frame in manifest.frames)


def test_no_face_says_what_there_was(tmp_path: Path) -> None:
    empty = film(tmp_path / "e.mp4", [[]] * 10)
    with pytest.raises(DataError, match="no face in these videos"):
        prepare_faces([empty], tmp_path / "out", config())
    small = film(tmp_path / "s.mp4", walk(10, side=20))
    with pytest.raises(DataError, match=r"no good face.*10 too small.*--smallest"):
        prepare_faces([small], tmp_path / "out2", config(smallest=30))


@pytest.mark.parametrize("stop_after", [0, 5, 20])
@pytest.mark.thinned(3, first=1)
def test_stopping_and_going_on_ends_the_same(
    clips: list[Path], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    left, turn = [stop_after], threading.Lock()
    write = face_cut.write_image

    def limited(*args: Any) -> None:
        with turn:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(face_cut, "write_image", limited)
    with pytest.raises(KeyboardInterrupt):
        prepare_faces(clips, tmp_path / "out", config())
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert len(list_images(tmp_path / "out")) == stop_after
    monkeypatch.setattr(face_cut, "write_image", write)
    monkeypatch.setattr(tasks, "search_faces", None)  # both clips have been searched
    prepare_faces(clips, tmp_path / "out", config())
    assert everything(tmp_path / "out") == everything(whole)


CODE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.support.fake_faces import RedDetector
from reskin.curation.prepare import face_search, faces
faces.open_detector = face_search.open_detector = lambda name: RedDetector()
config = faces.FacesConfig(size=32, smallest=16, margin=0.0, every=1)
print("go", flush=True)
faces.prepare_faces([Path(p) for p in sys.argv[3:]], Path(sys.argv[2]), config, workers=0)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.sweep
def test_killed_at_random_moments(clips: list[Path], whole: Path, tmp_path: Path, kills: int) -> None:
    wanted = everything(whole)
    rng = random.Random(kills)
    for number in range(kills):
        out = tmp_path / f"out{number}"
        words = [sys.executable, "-c", CODE, str(Path(__file__).parents[3]), str(out), *map(str, clips)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdout.readline() == b"go\n"
            time.sleep(rng.uniform(0.0, 0.6))
            process.send_signal(signal.SIGKILL)
        for path in list_images(out) if out.exists() else []:
            assert path.read_bytes() == wanted[path.relative_to(out).as_posix()]  # no half picture
        prepare_faces(clips, out, config())
        assert everything(out) == wanted


@pytest.mark.sweep
def test_progress_is_told_in_stages(clips: list[Path], tmp_path: Path) -> None:
    said = Reports()
    manifest = prepare_faces(clips, tmp_path, config(every=2), report=said)
    number = len(manifest.frames)
    assert (42, 42, "frames searched") in said and said[-1] == (number, number, "faces cut")


def face(index: int = 0, **values: Any) -> FaceCandidate:
    known: dict[str, Any] = {
        "index": index,
        "time": str(Fraction(index, 25)),
        "width": 640,
        "height": 360,
        "box": (10, 10, 60, 80),
        "score": 0.9,
        "landmarks": None,
        "track": 0,
        "shot": index // 50,
        "sharpness": 0.3,
        "brightness": 100,
        "turned": 0.1,
        "outside": 0.0,
    }
    return parse(FaceCandidate, known | values)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, None),
        ({"score": 0.79}, "not sure"),
        ({"box": (0, 0, 90, 39)}, "too small"),
        ({"brightness": 3}, "too dark"),
        ({"turned": 1.5}, "turned away"),
        ({"turned": None}, None),
        ({"outside": 0.35}, None),
        ({"outside": 0.5}, "cut by the edge"),
        ({"outside": 0.3, "face_outside": 0.2}, "cut by the edge"),
        ({"sharpness": 0.001}, "blurred"),
    ],
)
def test_faults(values: dict[str, Any], wanted: str | None) -> None:
    assert fault(face(**values), FacesConfig()) == wanted


def test_choice_is_spread_over_videos_and_time() -> None:
    videos = [[face(i) for i in range(400)], [face(i) for i in range(0, 400, 40)]]
    choices = choose(videos, FacesConfig(count=60, split="none"))
    assert [len(choice.taken) for choice in choices] == [50, 10]
    steps = np.diff([taken.index for taken, _ in choices[0].taken])
    assert steps.min() == steps.max() == 8
    assert choices[0].reasons == {"more than asked for": 350} and not choices[1].reasons


@pytest.mark.parametrize("split", ["block", "shot", "source"])
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_splits_do_not_part_neighbours(split: str) -> None:
    videos = [[face(i) for i in range(600)] for _ in range(12)]
    choices = choose(videos, parse(FacesConfig, {"count": 600, "split": split}))
    share = Counter(part for choice in choices for _, part in choice.taken)
    assert sum(share.values()) == 600 and share["train"] > 400 and min(share["val"], share["test"]) >= 30
    for choice in choices:
        for (one, its), (other, others) in zip(choice.taken, choice.taken[1:], strict=False):
            if its != others:
                assert split != "source" and (other.index - one.index > 25 or split == "shot")
                assert one.shot != other.shot or split == "block"


def test_too_few_to_split() -> None:
    with pytest.raises(DataError, match=r"too few shots.*--split block"):
        choose([[face(i) for i in range(20)]], FacesConfig(split="shot"))
    with pytest.raises(DataError, match="split by source"):
        choose([[face(i) for i in range(20)]], FacesConfig(split="source"))


def test_faces_of_one_frame_share_their_split() -> None:
    both = [face(i, track=track) for i in range(200) for track in (0, 1)]
    taken = choose([both], FacesConfig(faces="all"))[0].taken
    of_frame: dict[int, set[str]] = {}
    for each, part in taken:
        of_frame.setdefault(each.index, set()).add(part)
    assert all(len(parts) == 1 for parts in of_frame.values())


def test_shares_by_hand() -> None:
    assert shared_out([10, 10, 10], 10) == [3, 3, 4] and shared_out([0, 3], 9) == [0, 3]


@pytest.mark.parametrize(
    "values", [{"count": 0}, {"ratio": "1:9"}, {"split": "random"}, {"sure": 2}, {"sizes": 3}]
)
def test_wrong_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        parse(FacesConfig, values)


def test_manifest_holds_no_path_of_this_machine(clips: list[Path], whole: Path) -> None:
    text = (whole / "manifest.json").read_text(encoding="utf-8")
    known = json.loads(text)
    assert known["settings"]["kind"] == "faces" and known["frames"]
    assert str(whole) not in text and str(clips[0].parent) not in text


@pytest.mark.sweep
def test_what_lies_beyond_the_frame_is_filled_and_the_share_is_kept(tmp_path: Path) -> None:
    """Faces by the edge are taken with their margin mirrored; one of which a part is cut off is not."""
    beside = film(tmp_path / "v.mp4", [[(22.0, 60.0, 40)]] * 12)
    manifest = prepare_faces([beside], tmp_path / "out", config(split="none", margin=0.5))
    assert len(manifest.frames) == 12
    for frame in manifest.frames:
        assert frame.crop is not None and frame.crop.filled == pytest.approx(0.24, abs=0.05)
        assert read_image(tmp_path / "out" / frame.file).max(axis=2).min() > 40  # no black
    cut = film(tmp_path / "c.mp4", [[(4.0, 60.0, 40)]] * 12)
    with pytest.raises(DataError, match=r"12 cut by the edge"):
        prepare_faces([cut], tmp_path / "no", config(split="none", align="box", smallest=8, outside=1))


@pytest.mark.sweep
def test_heads_on_their_side_stand_upright_in_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import av

    for module in (faces_module, face_search):
        monkeypatch.setattr(module, "open_detector", lambda name: UprightDetector())
    for turn in (0, 90, 180, 270):
        clip = tmp_path / f"{turn}.mp4"
        upright = with_brow([(80.0, 60.0, 40)])
        turned = np.ascontiguousarray(np.rot90(upright, -turn // 90))
        with av.open(str(clip), "w") as out:
            stream = out.add_stream("libx264", rate=RATE, options={"crf": "6"})
            stream.height, stream.width, stream.pix_fmt = turned.shape[0], turned.shape[1], "yuv420p"
            for _ in range(6):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
            out.mux(stream.encode(None))
        for align in ("landmarks", "box"):
            asked = config(split="none", align=align, sharpness=0)
            manifest = prepare_faces([clip], tmp_path / f"{turn}-{align}", asked)
            assert len(manifest.frames) == 6
            for frame in manifest.frames:
                picture = read_image(tmp_path / f"{turn}-{align}" / frame.file).astype(int)
                blue = picture[..., 2] - picture[..., 1] > 60
                assert blue[1:6, 4:28].mean() > 0.9 and not blue[12:].any(), (turn, align)
                assert frame.crop is not None
                back = put_back(turned, read_image(tmp_path / f"{turn}-{align}" / frame.file), frame.crop)
                assert np.abs(back.astype(int) - turned).mean() < 3


@pytest.mark.parametrize(
    "stage", ["search faces", *(pytest.param(name, marks=pytest.mark.slow) for name in ("scan", "cut faces"))]
)
@pytest.mark.sweep
def test_a_reader_that_crashes_costs_its_video_only(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """However small the files are: each of several is read in a process of its own."""
    code = Path(worker.__file__).read_text(encoding="utf-8")
    line = "        task = json.loads(lines.get())\n"
    head = (
        "from tests.support.fake_faces import RedDetector\n"
        "from reskin.curation.prepare import face_search\n"
        "face_search.open_detector = lambda name: RedDetector()\n"
    )
    assert line in code
    real = subprocess.Popen
    monkeypatch.setattr(ray_pool, "num_workers", process_pool.num_workers)
    crash = f"        if '/x/v.mp4' in str(task) and task['task'] == '{stage}': os.kill(os.getpid(), 11)\n"
    script = tmp_path / "crashing.py"
    script.write_text(code.replace(line, line + crash).replace("\n\ndef ", f"\n\n{head}\n\ndef ", 1))

    def started(command: list[str], **options: Any) -> Any:
        paths = [options["env"]["PYTHONPATH"], str(Path(__file__).parents[3])]
        options["env"] = {**options["env"], "PYTHONPATH": os.pathsep.join(paths)}
        return real([sys.executable, str(script)], **options)

    monkeypatch.setattr(process_pool.subprocess, "Popen", started)
    manifest = prepare_faces(clips, tmp_path / "out", config(split="none"))
    assert {frame.source for frame in manifest.frames} == {1} and len(manifest.damaged) == 1
    assert manifest.damaged[0].startswith("v.mp4: ")


@pytest.mark.sweep
def test_a_video_that_is_mended_during_an_unfinished_run_is_searched_again(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"")
    with monkeypatch.context() as broken:
        broken.setattr(face_cut, "write_image", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            prepare_faces([bad, clips[1]], tmp_path / "out", config())
    bad.write_bytes(clips[0].read_bytes())
    manifest = prepare_faces([bad, clips[1]], tmp_path / "out", config())
    assert manifest.damaged == [] and {frame.source for frame in manifest.frames} == {0, 1}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("split", ["none", "block"])
@pytest.mark.sweep
def test_a_video_that_was_mended_is_added_by_the_same_command(
    clips: list[Path], tmp_path: Path, place: int, split: str
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all")
    videos = [clips[1]]
    videos.insert(place, bad)
    first = prepare_faces(videos, tmp_path / "out", config(split=split))
    assert len(first.damaged) == 1 and place not in {frame.source for frame in first.frames}
    assert prepare_faces(videos, tmp_path / "out", config(split=split)) == first
    bad.write_bytes(clips[0].read_bytes())
    whole = prepare_faces(videos, tmp_path / "out", config(split=split))
    assert whole.damaged == [] and [origin.name for origin in whole.sources] == [path.name for path in videos]
    assert all(origin.frames for origin in whole.sources)
    kept = {frame.file: frame.model_copy(update={"source": None}) for frame in whole.frames}
    assert all(kept[old.file] == old.model_copy(update={"source": None}) for old in first.frames)
    added = [frame for frame in whole.frames if frame.source == place]
    assert added and all(Path(frame.file).name.startswith("bad-") for frame in added)
    assert all((tmp_path / "out" / frame.file).is_file() for frame in whole.frames)
    assert sorted(one["name"] for one in whole.settings["per_source"]) == sorted(path.name for path in videos)
    assert prepare_faces(videos, tmp_path / "out", config(split=split)) == whole
    with pytest.raises(DataError, match="contents of"):
        (tmp_path / "other").mkdir()
        changed = tmp_path / "other" / "bad.mp4"
        changed.write_bytes(clips[0].read_bytes() + b"more")
        prepare_faces(
            [changed if path == bad else path for path in videos], tmp_path / "out", config(split=split)
        )


@pytest.mark.sweep
def test_a_dry_run_says_what_would_be_searched_and_writes_nothing(clips: list[Path], tmp_path: Path) -> None:
    found = dry_run_module.dry_run_faces(clips, tmp_path / "out", config(count=30, every=4))
    assert found.kind == "faces" and found.splits == {} and found.pictures <= 30
    assert [source.frames for source in found.sources] == [60, 24]
    assert [source.notes for source in found.sources] == [
        ["15 frames would be searched, every 4."],
        ["6 frames would be searched, every 4."],
    ]
    assert [source.take for source in found.sources] == [15, 6]  # one of a frame at most
    assert all(source.megabytes > 0 and source.minutes > 0 for source in found.sources)
    assert list(tmp_path.iterdir()) == []
    few = dry_run_module.dry_run_faces(clips, tmp_path / "out", config(count=7))
    assert few.pictures == 7


@pytest.mark.sweep
def test_how_faces_are_deinterlaced_is_the_same_in_searching_and_cutting(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    made = VideoReader.__init__

    def noted(self: VideoReader, path: Path, **options: Any) -> None:
        asked.append(options.get("deinterlace"))
        made(self, path, **options)

    monkeypatch.setattr(VideoReader, "__init__", noted)
    prepare_faces(clips[1:2], tmp_path / "out", config(deinterlace="off"))
    assert asked[1:] == ["off", "off", "off"]  # the first looks for shots
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None and manifest.settings["deinterlace"] == "off"
    with pytest.raises(DataError, match="deinterlace was off, now auto"):
        prepare_faces(clips[1:2], tmp_path / "out", config())
    former = {key: value for key, value in manifest.settings.items() if key != "deinterlace"}
    write_manifest(tmp_path / "out", manifest.model_copy(update={"settings": former}))
    assert prepare_faces(clips[1:2], tmp_path / "out", config()).frames == manifest.frames
