"""What `--compare` makes, what it refuses, and the page of films that play together."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from tests.support.saved_run import save_run

from reskin.cli.translate import run
from reskin.errors import ReskinError, SettingsError
from reskin.progress import silent
from reskin.translation.film import FilmOptions
from reskin.translation.made_once import Made
from reskin.video.writer import VideoWriter
from reskin.workflows.compare_films import ComparisonSettings, write_comparison


def draw(path: Path, level: int, frames: int = 6) -> Path:
    with VideoWriter(path, size=(64, 48), frame_rate=10) as writer:
        for number in range(frames):
            writer.write(np.full((48, 64, 3), level + number, np.uint8), number / writer.frame_rate)
    return path


def settings(*also: str, layout: str = "grid") -> ComparisonSettings:
    return ComparisonSettings.model_validate({"compare": layout, "also": tuple(map(Path, also))})


def nothing(folder: Path) -> Made:
    return Made(folder / "out.mp4", lambda: "key")


def test_a_video_and_a_page_stand_beside_the_results(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mp4", 20)
    plan = settings("x/runs/b", "y/runs/b").plan(
        Path("runs/a"), source, tmp_path / "out.mp4", overwrite=False, made=nothing(tmp_path)
    )
    assert plan is not None
    assert plan.titles == ["a", "runs-b", "runs-b-2"]
    assert [path.name for path in plan.outs] == ["out.mp4", "out-runs-b.mp4", "out-runs-b-2.mp4"]
    for number, path in enumerate(plan.outs):
        draw(path, 60 + 40 * number)
    write_comparison(plan, source, FilmOptions(), silent)
    assert plan.video == tmp_path / "out-compared.mp4" and plan.video.is_file()
    page = (tmp_path / "out-compared.html").read_text()
    assert re.findall(r'<span class="chip">(.*?)</span>', page) == ["original", "a", "runs-b", "runs-b-2"]
    assert page.count('<video src="data:video/mp4;base64,') == 4
    assert not re.search(r'(?:src|href)="(?!data:|#)', page), "the page asks for something outside"
    assert "{{" not in page and "media-src data:" in page


def test_runs_of_make_have_the_names_of_their_folders(tmp_path: Path) -> None:
    source, out = draw(tmp_path / "in.mp4", 20), tmp_path / "out.mp4"
    plan = settings("snow/run").plan(Path("night/run"), source, out, overwrite=False, made=nothing(tmp_path))
    assert plan is not None and plan.titles == ["night", "snow"]
    assert [path.name for path in plan.outs] == ["out.mp4", "out-snow.mp4"]


def test_of_a_part_the_page_holds_the_part_alone(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mp4", 20, frames=30)
    film = FilmOptions(start=1, seconds=0.6)
    plan = settings(layout="side").plan(
        Path("a"), source, tmp_path / "out.mp4", overwrite=False, made=nothing(tmp_path)
    )
    assert plan is not None
    draw(plan.outs[0], 60)
    write_comparison(plan, source, film, silent)
    whole = (source.read_bytes(), plan.outs[0].read_bytes())
    page = (tmp_path / "out-compared.html").read_text()
    assert b64encode(whole[1]).decode() in page and b64encode(whole[0]).decode() not in page


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("none", (), r"no run folder .*none"),
        ("cut", ("--direction", "b2a"), "b2a"),
        ("grade", ("--work-size", "32"), r"--also .*grade: --work-size 32 for a model that grades"),
        ("cyclegan", ("--predictor-share", "0.5"), "--predictor-share for a model without"),
    ],
)
def test_what_a_further_run_refuses_is_said_before_the_first_is_done(
    tmp_path: Path, name: str, words: tuple[str, ...], said: str
) -> None:
    source, out, first = draw(tmp_path / "in.mp4", 20), tmp_path / "out.mp4", "cyclegan"
    if "--predictor-share" in words:
        first = "recycle_gan"
    save_run(tmp_path / "first", first)
    if name != "none":
        save_run(tmp_path / name, name)
    given = [
        str(tmp_path / "first"),
        str(source),
        str(out),
        "--compare",
        "grid",
        "--also",
        str(tmp_path / name),
    ]
    with pytest.raises(ReskinError, match=said):
        run([*given, *words])
    assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob(".reskin*"))


def test_what_is_in_the_way_or_makes_no_sense_is_refused_before_the_work(tmp_path: Path) -> None:
    source, out = draw(tmp_path / "in.mp4", 20), tmp_path / "out.mp4"
    assert ComparisonSettings().plan(Path("a"), source, out, overwrite=False, made=nothing(tmp_path)) is None
    with pytest.raises(SettingsError, match="--also without --compare"):
        ComparisonSettings(also=(Path("b"),)).plan(
            Path("a"), source, out, overwrite=False, made=nothing(tmp_path)
        )
    with pytest.raises(SettingsError, match="which is no video"):
        settings().plan(Path("a"), tmp_path / "in.png", out, overwrite=False, made=nothing(tmp_path))
    with pytest.raises(SettingsError, match="a wipe shows the original and one run, not 2"):
        settings("b", layout="wipe").plan(Path("a"), source, out, overwrite=False, made=nothing(tmp_path))
    with pytest.raises(SettingsError, match=r"two results would be .*out-compared\.mp4"):
        settings("compared").plan(Path("a"), source, out, overwrite=False, made=nothing(tmp_path))
    (tmp_path / "out-compared.html").write_text("mine")
    with pytest.raises(SettingsError, match=r"out-compared\.html is there already"):
        settings().plan(Path("a"), source, out, overwrite=False, made=nothing(tmp_path))
    assert settings().plan(Path("a"), source, out, overwrite=True, made=nothing(tmp_path)) is not None
