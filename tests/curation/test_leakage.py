"""Near-duplicates across splits: planted ones are found, frames of a clip that are parted well are none."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.curation.inspect.sets import PictureSet, measure_set, open_sets
from reskin.curation.leakage import LeakReport, Prints, leaks_among, nearest_hashes, sketch_of
from reskin.curation.prepare.frames import FramesConfig, prepare_frames
from reskin.data.manifest import FrameRecord, Manifest
from reskin.images import write_image


def scene(seed: int, size: int = 64) -> np.ndarray:
    """A smooth random picture: no two seeds look alike."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize((size, size), Image.Resampling.BICUBIC))


def changed(image: np.ndarray) -> np.ndarray:
    """The same picture smaller, darker and as a bad JPEG."""
    small = Image.fromarray((image * 0.8).astype(np.uint8)).resize((48, 48), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=50)
    return np.array(Image.open(data))


def fill(root: Path, train: int = 12, test: int = 4) -> None:
    for i in range(train):
        write_image(root / "train" / f"{i:02d}.png", scene(i))
    for i in range(test):
        write_image(root / "test" / f"{i:02d}.png", scene(100 + i))


def prints(count: int) -> Prints:
    """Pictures that have nothing in common to the eye."""
    chance = np.random.default_rng(0)
    hashes = chance.integers(0, 2**63, count).astype(np.uint64)
    return Prints(hashes, chance.integers(-90, 90, (count, 1024)).astype(np.int8))


def find_leaks(root: Path, manifest: Manifest | None = None) -> LeakReport:
    """As `reskin inspect` finds them."""
    return measure_set(PictureSet("set", root, None, manifest) if manifest else open_sets([root])[0]).leaks


def test_a_planted_near_duplicate_is_found(tmp_path: Path) -> None:
    fill(tmp_path)
    assert find_leaks(tmp_path).leaked == 0
    write_image(tmp_path / "test" / "planted.png", changed(scene(7)))
    report = find_leaks(tmp_path)
    assert (report.held_out, report.leaked, report.by_picture, report.by_time) == (5, 1, 1, 0)
    assert report.share == 0.2
    assert (report.worst[0].held_out, report.worst[0].other) == ("test/planted.png", "train/07.png")
    assert report.to_dict()["leaked"] == 1


def test_left_out_and_unreadable_pictures_do_not_count(tmp_path: Path) -> None:
    fill(tmp_path)
    write_image(tmp_path / "test" / "planted.png", scene(7))
    (tmp_path / "test" / "broken.png").write_bytes(b"no picture")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    rows = [
        FrameRecord(
            file=file,
            split="test" if file.startswith("test") else "train",
            left_out=("near duplicate",) if file.endswith("planted.png") else None,
        )
        for file in files
    ]
    manifest = Manifest(reskin="0", settings={}, sources=[], frames=rows, damaged=[])
    report = find_leaks(tmp_path, manifest)
    assert (report.held_out, report.leaked) == (4, 0)


def test_the_same_scene_in_one_source_is_none_but_the_same_frame_is() -> None:
    still, moved = scene(3), scene(3).copy()
    moved[20:44, 20:44] = moved[20:44, 20:44][::-1]
    recompressed = io.BytesIO()
    Image.fromarray(still).save(recompressed, "JPEG", quality=60)
    same = np.asarray(Image.open(recompressed))
    sketches = np.stack([sketch_of(still), sketch_of(moved), sketch_of(same)])
    hashes = np.array([0xABCDEF0123456789] * 3, np.uint64)
    for source, leaked in ((0, 1), (None, 2)):
        rows = [
            FrameRecord(file="t.png", source=source, seconds=0.0),
            FrameRecord(file="moved.png", source=source, seconds=9.0, split="test"),
            FrameRecord(file="same.png", source=source, seconds=18.0, split="val"),
        ]
        assert leaks_among(rows, Prints(hashes, sketches)).by_picture == leaked


def test_fades_to_black_are_none() -> None:
    rows = [FrameRecord(file="a.png"), FrameRecord(file="b.png", split="test")]
    nothing = Prints(np.array([0, 1], np.uint64), np.zeros((2, 1024), np.int8))
    assert leaks_among(rows, nothing).leaked == 0


def test_frames_moments_apart_are_near_duplicates_in_both_directions() -> None:
    times = [("train", 0.0), ("train", 1.0), ("test", 1.4), ("test", 3.0), ("val", 3.3), ("train", 3.9)]
    rows = [
        FrameRecord(file=f"{i}.png", source=0, seconds=seconds, split=split)  # type: ignore[arg-type]
        for i, (split, seconds) in enumerate(times)
    ]
    report = leaks_among(rows, prints(6))
    assert report.by_time == report.leaked == 3
    found = {leak.held_out: (leak.other, round(leak.distance, 3)) for leak in report.worst}
    assert found == {"2.png": ("1.png", 0.4), "3.png": ("4.png", 0.3), "4.png": ("3.png", 0.3)}
    other = [row.model_copy(update={"source": i}) for i, row in enumerate(rows)]
    assert leaks_among(other, prints(6)).leaked == 0
    assert leaks_among(rows, prints(6), seconds=0.25).leaked == 0


def test_nearest_hashes_is_what_a_loop_finds() -> None:
    chance = np.random.default_rng(1)
    mine, others = (chance.integers(0, 2**63, count).astype(np.uint64) for count in (20, 30))
    places, bits = nearest_hashes(mine, others)
    for i, hash_ in enumerate(mine.tolist()):
        distances = [(hash_ ^ other).bit_count() for other in others.tolist()]
        assert bits[i] == min(distances) and distances[places[i]] == min(distances)
    assert nearest_hashes(mine, others[:0])[1].tolist() == [65] * 20


@pytest.mark.parametrize(
    "clip",
    [
        "live/signer_woman.mkv",
        pytest.param("live/talking_man_portrait.mp4", marks=pytest.mark.slow),
        pytest.param("cg/game_voxel_snow.mp4", marks=pytest.mark.slow),
    ],
)
@pytest.mark.sweep
def test_the_default_split_of_a_real_clip_has_none(real_data: Path, clip: str, tmp_path: Path) -> None:
    prepare_frames([real_data / "video" / clip], tmp_path, FramesConfig(every=5, size="96"))
    report = find_leaks(tmp_path)
    assert report.held_out >= 4 and report.leaked == 0
    found = sorted((tmp_path / "train").iterdir())
    write_image(tmp_path / "test" / "planted.png", np.asarray(Image.open(found[0])))
    rows = [FrameRecord(file=f"train/{path.name}", source=0) for path in found]
    rows.append(FrameRecord(file="test/planted.png", source=0, split="test"))
    manifest = Manifest(reskin="0", settings={}, sources=[], frames=rows, damaged=[])
    assert find_leaks(tmp_path, manifest).leaked == 1
