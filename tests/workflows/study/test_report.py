"""The report of a study: films of footage, pictures of the worst and the best, what numbers can say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from reskin.errors import RunError
from reskin.evaluation.evaluate import evaluate_request
from reskin.evaluation.request import Request
from reskin.images import read_image, to_tensor, write_image
from reskin.methods.translator import Translator
from reskin.storage import write_json
from reskin.types import Direction
from reskin.video.reader import VideoReader
from reskin.workflows.study import extremes, moving
from reskin.workflows.study.extremes import extreme_rows
from reskin.workflows.study.report import write_study_report
from reskin.workflows.study.table import read_table


class Brighter(Translator):
    """Adds a fixed brightness, from A to B only."""

    directions = ("a2b",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return (images + 0.5).clamp(-1, 1)


def frame(number: int, shape: tuple[int, int] = (33, 49)) -> np.ndarray:
    """A frame of footage: a bright square that moves a pixel each frame over a smooth ground."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([rows * 3, columns * 2, rows + columns], axis=2).astype(np.uint8)
    image[8:20, 2 + number : 14 + number] = 200
    return image


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A: a clip of ten frames behind an image that belongs to nothing; B: noise under numbers."""
    draw = np.random.default_rng(0)
    for number in range(10):
        write_image(tmp_path / "a" / "test" / f"clip_{number:03d}.png", frame(number))
        write_image(
            tmp_path / "truth" / f"clip_{number:03d}.png", np.minimum(frame(number) + 30 + number, 255)
        )
        noise = draw.integers(0, 256, (33, 49, 3), dtype=np.uint8)
        write_image(tmp_path / "b" / "test" / f"{number:03d}.png", noise)
    write_image(tmp_path / "a" / "test" / "alone.png", np.zeros((33, 49, 3), np.uint8))
    write_image(tmp_path / "truth" / "alone.png", np.full((33, 49, 3), 60, np.uint8))
    return tmp_path


def request(data: Path) -> Request:
    return Request(a=data / "a", b=data / "b", truth_a2b=data / "truth", metrics=("psnr",))


def cell(data: Path, folder: Path) -> dict[str, dict[str, object]]:
    """All that a cell keeps of `Brighter`; its scores."""
    scores = {name: score.to_dict() for name, score in evaluate_request(Brighter(), request(data)).items()}
    write_json(folder / "cell.json", {"scores": {"last": {"step": 1, "scores": scores}}})
    extremes.write_extremes(folder, Brighter(), request(data), scores)
    moving.write_clips(folder, Brighter(), request(data))
    return scores


def test_footage_is_told_from_images_with_numbers_for_names(data: Path) -> None:
    found = moving.footage_of(data / "a", "a")
    assert len(found) == 10 and np.array_equal(found[0], frame(0)) and np.array_equal(found[9], frame(9))
    assert moving.footage_of(data / "b", "b") == []
    (data / "a" / "test" / "clip_006.png").unlink()
    assert moving.footage_of(data / "a", "a") == []  # six and three frames are no film
    shutil.copy(data / "a" / "test" / "clip_005.png", data / "a" / "test" / "clip_006.png")
    (data / "a" / "test" / "clip_003.png").write_bytes(b"no image")
    assert moving.footage_of(data / "a", "a") == []


@pytest.mark.sweep
def test_films_have_the_frames_of_the_footage_and_of_the_model(data: Path) -> None:
    cell(data, data / "cell")
    films = moving.shown_films([("one", data / "cell"), ("none", data / "nowhere")])
    assert list(films) == ["a2b"] and [film.title for film in films["a2b"]] == ["input", "one"]
    for film, shift in zip(films["a2b"], (0, 64), strict=True):
        with VideoReader(film.path) as reader:
            frames = [each.image.astype(float) for each in reader]
        assert len(frames) == 10 and frames[0].shape == (32, 48, 3)  # browsers want even edges
        for number, image in enumerate(frames):
            wanted = np.minimum(frame(number)[:32, :48].astype(float) + shift, 255)
            assert np.abs(image - wanted).mean() < 6


def test_worst_and_best_images_are_shown_with_translation_and_truth(data: Path) -> None:
    scores = cell(data, data / "cell")
    (row,) = [each for each in extremes.extreme_rows([("one", data / "cell")]) if each.measure == "psnr_a2b"]
    values = dict(scores["psnr_a2b"]["pictures"])  # type: ignore[call-overload]
    order = sorted(values, key=values.__getitem__)
    assert [tile.name for tile in row.worst] == order[:3] and [tile.name for tile in row.best] == order[
        :-4:-1
    ]
    assert row.panels == ("input", "output", "truth")
    tile = row.worst[0]
    assert tile.picture is not None and tile.picture.shape == (1, 3, 128, 3 * 128)
    image, made, truth = tile.picture.split(128, dim=3)
    wanted = to_tensor(read_image(data / "a" / tile.name)).mean()
    middle = to_tensor(read_image(data / "a" / tile.name))[..., :, 8:41]
    assert image.mean() == pytest.approx(float(middle.mean()), abs=0.02)
    assert made.mean() - image.mean() == pytest.approx(0.5, abs=0.05) and truth.mean() > wanted - 1


def test_of_damaged_pictures_names_and_values_remain(data: Path) -> None:
    scores = cell(data, data / "cell")
    strip = data / "cell" / "extremes-psnr_a2b.png"
    for content in (b"no image", None):
        strip.unlink() if content is None else strip.write_bytes(content)
        (row,) = extremes.extreme_rows([("one", data / "cell")])
        assert row.panels == () and row.worst[0].picture is None and len(row.best) == 3
    write_json(data / "cell" / extremes.FILE, {"psnr_a2b": {"panels": 3}})
    assert extremes.extreme_rows([("one", data / "cell")])[0].panels == ()
    few = dict(scores["psnr_a2b"])
    few["pictures"] = few["pictures"][:5]  # type: ignore[index]
    assert extremes.extremes_of(few) is None
    lower = dict(scores["psnr_a2b"]) | {"better": "lower"}
    worst, best = extremes.extremes_of(lower) or ([], [])
    assert (
        worst[0][1] == max(value for _, value in scores["psnr_a2b"]["pictures"]) and best[0][1] < worst[0][1]
    )  # type: ignore[misc, union-attr]


def test_the_page_holds_films_tiles_sliders_and_what_can_be_said(data: Path) -> None:
    folder = data / "study"
    rows = [{"label": "one <b>", "folder": "one"}, {"label": "two", "folder": "two"}]
    facts = {"a": "a", "b": "b", "seeds": 1, "length": {"steps": 5}, "rows": rows}
    write_json(folder / "study.json", facts)
    for label in ("one", "two"):
        cell(data, folder / "cells" / label / "0")
    page = write_study_report(folder).read_text(encoding="utf-8")
    assert page.count("<video ") == 3 and page.count("data:video/mp4;base64,") == 3
    assert page.count("data:image/webp") >= 12 and "from left: input, output, truth" in page
    assert "one &lt;b&gt;" in page and "one <b>" not in page
    assert "With one seed no difference" in page and "They cannot say" in page
    assert "of the untouched input and of colour transfer" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # asks for nothing from outside
    for path in folder.glob("cells/*/0/*.mp4"):
        path.unlink()
    assert "are no footage" in write_study_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seeds", 10**30),
        ("seeds", 0),
        ("length", {"steps": None}),
        ("length", []),
        ("a", None),
        ("rows", [{"label": "x", "folder": "../../outside"}]),
        ("rows", [{"label": "x", "folder": "/etc"}]),
        ("rows", [{"label": 3, "folder": "x"}]),
        ("rows", [None]),
    ],
    ids=str,
)
def test_a_study_that_was_changed_is_one_line(tmp_path: Path, name: str, value: object) -> None:
    sound = {"a": "a", "b": "b", "seeds": 1, "length": {"steps": 2}, "rows": [{"label": "x", "folder": "x"}]}
    write_json(tmp_path / "study.json", sound)
    assert read_table(tmp_path).labels == ["x"]
    write_json(tmp_path / "study.json", sound | {name: value})
    with pytest.raises(RunError, match="holds no study"):
        read_table(tmp_path)


def test_scores_of_another_kind_count_as_missing(tmp_path: Path) -> None:
    sound = {"a": "a", "b": "b", "seeds": 3, "length": {"steps": 2}, "rows": [{"label": "x", "folder": "x"}]}
    write_json(tmp_path / "study.json", sound)
    score = {"value": 2.0, "better": "lower", "metric": "swd", "direction": "a2b", "subject": "output"}
    for seed, scores in enumerate(({"swd": score}, {"swd": None}, [])):
        cell = {"scores": {"last": {"scores": scores}}}
        write_json(tmp_path / "cells" / "x" / str(seed) / "cell.json", cell)
    table = read_table(tmp_path)
    assert table.cells["last"]["x"]["swd"].seeds == (2.0,)
    assert extreme_rows([("x", tmp_path / "cells" / "x" / str(seed)) for seed in range(3)]) == []
