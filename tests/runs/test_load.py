"""A model folder whose config.json asks for what its weights are not: one line, soon, without memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reskin.errors import CheckpointError, ReskinError, RunError
from reskin.framing import Framing
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder
from reskin.runs.load import crop_size, load

SETTINGS = {"width": 4, "blocks": 1, "disc_layers": 1, "pool_size": 2}


def model_folder(folder: Path, *, source: bool = False, **changes: Any) -> Path:
    """A folder with the weights of a small CycleGAN and a config.json that says what `changes` say."""
    method = CycleGAN(parse(CycleGANConfig, SETTINGS))
    state = {f"method.{key}": value for key, value in method.state_dict().items()}
    if source:
        state = {key: value for key, value in state.items() if key.startswith("method.gen_a2b.")}
    files = RunFolder(folder)
    checkpoint.save(files.checkpoint(3), state, {"step": 3})
    config: dict[str, Any] = {
        "method": "cyclegan",
        "directions": ["a2b"],
        "settings": {"method": SETTINGS, "data": {"crop_size": 32}, "train": {}},
    }
    if source:
        config["source"] = {"file": "net.pth"}
    files.write_config(config | changes)
    return folder


@pytest.mark.parametrize("source", [False, True], ids=["run", "import"])
def test_a_model_is_loaded(tmp_path: Path, source: bool) -> None:
    model = load(model_folder(tmp_path, source=source), device="cpu")
    assert model.directions == ("a2b",) and not model.training
    assert crop_size(tmp_path) == 32


def test_it_says_how_its_faces_were_framed(tmp_path: Path) -> None:
    framing = {"a": {"margin": 0.4, "align": "box"}, "b": None}
    model = load(model_folder(tmp_path / "run", data={"framing": framing}), device="cpu")
    assert model.framings == {"a": Framing(margin=0.4, align="box")}
    assert not load(model_folder(tmp_path / "old"), device="cpu").framings
    wrong = model_folder(tmp_path / "wrong", data={"framing": {"a": {"margin": -1}}})
    with pytest.raises(ReskinError, match=r"'margin' in .*config\.json"):
        load(wrong, device="cpu")


def method_settings(**values: Any) -> dict[str, Any]:
    return {"settings": {"method": SETTINGS | values, "data": {}, "train": {}}}


@pytest.mark.parametrize("source", [False, True], ids=["run", "import"])
@pytest.mark.parametrize(
    "values",
    [
        {"width": 100_000},
        {"width": 10**12},
        {"width": 10**30},
        {"blocks": 1_000_000},
        {"blocks": 2},
        {"width": 8},
    ],
    ids=str,
)
@pytest.mark.thinned(4)
def test_networks_of_another_size_are_refused_before_they_take_memory(
    tmp_path: Path, values: dict[str, Any], source: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(tmp_path, source=source, **method_settings(**values))
    built: list[torch.device] = []
    register = nn.Module.register_parameter

    def note(self: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            built.append(parameter.device)
        register(self, name, parameter)

    monkeypatch.setattr(nn.Module, "register_parameter", note)
    started = time.process_time()
    with pytest.raises(ReskinError) as error:
        load(folder, device="cpu")
    assert "\n" not in str(error.value)
    assert {device.type for device in built} <= {"meta"} and len(built) < 10_000
    assert time.process_time() - started < 20


def test_what_an_imported_generator_lacks_is_bounded(tmp_path: Path) -> None:
    load(model_folder(tmp_path, source=True, **method_settings(disc_layers=3)), device="cpu")
    folder = model_folder(tmp_path, source=True, **method_settings(disc_layers=100_000))
    with pytest.raises(ReskinError):
        load(folder, device="cpu")


WRONG: list[Any] = [None, 5, 1.5, True, "x", [], {}, [None], {"a": None}, [["a2b"]]]


@pytest.mark.parametrize("key", ["method", "directions", "settings"])
@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.thinned(3)
def test_a_value_of_another_type_is_one_line(tmp_path: Path, key: str, value: Any) -> None:
    folder = model_folder(tmp_path, **{key: value})
    with pytest.raises(ReskinError) as error:
        load(folder, device="cpu")
    assert "\n" not in str(error.value)
    assert crop_size(folder) == (None if key == "settings" else 32)


@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.thinned(5, first=1)
def test_a_setting_of_another_type_is_one_line(tmp_path: Path, value: Any) -> None:
    for settings in ({"method": value}, {"method": SETTINGS | {"width": value}}):
        folder = model_folder(tmp_path, settings=settings)
        if settings == {"method": {}}:
            with pytest.raises(CheckpointError, match=r"(other|larger) networks"):
                load(folder, device="cpu")
            continue
        with pytest.raises(ReskinError):
            load(folder, device="cpu")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda folder: (folder / "config.json").write_text("[" * 100_000), "not readable JSON"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "no JSON object"),
        (lambda folder: (folder / "config.json").write_bytes(b'{"method": "\xff"}'), "not readable JSON"),
        (lambda folder: (folder / "config.json").unlink(), "no run folder"),
        (lambda folder: folder.rename(folder.with_name("gone")), "not there"),
    ],
    ids=["deep", "list", "bytes", "none", "no folder"],
)
def test_a_config_that_cannot_be_read_is_one_line(
    tmp_path: Path, spoil: Callable[[Path], Any], complaint: str
) -> None:
    folder = model_folder(tmp_path / "model")
    spoil(folder)
    with pytest.raises(RunError, match=complaint):
        load(folder, device="cpu")


def test_a_bit_that_is_wrong_in_the_weights_that_translate_is_found(tmp_path: Path) -> None:
    path = RunFolder(model_folder(tmp_path)).checkpoint(3)
    content = bytearray(path.read_bytes())
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    content[length + header["method.gen_a2b.head.weight"]["data_offsets"][0] + 2] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum differs"):
        load(tmp_path, device="cpu")


def test_an_imported_model_translates_only_where_it_has_a_generator(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, source=True, directions=["a2b", "b2a"])
    with pytest.raises(RunError, match="no generator of b2a"):
        load(folder, device="cpu")


def test_a_step_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no checkpoint of step 4. There are: 3"):
        load(model_folder(tmp_path), device="cpu", step=4)
