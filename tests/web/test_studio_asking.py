"""Facts of commands are asked once, by a process that outlives a studio that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reskin.cli.methods import facts
from reskin.errors import RunError
from reskin.holders import holder
from reskin.storage import write_json
from reskin.web.studio import methods
from reskin.web.studio.asking import folder_of
from reskin.web.studio.methods import Known, Methods
from reskin.web.studio.state import StateFolder

SLOW = """
import json, sys, time
from pathlib import Path
asked = Path("asked")
asked.write_text(asked.read_text() + "x" if asked.exists() else "x")
while not Path("go").exists():
    time.sleep(0.02)
print(json.dumps({"fact": "y"}))
"""
STUDIO = """
import sys
from pathlib import Path
from reskin.web.studio.methods import Known
Known(Path("state/methods.json"), [sys.executable, "-c", Path("slow.py").read_text()], Path(".")).all()
"""


def known(folder: Path, code: str) -> Known:
    return Known(folder / "state" / "methods.json", [sys.executable, "-c", code], folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a studio keeps what it was told."""
    (tmp_path / "state").mkdir()
    return tmp_path


def test_an_answer_is_kept_for_its_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "_version", lambda: "one")
    assert known(folder, "print('{\"a\": 1}')").all() == {"a": 1}
    assert known(folder, "raise SystemExit(3)").all() == {"a": 1}
    monkeypatch.setattr(methods, "_version", lambda: "two")
    assert known(folder, "print('{\"a\": 2}')").all() == {"a": 2}
    assert holder(folder_of(folder / "state" / "methods.json")) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('reskin: no such thing')", "no such thing"),
        ("print('no JSON')", "failed"),
        ("print('[]')", "failed"),
    ],
)
def test_an_answer_that_is_none_is_an_error_and_not_kept(folder: Path, code: str, said: str) -> None:
    asked = known(folder, code)
    with pytest.raises(RunError, match=said):
        asked.all()
    assert not asked.path.exists()


@pytest.mark.sweep
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_studio_after_one_that_was_killed_waits_for_the_same_answer(folder: Path) -> None:
    """Each start asked once more: studios killed twenty times left twenty processes that imported torch."""
    (folder / "slow.py").write_text(SLOW)
    for _ in range(3):
        studio = subprocess.Popen([sys.executable, "-c", STUDIO], cwd=folder, start_new_session=True)
        end = time.monotonic() + 120
        while holder(folder_of(folder / "state" / "methods.json")) is None or not (folder / "asked").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(studio.pid, signal.SIGKILL)
        studio.wait()
    (folder / "go").write_text("")
    assert known(folder, "raise SystemExit(3)").all() == {"fact": "y"}
    assert (folder / "asked").read_text() == "x"
    assert json.loads((folder / "state" / "methods.json").read_text())["facts"] == {"fact": "y"}


def test_only_methods_that_are_trained_have_a_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gatys et al. optimise one picture: nothing of it is trained, and its page was an error."""
    state = StateFolder(tmp_path)
    state.make()
    monkeypatch.setattr(methods, "_version", lambda: "one")
    known = {name: json.loads(json.dumps(facts(name))) for name in ("cyclegan", "gatys")}
    write_json(state.methods, {"of": "one", "facts": known})
    assert list(Methods(state).all()) == ["cyclegan"]
