"""Whole sets: faults are found and told, left out only when asked, and brought back."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from reskin.curation.screen import measure
from reskin.curation.screen.screen import ScreenConfig, screen_set, screen_sets, undo_screening
from reskin.data.folders import split_images
from reskin.data.manifest import Manifest, Origin, read_manifest, write_manifest
from reskin.errors import DataError, RunError, SettingsError
from reskin.images import Picture, write_image
from reskin.storage import lock
from reskin.worlds.footage import Footage

CONFIG = ScreenConfig()


@cache
def drawn(count: int, seed: int) -> list[Picture]:
    footage = Footage("game", seed=seed, frames=36 * count, size=(96, 96))
    return [footage.frame(18 + 36 * number).image for number in range(count)]


def pictures(count: int, seed: int = 3) -> list[Picture]:
    """Frames of different scenes; each seed is drawn once."""
    return [image.copy() for image in drawn(count, seed)]


def clean() -> list[Picture]:
    return pictures(6)


def put(folder: Path, images: list[Picture], *, name: str = "p") -> None:
    for number, image in enumerate(images):
        write_image(folder / f"{name}{number}.png", image)


def reasons(folder: Path) -> dict[str, tuple[str, ...]]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return {frame.file: frame.left_out for frame in manifest.frames if frame.left_out}


def blurred(image: Picture) -> Picture:
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(5)))


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Six clean pictures and one of each fault."""
    root = tmp_path / "set"
    put(root, clean())
    grey = np.array(Image.fromarray(pictures(1, seed=9)[0]).convert("L").convert("RGB"))
    boxed = pictures(1, seed=10)[0]
    boxed[:12] = boxed[-12:] = 0
    faults = {
        "blur": blurred(pictures(1, seed=8)[0]),
        "dark": (pictures(1, seed=7)[0] * 0.05).astype(np.uint8),
        "grey": grey,
        "bars": boxed,
        "aspect": pictures(1, seed=11)[0][:, :60].copy(),
        "duplicate": np.array(Image.fromarray(clean()[2]).resize((90, 90))),
    }
    for name, image in faults.items():
        write_image(root / f"z-{name}.png", image)
    (root / "z-damaged.png").write_bytes((root / "p0.png").read_bytes()[:500])
    return root


def test_each_planted_fault_is_found_and_no_clean_picture_is(planted: Path) -> None:
    result = screen_set(planted, CONFIG)
    (side,) = result.domains
    found = {name: [file for file, _ in finding.pictures] for name, finding in side.findings.items()}
    assert found.pop("uniform") == ["z-dark.png"]
    assert found == {name: [f"z-{name}.png"] for name in found}
    assert set(found) == {"damaged", "dark", "blur", "bars", "grey", "aspect", "duplicate"}
    assert side.duplicates == {"z-duplicate.png": "p2.png"}
    assert "cut short" in side.faults["z-damaged.png"]
    assert (side.pictures, side.left_out) == (13, 7)


def test_a_first_look_leaves_nothing_out_and_changes_no_picture(planted: Path) -> None:
    before = {path.name: path.read_bytes() for path in planted.iterdir()}
    screen_set(planted, CONFIG)
    after = {path.name: path.read_bytes() for path in planted.iterdir() if path.name != "manifest.json"}
    assert after == before
    assert len(split_images(planted, "a", "train")) == 13


def test_what_is_applied_is_not_used_and_undo_brings_it_back(planted: Path) -> None:
    screen_set(planted, CONFIG, apply=True)
    assert [path.name for path in split_images(planted, "a", "train")] == [f"p{i}.png" for i in range(6)]
    assert reasons(planted)["z-duplicate.png"] == ("duplicate",)
    assert undo_screening([planted]) == 7
    assert len(split_images(planted, "a", "train")) == 13
    manifest = read_manifest(planted)
    assert manifest is not None and manifest.screening is None and manifest.frames[0].scores
    assert undo_screening([planted]) == 0


@pytest.mark.sweep
def test_other_thresholds_need_no_second_look(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen_set(planted, CONFIG, apply=True)
    looked: list[str] = []
    real = measure.measure_file

    def noted(path: Path, keep: Any = None) -> tuple[measure.Scores, str]:
        looked.append(path.name)
        return real(path, keep)

    monkeypatch.setattr(measure, "measure_file", noted)
    screen_set(planted, ScreenConfig(blur=0, bars=0.9), apply=True)
    assert looked == ["z-damaged.png"]  # it may have been copied again
    assert not {"z-blur.png", "z-bars.png"} & reasons(planted).keys()
    write_image(planted / "p1.png", np.full((96, 96, 3), 77, np.uint8))
    write_image(planted / "new.png", pictures(1, seed=20)[0])
    screen_set(planted, CONFIG, apply=True)
    assert sorted(looked[1:]) == ["new.png", "p1.png", "z-damaged.png"]
    assert "uniform" in reasons(planted)["p1.png"]


def test_a_picture_of_the_same_number_of_bytes_is_looked_at_again_if_it_is_newer(tmp_path: Path) -> None:
    Image.fromarray(clean()[0]).save(tmp_path / "a.bmp")
    screen_set(tmp_path, CONFIG)
    Image.fromarray(np.zeros_like(clean()[0])).save(tmp_path / "a.bmp")
    later = (tmp_path / "manifest.json").stat().st_mtime_ns + 10**9
    os.utime(tmp_path / "a.bmp", ns=(later, later))
    screen_set(tmp_path, CONFIG, apply=True)
    assert "dark" in reasons(tmp_path)["a.bmp"]


@pytest.mark.sweep
def test_lists_by_hand_outlive_reruns(planted: Path) -> None:
    screen_set(planted, ScreenConfig(keep=("z-blur.png", "nothing"), drop=("p0.png",)), apply=True)
    assert reasons(planted)["p0.png"] == ("dropped by hand",)
    result = screen_set(planted, CONFIG, apply=True)
    assert "z-blur.png" not in reasons(planted) and "p0.png" in reasons(planted)
    assert result.domains[0].kept == ["z-blur.png"] and result.unused == ["nothing"]
    screen_set(planted, ScreenConfig(keep=(f"{planted}/p0.png",)), apply=True)
    assert "p0.png" not in reasons(planted)
    undo_screening([planted])
    screen_set(planted, CONFIG, apply=True)
    assert "z-blur.png" in reasons(planted)


def test_a_sharp_twin_stays_when_the_first_is_blurred_or_dropped(tmp_path: Path) -> None:
    put(tmp_path, [blurred(clean()[0]), clean()[0], clean()[1], clean()[1]])
    screen_set(tmp_path, ScreenConfig(drop=("p2.png",)), apply=True)
    assert reasons(tmp_path) == {"p0.png": ("blur",), "p2.png": ("dropped by hand",)}


def test_of_a_picture_in_two_splits_the_training_copy_goes(tmp_path: Path) -> None:
    put(tmp_path / "train", clean()[:3])
    put(tmp_path / "test", [clean()[1], clean()[4]], name="t")
    screen_set(tmp_path, CONFIG, apply=True)
    assert reasons(tmp_path) == {"train/p1.png": ("duplicate-split",)}


def test_of_a_picture_on_two_sides_the_first_keeps_it(tmp_path: Path) -> None:
    put(tmp_path / "a", clean()[:3])
    put(tmp_path / "b", [*clean()[3:], clean()[0]])
    result = screen_sets([tmp_path / "a", tmp_path / "b"], CONFIG, apply=True)
    assert (reasons(tmp_path / "a"), reasons(tmp_path / "b")) == ({}, {"p3.png": ("duplicate-domain",)})
    assert result.domains[1].duplicates["p3.png"] == (tmp_path / "a" / "p0.png").as_posix()


def test_one_folder_with_two_halves_has_two_sides(tmp_path: Path) -> None:
    put(tmp_path / "trainA", clean()[:4])
    put(
        tmp_path / "trainB",
        [np.array(Image.fromarray(one).convert("L").convert("RGB")) for one in clean()[1:]],
    )
    result = screen_set(tmp_path, CONFIG, apply=True)
    assert [side.name for side in result.domains] == [f"{tmp_path.name} A", f"{tmp_path.name} B"]
    # A grey set is no set in colour with grey pictures; what both halves show is told.
    assert set(result.domains[1].findings) == {"duplicate-domain"}
    assert len(split_images(tmp_path, "b", "train")) == 2


@pytest.mark.sweep
def test_rules_can_be_turned_off(planted: Path) -> None:
    result = screen_set(planted, ScreenConfig(off=("blur", "duplicate", "dark", "uniform")))
    assert set(result.domains[0].findings) == {"damaged", "bars", "grey", "aspect"}


@pytest.mark.sweep
def test_a_logo_is_told_for_its_source_and_left_out_only_when_asked(tmp_path: Path) -> None:
    clean = pictures(14, seed=5)
    for one in clean:
        one[6:18, 70:74] = one[6:9, 70:86] = one[12:15, 70:82] = 250
    put(tmp_path, clean, name="ep1-")
    put(tmp_path, pictures(4, seed=6), name="ep2-")
    result = screen_set(tmp_path, CONFIG, apply=True)
    (side,) = result.domains
    assert list(side.overlays) == ["ep1"] and len(side.findings["overlay"]) == 14
    assert reasons(tmp_path) == {}
    again = screen_set(tmp_path, ScreenConfig(leave_out_overlay=True), apply=True)
    assert again.domains[0].overlays == side.overlays
    assert len(reasons(tmp_path)) == 14
    assert undo_screening([tmp_path]) == 14


def test_reasons_of_others_and_the_rest_of_a_manifest_stay(tmp_path: Path) -> None:
    put(tmp_path, clean())
    screen_set(tmp_path, CONFIG)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    balanced = manifest.frames[0].model_copy(update={"left_out": ("balance",)})
    source = Origin(name="film.mp4", sha256="0", size_bytes=1)
    made = Manifest(
        reskin="1",
        settings={"every": 5},
        sources=[source],
        frames=[balanced, *manifest.frames[1:]],
        damaged=["x"],
    )
    write_manifest(tmp_path, made)
    screen_set(tmp_path, ScreenConfig(drop=("p0.png",)), apply=True)
    assert reasons(tmp_path) == {"p0.png": ("balance", "dropped by hand")}
    undo_screening([tmp_path])
    assert reasons(tmp_path) == {"p0.png": ("balance",)}
    now = read_manifest(tmp_path)
    assert now is not None and (now.settings, now.sources, now.damaged) == ({"every": 5}, [source], ["x"])


def test_a_picture_that_the_manifest_names_and_that_is_gone_is_damaged(tmp_path: Path) -> None:
    put(tmp_path, clean())
    screen_set(tmp_path, CONFIG)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    write_manifest(tmp_path, manifest.model_copy(update={"settings": {"every": 5}}))
    (tmp_path / "p3.png").unlink()
    side = screen_set(tmp_path, CONFIG).domains[0]
    assert [file for file, _ in side.findings["damaged"].pictures] == ["p3.png"]


def test_what_was_measured_before_a_stop_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, clean())

    def stop(done: int, _: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        screen_set(tmp_path, CONFIG, report=stop)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert sum(bool(frame.scores) for frame in manifest.frames) == 2
    assert not (tmp_path / ".lock").exists()


def test_two_at_once_and_wrong_folders_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "a", clean()[:1])
    with lock(tmp_path / "a"), pytest.raises(RunError, match="in use"):
        screen_set(tmp_path / "a", CONFIG)
    with pytest.raises(DataError, match="does not exist"):
        screen_sets([tmp_path / "a", tmp_path / "no"], CONFIG)
    assert not (tmp_path / "no").exists()
    with pytest.raises(SettingsError, match="twice"):
        screen_sets([tmp_path / "a", tmp_path / "b" / ".." / "a"], CONFIG)
    with pytest.raises(SettingsError):
        screen_sets([], CONFIG)


def test_two_screenings_write_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        put(tmp_path / name / "set", [*clean(), clean()[0]])
        screen_set(tmp_path / name / "set", CONFIG, apply=True)
        written.append((tmp_path / name / "set" / "manifest.json").read_bytes())
    assert written[0] == written[1]


@pytest.mark.sweep
def test_what_is_said_of_most_of_a_set_leaves_nothing_out(tmp_path: Path) -> None:
    boxed = pictures(12, seed=5)
    for one in boxed[2:]:
        one[:12] = one[-12:] = 0
    put(tmp_path, boxed)
    (side,) = screen_set(tmp_path, CONFIG, apply=True).domains
    assert len(side.findings["bars"]) == 10 and side.findings["bars"].only_reported
    assert reasons(tmp_path) == {} and side.left_out == 0


def test_frames_in_order_are_no_duplicates_but_may_leak(tmp_path: Path) -> None:
    put(tmp_path / "train", [clean()[0], clean()[0], clean()[1]])
    put(tmp_path / "test", [clean()[1]])
    screen_set(tmp_path, CONFIG)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    frames = [frame.model_copy(update={"clip": 0}) for frame in manifest.frames]
    write_manifest(tmp_path, manifest.model_copy(update={"frames": frames}))
    screen_set(tmp_path, CONFIG, apply=True)
    assert reasons(tmp_path) == {"train/p2.png": ("duplicate-split",)}
