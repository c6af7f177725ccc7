"""Every command that writes, on a disk that refuses one call: it ends in one line, whole, and can go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from tests.support.disk import Disk
from tests.support.drawn_vgg import drawn_vgg
from tests.support.finished_folders import (
    Kept,
    draw_sources,
    interrupted_words,
    make_asked,
    make_datasets,
    make_given,
    make_made,
    make_runs,
    make_unfinished,
    make_words,
    see_drawn_faces,
    study_words,
    train_words,
)

from reskin.cli.main import main
from reskin.errors import ReskinError
from reskin.images import read_image
from reskin.storage import read_lines
from reskin.workflows import demo

MOST_CALLS = 400
"""A command that changes the disk more often has not every call refused."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs pipes, alarms and /proc")


def commands(base: Path) -> dict[str, list[str]]:
    """The commands that write."""
    a, b, grade, cpu = base / "a", base / "b", base / "grade", ["--device", "cpu"]
    pictures, film, new, given = base / "pictures", base / "film.mp4", base / "new", base / "given"
    picture: list[object] = ["translate", grade, pictures / "0.png", base / "new.png", *cpu]
    a_picture = base / "others" / "0.png"
    faces = [*interrupted_words(base)["half-faces"]]
    words: dict[str, list[object]] = {
        "images": ["prepare", "images", pictures, "--out", new],
        "frames": ["prepare", "frames", film, "--out", new, "--every", "2"],
        "clips": ["prepare", "clips", film, "--out", new, "--count", "2"],
        "faces": [new if word == base / "half-faces" else word for word in faces],
        "split": ["split", a, "--again", "--by", "random", "--seed", "3"],
        "screen": ["screen", a, b, "--apply", "--drop", "4.png", "--off", "small"],
        "balance": ["balance", b, "--by", "brightness", "--above", "0.5", "--ratio", "1:1"],
        "inspect": ["inspect", a, b, "--out", base / "new.html"],
        "train": [*train_words(base, "grade"), "--out", new],
        "picture": picture,
        "folder": ["translate", grade, pictures, new, *cpu],
        "video": ["translate", grade, film, base / "new.mp4", *cpu],
        "styles": [*picture[:1], base / "munit", *picture[2:], "--styles", "2"],
        "compared": ["translate", grade, film, base / "new.mp4", "--compare", "side", *cpu],
        "interpolate": [
            *("interpolate", base / "munit", pictures / "0.png", "--from", a_picture, "--to", a_picture),
            *("--out", base / "new.mp4", "--frames", "2", *cpu),
        ],
        "paint": [
            *("stylize", pictures / "0.png", "--style", a_picture, "--weights", drawn_vgg("vgg19")),
            *("--out", base / "new.png", "--size", "32", "--steps", "2", "--every", "1", *cpu),
        ],
        "undo": ["screen", a, b, "--undo"],
        "grid": ["grid", base / "munit", "--content", a, "--styles", "1", "--out", base / "new.png", *cpu],
        "evaluate": ["evaluate", grade, "--a", a, "--b", b, "--metrics", "swd", *cpu],
        "report": ["report", grade],
        "stylize": ["stylize", pictures, "--model", base / "fast_style", "--out", new, *cpu],
        "download": ["download", "pix2pix-maps", "--from", given / "maps.tar.gz", "--out", new],
        "import": ["import", given / "latest_net_G.pth", "--out", new],
        "export": ["export", grade, base / "new.cube", "--on", film, "--size", "3"],
        **study_words(base),
        "demo": ["demo", "--out", new, "--steps", "2"],
        "make": [new if word == str(base / "made") else word for word in make_words(base)],
    }
    return {name: [str(word) for word in line] for name, line in words.items()}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    makers = (draw_sources, make_datasets, make_unfinished, make_runs, make_made, make_given, make_asked)
    folder = tmp_path_factory.mktemp("disk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESKIN_CACHE", str(folder / "base" / "cache"))
        small = {"TRAINING_FRAMES": 24, "CLIP_FRAMES": 16, "SCENE_FRAMES": 4, "SIZE": (64, 48)}
        for name, value in (*small.items(), ("METHOD", "grade")):
            patch.setattr(demo, name, value)
        see_drawn_faces(patch)
        yield Kept(folder, *makers)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Without what takes long to make."""
    return Kept(tmp_path_factory.mktemp("disk-few"), draw_sources, make_datasets)


MEASURED = ("time", "seconds", "memory_bytes")
"""What is another number each time."""


def unmeasured(content: bytes) -> Any:
    """The JSON in a file without what was measured; if it holds none, its bytes."""
    try:
        return json.loads(
            content, object_hook=lambda row: {key: row[key] for key in row if key not in MEASURED}
        )
    except ValueError:
        return content


def result(base: Path) -> dict[str, Any]:
    """What lies in a folder, but for the time of day and what work took."""
    found: dict[str, Any] = {}
    for path in sorted(base.rglob("*")):
        name = path.relative_to(base).as_posix()
        if path.is_dir():
            found[name] = None
        elif path.suffix == ".jsonl":
            found[name] = [{key: row[key] for key in row if key not in MEASURED} for row in read_lines(path)]
        elif path.name in ("cell.json", "scores.json"):
            found[name] = unmeasured(path.read_bytes())
        elif path.name not in ("log.txt", "report.html", "make.json"):  # times of day and of work
            found[name] = path.read_bytes()
    return found


def torn(base: Path, known: list[dict[str, Any]]) -> list[str]:
    """Files that are neither as they were, nor as they are in the end, nor whole in between."""
    wrong = []
    for name, content in result(base).items():
        if content is None or any(name in one and one[name] == content for one in known):
            continue
        try:
            if name.endswith(".part") or name.endswith(".lock"):
                raise ValueError("left over")
            if name.endswith(".json") and isinstance(content, bytes):
                json.loads(content)
            elif name.startswith(".reskin-film-") and name.endswith((".segment", ".state")):
                load_tensors(content)  # what a translation goes on with; gone when it has ended
            elif name.endswith((".png", ".jpg")):
                read_image(base / name)
            elif not name.endswith((".json", ".jsonl")):
                raise ValueError("neither old nor new")
        except (ValueError, ReskinError, SafetensorError) as error:
            wrong.append(f"{name}: {error}")
    return wrong


def chosen(calls: int) -> list[int]:
    """The calls that are refused: all of a few hundred; of more, which write many files alike, those
    at both ends and some between, at steps that miss no part of writing a file.
    """
    if calls <= MOST_CALLS:
        return list(range(calls))
    return [*range(20), *range(20, calls - 20, 29), *range(calls - 20, calls)]


def refusals(kept: Kept, name: str, capsys: pytest.CaptureFixture[str], *, every: int = 1) -> list[str]:
    """Run a command with each of its calls refused in turn, then undisturbed; what was wrong."""
    words = commands(kept.base)[name]
    kept.renew()
    before = result(kept.base)
    with pytest.MonkeyPatch.context() as patch:
        counting = Disk(kept.base)
        counting.install(patch)
        assert main(list(words)) == 0
    after = result(kept.base)
    assert counting.calls > 2
    wrong = []
    for number in chosen(counting.calls)[::every]:
        kept.renew()
        capsys.readouterr()
        at = f"{name}, call {number} of {counting.calls}"
        try:
            with pytest.MonkeyPatch.context() as patch:
                Disk(kept.base, number).install(patch)
                code = main(list(words))
        except BaseException as error:
            wrong.append(f"{at}: {error!r}")
            continue
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("reskin: ")]
        if code not in (0, 2, 3) or (code and len(lines) != 1) or (code == 0 and result(kept.base) != after):
            wrong.append(f"{at}: exit code {code}, {lines}")
        wrong += [f"{at}: {line}" for line in torn(kept.base, [before, after])]
        if code == 0:  # the disk only did not confirm; the same command may say that its file is there
            continue
        again = main(list(words))
        left = result(kept.base)
        if again or left != after:
            other = [key for key in {*left, *after} if left.get(key, "") != after.get(key, "")]
            said = capsys.readouterr().err.splitlines()[-1:]
            wrong.append(f"{at}: again {again} {said}, other: {sorted(other)[:5]}")
    return wrong


@pytest.mark.parametrize("name", ["images", "split", "frames"])
@pytest.mark.sweep
def test_a_few_calls_are_refused(datasets: Kept, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusals(datasets, name, capsys, every=11) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", list(commands(Path())))
def test_each_call_is_refused(kept: Kept, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    every = {"demo": 5, "compare": 2}.get(name, 1)  # they train each time
    assert refusals(kept, name, capsys, every=every) == []
