"""Checkpoints: whole, told apart, and refused when one bit is wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support import small

from reskin.errors import CheckpointError, RunError, StorageError
from reskin.methods.cyclegan import CycleGAN
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.types import Batch, Step

tiny = partial(small.tiny, CycleGAN)


@pytest.fixture(scope="module")
def learnt() -> CycleGAN:
    method = tiny()
    method.training_step(Batch(*torch.rand(2, 1, 3, 32, 32)), Step(1, 1))
    return method


def test_what_is_saved_is_what_is_loaded(tmp_path: Path, learnt: CycleGAN) -> None:
    state = checkpoint.state_of(learnt, Ema(learnt, 0.9))
    checkpoint.save(tmp_path / "deep" / "one.safetensors", state, {"step": 1, "note": "é"})
    loaded, facts = checkpoint.load(tmp_path / "deep" / "one.safetensors")
    assert facts == {"step": 1, "note": "é"}
    assert loaded.keys() == state.keys()
    assert all(loaded[key].equal(state[key]) and loaded[key].dtype == state[key].dtype for key in state)
    part, _ = checkpoint.load(tmp_path / "deep" / "one.safetensors", only=("ema.",))
    assert part.keys() == {key for key in state if key.startswith("ema.")} != set()


@pytest.mark.sweep
def test_any_damaged_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"method.w": torch.arange(4.0), "method.n": torch.tensor(3)}, {"step": 500})
    content = path.read_bytes()
    body = 8 + int.from_bytes(content[:8], "little")
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= (1, 16)[place % 2]
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError) as error:
            checkpoint.load(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
        # Where the file is still well formed only the checksum can tell.
        assert place < body or "checksum differs" in str(error.value)


@pytest.mark.parametrize("length", [0, 7, 8, 60, -1])
def test_a_checkpoint_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"method.w": torch.arange(4.0)}, {"step": 1})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_a_file_of_another_kind_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "none.safetensors")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint of this version"):
        checkpoint.load(tmp_path / "other.safetensors")
    for metadata, complaint in (
        ({"format": "1"}, "checksum"),
        ({"reskin": '{"format": 2, "facts": {}, "sha256": {}}'}, "checksum"),
        ({"reskin": '{"format": 2, "facts": {}}'}, "not whole"),
        ({"reskin": '{"format": 3}'}, "no checkpoint of this version"),
        ({"reskin": "[" * 100_000}, "damaged"),
        ({"reskin": "[]"}, "no checkpoint of this version"),
    ):
        save_file({"w": torch.zeros(1)}, tmp_path / "bare.safetensors", metadata=metadata)
        with pytest.raises(CheckpointError, match=complaint):
            checkpoint.load(tmp_path / "bare.safetensors")


def test_no_pickle_is_written(tmp_path: Path, learnt: CycleGAN) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, checkpoint.state_of(learnt, Ema(learnt, 0.0)), {"step": 1})
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["reskin"])["format"] == checkpoint.FORMAT
    assert "method.gen_a2b.head.weight" in header


@pytest.mark.parametrize(
    ("settings", "difference"),
    [({"blocks": 2}, "gen_a2b.blocks.1"), ({"width": 6}, "size mismatch"), ({"norm": "batch"}, "gen_a2b")],
    ids=str,
)
def test_a_state_of_other_networks_is_refused(
    learnt: CycleGAN, settings: dict[str, Any], difference: str
) -> None:
    other = tiny(**settings)
    with pytest.raises(CheckpointError, match="of other networks") as error:
        checkpoint.restore(other, Ema(other, 0.0), checkpoint.state_of(learnt, Ema(learnt, 0.0)))
    assert difference in str(error.value) and "\n" not in str(error.value)


def test_one_generator_alone_loads_only_where_that_is_wanted(learnt: CycleGAN) -> None:
    state = {f"method.{key}": v for key, v in learnt.state_dict().items() if key.startswith("gen_a2b")}
    other = tiny()
    with pytest.raises(CheckpointError, match="of other networks"):
        checkpoint.load_networks(other, state, "method.")
    checkpoint.load_networks(other, state, "method.", partly=True)
    assert all(
        p.equal(q) for p, q in zip(other.gen_a2b.parameters(), learnt.gen_a2b.parameters(), strict=True)
    )


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow past 64 kB: the system refuses the rest, as a full disk does."""
    if sys.platform == "win32":
        pytest.skip("Windows has no such limit")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_checkpoint_that_the_disk_refuses_is_an_error_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"method.w": torch.ones(4)}, {"step": 1})
    with pytest.raises(StorageError, match=r"no space left to write .*one\.safetensors"):
        checkpoint.save(path, {"method.w": torch.ones(100_000)}, {"step": 2})
    assert checkpoint.load(path)[1] == {"step": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["one.safetensors"]


def test_what_translates_is_compared_with_its_digest_as_well(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    state = {"method.w": torch.arange(4.0), "ema.w": torch.ones(4), "optimizer.x.0.step": torch.tensor(3.0)}
    checkpoint.save(path, state, {"step": 500})
    content = path.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    for name in state:
        damaged = bytearray(content)
        damaged[length + header[name]["data_offsets"][0] + 2] ^= 0x40
        path.write_bytes(damaged)
        if name.startswith("optimizer"):  # it was not read
            assert checkpoint.load(path, only=("method.", "ema."))[0].keys() == {"method.w", "ema.w"}
        else:
            with pytest.raises(CheckpointError, match="checksum differs"):
                checkpoint.load(path, only=("method.", "ema."))
        with pytest.raises(CheckpointError, match="checksum differs"):
            checkpoint.load(path)


def test_a_part_that_was_taken_out_or_put_in_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"method.w": torch.ones(1), "ema.w": torch.ones(1)}, {"step": 1})
    content = path.read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    for state in (
        {"method.w": torch.ones(1)},
        {f"{part}.w": torch.ones(1) for part in ("method", "ema", "x")},
    ):
        save_file(state, path, metadata=metadata)
        with pytest.raises(CheckpointError, match="checksum differs"):
            checkpoint.load(path)


def test_equal_states_give_equal_bytes(tmp_path: Path) -> None:
    state = {f"method.{index}": torch.full((3,), float(index)) for index in range(5)}
    written = set()
    for attempt in range(4):
        path = tmp_path / f"{attempt}.safetensors"
        checkpoint.save(path, dict(reversed(state.items())) if attempt % 2 else state, {"step": 1, "a": 2})
        written.add(path.read_bytes())
    assert len(written) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_checkpoint_may_be_read_by_whom_other_files_may(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        checkpoint.save(tmp_path / "one.safetensors", {"method.w": torch.ones(1)}, {"step": 1})
        (tmp_path / "other").write_text("")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~mask}


def test_a_checkpoint_of_somebody_else_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"method.w": torch.ones(1)}, {"step": 1})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint, "open_plain", refuse)  # permissions do not stop a test that root runs
    for call in (checkpoint.load, checkpoint.shapes):
        with pytest.raises(RunError, match="may not be read") as error:
            call(path)
        assert not isinstance(error.value, CheckpointError) and "damaged" not in str(error.value)


def test_shapes_come_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"method.w": torch.zeros(2, 3), "method.n": torch.tensor(3)}, {"step": 1})
    assert checkpoint.shapes(path) == {"method.w": (2, 3), "method.n": ()}
