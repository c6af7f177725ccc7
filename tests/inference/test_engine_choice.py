"""Which engine computes a job: measured by a clock that tests turn, remembered, the same in a whole job."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reskin.device import Compute
from reskin.engine_names import EngineName
from reskin.errors import SettingsError
from reskin.inference.engine import Engine
from reskin.inference.engines import measured, settle
from reskin.inference.engines.backend import NotExportableError, Used, undisturbed
from reskin.inference.engines.look import Look
from reskin.inference.engines.measured import difference
from reskin.inference.engines.remembered import engine_folder
from reskin.inference.rendering import Rendering
from reskin.methods.masked import Masked
from reskin.methods.translator import Stream, Translator
from reskin.translation.folders import translate_folder
from reskin.translation.job import earlier_engine, open_job
from reskin.types import Direction

CPU = torch.device("cpu")
AUTO = Compute(CPU, "fp32", engine="auto")


class Clock:
    """A clock that goes only where somebody turns it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Negative(Translator):
    """Turns light into dark in 10 s."""

    title = "Negative"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.clock = clock

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.clock.now += 10.0
        return -self.weight * images


@dataclass
class Quick:
    """An engine that takes 1 s and is off by some levels."""

    clock: Clock
    levels: float = 0.5
    seconds: float = 1.0
    found: str | None = "1.0"
    name: EngineName = "openvino"
    extra: str = "reskin[cpu]"
    refuses: bool = False
    built: list[Used] = field(default_factory=list)

    def version(self) -> str | None:
        return self.found

    def lacks(self, device: torch.device, precision: Literal["fp32", "bf16"]) -> tuple[str, str] | None:
        return ("bf16", "Give --precision fp32.") if precision == "bf16" else None

    def build(self, look: Look, picture: Tensor, compute: Compute) -> Callable[[Tensor], Tensor]:
        if self.refuses:
            raise NotExportableError("Negative cannot be exported: it is a test", "Use --engine torch.")
        self.built.append(Used(self.name, self.found or "", compute.precision))
        self.clock.now += 5.0

        def run(pictures: Tensor) -> Tensor:
            self.clock.now += self.seconds
            return (-pictures + self.levels / 127.5).clamp(-1, 1)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    made = Clock()
    monkeypatch.setattr(measured, "clock", made)
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Quick:
    made = Quick(clock)
    monkeypatch.setattr(settle, "BACKENDS", (made,))
    return made


def picture(level: int = 100) -> np.ndarray:
    return np.full((40, 33, 3), level, np.uint8)


def settled(clock: Clock, number: float = 100, compute: Compute = AUTO) -> Engine:
    engine = Engine(Negative(clock), "a2b", compute)
    engine.settle(picture(), number=number)
    return engine


def test_a_long_job_takes_the_fastest_engine_that_is_near(clock: Clock, quick: Quick) -> None:
    engine = settled(clock)
    assert engine.used == Used("openvino", "1.0", "fp32")
    made = engine.translate(picture(100)[None])
    assert np.abs(made.astype(int) - 155).max() <= 1 and made.shape == (1, 40, 33, 3)


def test_a_short_job_is_not_measured(clock: Clock, quick: Quick) -> None:
    assert settled(clock, number=11).used.engine == "torch" and not quick.built


@pytest.mark.parametrize("levels", [1.1, float("nan")])
def test_an_engine_that_is_too_far_off_is_not_taken(clock: Clock, quick: Quick, levels: float) -> None:
    quick.levels = levels
    assert settled(clock).used.engine == "torch" and quick.built


def test_building_counts_for_the_job(clock: Clock, quick: Quick) -> None:
    quick.seconds = 9.9
    assert settled(clock, number=40).used.engine == "torch"
    assert settled(clock, number=1000).used.engine == "openvino"


def test_what_was_measured_is_remembered(clock: Clock, quick: Quick) -> None:
    settled(clock)
    before = clock.now
    assert settled(clock).used.engine == "openvino"
    assert clock.now - before == 5.0, "the program is built and no picture is timed"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"facts": {}, "rows": []}', '{"rows": [{"engine": "x"}]}', "\0", None]
)
def test_a_damaged_or_outdated_entry_is_made_again(clock: Clock, quick: Quick, content: str | None) -> None:
    settled(clock)
    (path,) = engine_folder().glob("*.json")
    whole = path.read_text()
    if content is None:
        content = whole.replace('"seconds": 1.0', '"seconds": NaN')
    path.write_text(content)
    assert settled(clock).used.engine == "openvino"
    assert json.loads(path.read_text())["facts"] == json.loads(whole)["facts"]
    quick.found = "2.0"
    assert settled(clock).used.version == "2.0"


def test_a_cache_that_cannot_be_written_stops_no_work(
    clock: Clock,
    quick: Quick,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "file"))
    assert settled(clock).used.engine == "openvino"
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "RESKIN_CACHE" in line


def test_an_engine_that_is_not_installed_names_the_remedy(clock: Clock, quick: Quick) -> None:
    quick.found = None
    with pytest.raises(SettingsError, match=r"openvino.*not installed.*pip install 'reskin\[cpu\]'"):
        settled(clock, compute=replace(AUTO, engine="openvino"))
    assert settled(clock).used.engine == "torch"


def test_what_installing_would_give_is_said_once(
    clock: Clock, quick: Quick, caplog: pytest.LogCaptureFixture
) -> None:
    quick.found = None
    caplog.set_level(logging.INFO)
    settled(clock), settled(clock)
    assert sum("reskin[cpu]" in record.getMessage() for record in caplog.records) == 1


def test_a_precision_that_the_engine_lacks_is_refused_where_it_was_asked_for(
    clock: Clock, quick: Quick
) -> None:
    asked = Compute(CPU, "bf16", engine="openvino")
    with pytest.raises(SettingsError, match="--precision fp32"):
        settled(clock, compute=asked)
    assert settled(clock, compute=replace(asked, is_precision_free=True)).used.precision == "fp32"


def test_a_model_that_cannot_be_exported_is_named_and_falls_back(
    clock: Clock, quick: Quick, caplog: pytest.LogCaptureFixture
) -> None:
    quick.refuses = True
    caplog.set_level(logging.INFO)
    assert settled(clock, compute=replace(AUTO, engine="openvino")).used.engine == "torch"
    assert any("Negative cannot be exported" in record.getMessage() for record in caplog.records)
    assert settled(clock).used.engine == "torch"


def test_what_remembers_frames_stays_with_pytorch(clock: Clock, quick: Quick) -> None:
    class Counting(Stream):
        pass

    class Remembering(Negative):
        def stream(self, direction: Direction) -> Stream:
            return Counting(self, direction)

    engine = Engine(Remembering(clock), "a2b", AUTO)
    assert engine.is_settled and engine.used.engine == "torch"


def test_masks_that_are_saved_are_computed_with_the_picture_by_pytorch(
    clock: Clock, quick: Quick, caplog: pytest.LogCaptureFixture
) -> None:
    class Half(Masked, Negative):
        def generate_with_masks(self, images: Tensor, direction: Direction) -> tuple[Tensor, Tensor]:
            return Negative.generate(self, images, direction), torch.full_like(images[:, :1], 0.5)

    caplog.set_level(logging.INFO, logger="reskin")
    rendering = Rendering(saves_masks=True)
    engine = Engine(Half(clock), "a2b", replace(AUTO, engine="openvino"), rendering)
    assert engine.is_settled and engine.used.engine == "torch" and not quick.built
    assert "not by openvino: its masks are saved too" in caplog.text
    picture, mask = engine.translate_parts(np.full((1, 8, 8, 3), 155, np.uint8))
    assert (picture == 100).all() and (mask == 128).all() and clock.now == 10


def test_the_identity_names_the_engine_and_torch_keeps_the_one_it_had(clock: Clock, quick: Quick) -> None:
    plain = Engine(Negative(clock), "a2b", Compute(CPU, "fp32"))
    assert settled(clock, number=1).identity() == plain.identity()
    quick_one = settled(clock).identity()
    quick.found = "2.0"
    assert len({plain.identity(), quick_one, settled(clock).identity()}) == 3


def test_pictures_in_stripes_stay_with_pytorch(clock: Clock, quick: Quick) -> None:
    engine = settled(clock, compute=replace(AUTO, engine="openvino", memory=1_000))
    assert engine.used.engine == "torch" and not quick.built


def test_a_folder_goes_on_with_the_engine_that_it_began_with(
    clock: Clock, quick: Quick, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(20):
        Image.fromarray(picture(number)).save(tmp_path / "in" / f"{number}.png")
    model = Negative(clock)
    quick.levels = 0.9
    first = translate_folder(model, tmp_path / "in", tmp_path / "out", "a2b", compute=AUTO)
    kept = json.loads((tmp_path / "out" / "translated.json").read_text())["engine"]
    assert first.translated == 20 and (kept["engine"], kept["version"]) == ("openvino", "1.0")
    quick.seconds = 100.0
    for path in engine_folder().glob("*.json"):
        path.unlink()
    Image.fromarray(picture(200)).save(tmp_path / "in" / "more.png")
    again = translate_folder(model, tmp_path / "in", tmp_path / "out", "a2b", compute=AUTO)
    assert (again.translated, again.skipped) == (1, 20)
    assert np.asarray(Image.open(tmp_path / "out" / "more.png"))[0, 0, 0] == 55 + 1
    by_torch = translate_folder(model, tmp_path / "in", tmp_path / "out", "a2b", compute=Compute(CPU, "fp32"))
    assert by_torch.translated == 21, "another engine makes all of them again"


def test_a_stopped_film_knows_what_computed_its_segments(tmp_path: Path) -> None:
    out, used = tmp_path / "out.mp4", Used("openvino", "1.0", "bf16")
    assert earlier_engine(out, "model") is None
    with open_job(out, "key", used.facts() | {"asked": "model"}) as job:
        job.keep_shots([])
        assert earlier_engine(out, "model") == used
        assert earlier_engine(out, "another model") is None
        facts = next(job.folder.glob("*.json"))
        for content in ("{", '{"engine": 3}', '{"engine": {"asked": "model", "engine": "x"}}'):
            facts.write_text(content)
            assert earlier_engine(out, "model") is None


def test_the_difference_is_the_largest_in_fp32_and_the_mean_in_bf16() -> None:
    exact = torch.zeros(1, 3, 1, 4)
    made = exact.clone()
    made[..., 0] = 4 / 127.5
    assert difference(made, exact, "fp32") == pytest.approx(4)
    assert difference(made, exact, "bf16") == pytest.approx(1)
    assert difference(exact * float("nan"), exact, "bf16") == float("inf")


def test_what_a_converter_does_to_the_log_is_undone() -> None:
    root = logging.getLogger()
    before = root.level
    with pytest.raises(RuntimeError), undisturbed():
        root.setLevel(logging.CRITICAL)
        warnings.warn("of its own use of torch", stacklevel=1)
        raise RuntimeError
    assert root.level == before
