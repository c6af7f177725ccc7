"""A model as a file for other programs: what is written, what is checked, what is refused."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.saved_run import save_run

from reskin.cli.main import main
from reskin.device import Compute
from reskin.images import to_image
from reskin.inference import export
from reskin.inference.engine import Engine
from reskin.inference.engines.look import Look
from reskin.inference.export import Standalone, drawn_picture

EXACT = Compute(torch.device("cpu"), "fp32")
DOCS = Path(__file__).parents[2] / "docs"


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line that a refused command prints."""
    assert main([str(word) for word in words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the engines were installed; nothing that a test does reaches them."""
    for backend in export.ENDINGS.values():
        monkeypatch.setattr(type(backend), "version", lambda self: "1.0")


@pytest.mark.parametrize("size", [(37, 50), (64, 41)])
def test_padding_inside_a_file_is_that_of_the_engine(tmp_path: Path, size: tuple[int, int]) -> None:
    model = save_run(tmp_path, "cyclegan")
    alone = Standalone(Look(model, "a2b"), pads=True)
    picture = drawn_picture(*size)
    with torch.no_grad():
        made = alone(picture)
    assert made.shape == picture.shape and made.abs().max() <= 1
    assert torch.equal(made, Engine(model, "a2b", EXACT).run(picture).clamp(-1, 1))


def test_a_file_holds_one_style(tmp_path: Path) -> None:
    model: Any = save_run(tmp_path, "munit")
    style = model.sample_styles(1, seed=0)
    picture = drawn_picture(36, 48)
    with torch.no_grad():
        made = Standalone(Look(model, "b2a", style), pads=False)(picture)
        assert torch.equal(made, model.translate(picture, "b2a", style[0]).clamp(-1, 1))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["model.pt"], r"model\.pt ends in none of \.onnx, \.xml, \.cube"),
        (["model.onnx", "--direction", "b2a"], "does not translate b2a"),
        (["model.onnx", "--size", "big"], "--size big. Give WIDTHxHEIGHT"),
        (["model.onnx", "--size", "1280x7"], "--size 1280x7"),
        (["model.onnx", "--on", "film.mp4"], "--on for model.onnx"),
        (["model.onnx", "--styles", "1"], "no styles"),
        (["look.cube"], "Add --on"),
        (["look.cube", "--on", "film.mp4", "--styles", "1"], "--styles for look.cube"),
        (["look.cube", "--on", "film.mp4", "--size", "66"], "--size 66 for look.cube"),
        (["look.cube", "--on", "film.mp4", "--size", "64x64"], "Give 2 to 65 nodes"),
    ],
)
@pytest.mark.thinned(5)
def test_a_mistake_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], installed: None, words: list[str], line: str
) -> None:
    save_run(tmp_path / "run", "cut")
    answer = said(capsys, "export", tmp_path / "run", tmp_path / words[0], *words[1:])
    assert re.search(line, answer), answer
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(("name", "extra"), [("model.onnx", "reskin[onnx]"), ("model.xml", "reskin[cpu]")])
def test_an_engine_that_is_not_installed_is_named_with_the_remedy(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    extra: str,
) -> None:
    for backend in export.ENDINGS.values():
        monkeypatch.setattr(type(backend), "version", lambda self: None)
    assert f"pip install '{extra}'" in said(capsys, "export", tmp_path, tmp_path / name)


def test_a_model_that_has_no_such_form_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], installed: None
) -> None:
    save_run(tmp_path / "run", "cogan")
    line = said(capsys, "export", tmp_path / "run", tmp_path / "model.onnx")
    assert "CoGAN" in line and "reskin translate" in line


def test_what_is_there_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], installed: None
) -> None:
    save_run(tmp_path / "run", "cut")
    (tmp_path / "model.bin").write_text("somebody's")
    assert "model.bin is there already" in said(capsys, "export", tmp_path / "run", tmp_path / "model.xml")
    assert (tmp_path / "model.bin").read_text() == "somebody's"


def test_a_file_that_differs_from_the_model_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, installed: None
) -> None:
    def write(look: Look, size: object, facts: object, path: Path) -> Any:
        path.write_bytes(b"a graph")
        return lambda picture: look(picture) + 2 / 127.5

    monkeypatch.setattr(export, "_write_onnx", write)
    save_run(tmp_path / "run", "cut")
    line = said(capsys, "export", tmp_path / "run", tmp_path / "model.onnx")
    assert "differ from the model's by 2 levels" in line and "104" in line
    assert not (tmp_path / "model.onnx").exists()


@needs("onnxruntime")
@pytest.mark.parametrize("words", [(), ("--size", "50x37")])
def test_an_onnx_file_says_what_it_is_and_gives_what_the_model_gives(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    import onnxruntime

    model = save_run(tmp_path / "run", "cyclegan", trained_edge=48)
    out = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path / "run"), str(out), "--direction", "b2a", *words]) == 0
    session = onnxruntime.InferenceSession(str(out))
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["reskin.method"], facts["reskin.direction"]) == ("cyclegan", "b2a")
    assert (facts["reskin.trained_edge_px"], facts["reskin.multiple_px"]) == ("48", "1" if words else "4")
    assert facts["reskin.digest"] == Engine(model, "b2a", EXACT).identity()
    picture = drawn_picture(37, 50) if words else drawn_picture(52, 36)
    (made,) = session.run(["translated"], {"images": picture.numpy()})
    wanted = Engine(model, "b2a", EXACT).run(picture).clamp(-1, 1).numpy()
    assert np.abs(made - wanted).max() * 127.5 < 1


@needs("openvino")
def test_openvinos_two_files_hold_a_style(tmp_path: Path) -> None:
    import openvino

    save_run(tmp_path / "run", "munit")
    Image.fromarray(np.full((40, 40, 3), (200, 40, 90), np.uint8)).save(tmp_path / "winter.png")
    words = ["export", str(tmp_path / "run"), str(tmp_path / "model.xml")]
    assert main([*words, "--style", str(tmp_path / "winter.png"), "--size", "41x64"]) == 0
    assert {path.name for path in tmp_path.glob("model.*")} == {"model.xml", "model.bin"}
    read = openvino.Core().read_model(tmp_path / "model.xml")
    assert read.get_rt_info(["reskin", "direction"]).astype(str) == "a2b"
    program = openvino.Core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = program({"images": drawn_picture(64, 41).numpy()})["translated"]
    assert made.shape == (1, 3, 64, 41) and np.abs(made).max() <= 1
    before = (tmp_path / "model.xml").read_bytes()
    assert main([*words, "--styles", "1", "--size", "41x64", "--overwrite"]) == 0
    assert (tmp_path / "model.xml").read_bytes() != before, "the digest is that of another style"


@needs("openvino")
@pytest.mark.parametrize("words", [[], ["--size", "50x37"]])
def test_a_grade_as_openvinos_files(tmp_path: Path, words: list[str]) -> None:
    """It samples a grid of three dimensions, which OpenVINO cannot: its graph holds products and sums."""
    import openvino

    model = save_run(tmp_path / "run", "grade")
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "model.xml"), *words]) == 0
    read = openvino.Core().read_model(tmp_path / "model.xml")
    program = openvino.Core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    picture = drawn_picture(37, 50) if words else drawn_picture(90, 160)
    made = program({"images": picture.numpy()})["translated"]
    wanted = Engine(model, "a2b", EXACT).run(picture).clamp(-1, 1).numpy()
    assert np.abs(made - wanted).max() * 127.5 < 1


@needs("onnxruntime")
def test_the_program_in_the_documents_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "export.md").read_text("utf-8"), re.S)
    assert len(program.strip().splitlines()) == 6
    save_run(tmp_path / "run", "cyclegan")
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "model.onnx")]) == 0
    Image.fromarray(to_image(drawn_picture(64, 48))[0]).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/export.md", "exec"), {})
    translated = tmp_path / "translated.png"
    assert (
        main(["translate", "run", "photo.png", "ours.png", "--engine", "torch", "--precision", "fp32"]) == 0
    )
    ours, theirs = (np.asarray(Image.open(path), int) for path in ("ours.png", translated))
    assert np.abs(ours - theirs).max() <= 1
