"""Streams that are closed, full, ended early or of few letters; signals; names that hold escapes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reskin.cli import streams
from reskin.cli.main import main
from reskin.images import write_image

pytestmark = pytest.mark.usefixtures("usual_signals")

posix = pytest.mark.skipif(sys.platform == "win32", reason="shell redirections of POSIX")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A shell command in which $R is reskin."""
    root = Path(__file__).parents[2]
    settings = (
        os.environ | {"PYTHONPATH": str(root / "src"), "R": f"{sys.executable} -m reskin"} | environment
    )
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=settings, capture_output=True, text=True, check=False
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        write_image(tmp_path / "a" / f"{number}.png", np.full((32, 32, 3), 60 * number, np.uint8))
    return tmp_path


@posix
@pytest.mark.parametrize("command", ["--help", "download"])
@pytest.mark.thinned(2)
def test_a_reader_that_ends_early_is_no_error(tmp_path: Path, command: str) -> None:
    done = shell(f"$R {command} | head -1; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1


@pytest.mark.sweep
@posix
def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = shell("$R download --json >&-", tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr.startswith("reskin: standard output cannot be written") and done.stderr.count("\n") == 1
    )


@posix
@needs_full
@pytest.mark.parametrize("command", ["--help", "--version", "download", "download --help"])
@pytest.mark.thinned(4, first=2)
def test_a_full_standard_output_is_one_line(tmp_path: Path, command: str) -> None:
    done = shell(f"$R {command} >/dev/full", tmp_path)
    assert done.returncode == 2
    assert "standard output cannot be written (No space left on device)" in done.stderr
    assert done.stderr.count("\n") == 1


@posix
@needs_full
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&- 2>&- <&-"])
@pytest.mark.thinned(3)
def test_work_is_done_whatever_becomes_of_messages(pictures: Path, where: str) -> None:
    done = shell(f"$R prepare images a --out o {where}", pictures)
    assert done.returncode == 0, done.stderr
    assert len(list((pictures / "o").rglob("*.png"))) == 3


@posix
@pytest.mark.sweep
def test_letters_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    done = shell("$R download", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stderr == ""
    (tmp_path / "grün").mkdir()
    done = shell("$R runs grün", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "gr\\xfcn" in done.stderr


def test_names_cannot_speak_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "x\x1b[31m\x1b]0;title\x07\nreskin: done\x9b2J\u202egnp"
    assert main(["translate", str(tmp_path / evil), str(tmp_path / evil), "out"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\\x1b[31m" in said and "\\nreskin: done\\x9b2J\\u202e" in said
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)


def test_results_and_tables_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    streams.show("a\x1b[1m\nb")
    streams.show_text("a\x1b[1m\nb")
    streams.show_text(streams.table_text(("run",), [("[red]\x1b]0;t\x07x\ny[/red]",)]))
    assert capsys.readouterr().out == "a\\x1b[1m\\nb\na\\x1b[1m\nb\nrun\n[red]\\x1b]0;t\\x07x\\ny[/red]\n"


def test_bytes_that_are_no_text_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", os.fsdecode(b"caf\xe9")]) == 2
    assert "caf\\udce9" in capsys.readouterr().err


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
@pytest.mark.thinned(3)
def test_a_signal_ends_a_command_in_one_line(tmp_path: Path, name: str, code: int) -> None:
    """The command waits for a pipe that nobody writes to; the signal is sent when it says that it waits."""
    program = (
        "import sys, time\n"
        "from reskin.cli import doctor, main\n"
        "def wait(words):\n"
        "    print('waits', flush=True)\n"
        "    time.sleep(60)\n"
        "doctor.run = wait\n"
        "sys.exit(main.main(['doctor']))\n"
    )
    events = tmp_path / "events.jsonl"
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "RESKIN_PROGRESS": str(events)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "waits\n"
        child.send_signal(getattr(signal, name))
        said = child.stderr.read()
        assert child.wait() == code
    assert said == f"reskin: stopped by {name}. Run the same command again to go on.\n"
    last = json.loads(events.read_text().splitlines()[-1])
    assert last["code"] == code and last["error"]["code"] == "InterruptedRunError"


@pytest.mark.sweep
@posix
def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    done = shell("trap '' HUP; $R --version; kill -HUP $$; $R --version", tmp_path)
    assert done.returncode == 0 and done.stdout.count("reskin") == 2


@posix
def test_an_interrupt_while_modules_are_loaded_is_quiet(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "import reskin.cli.start as start\n"
        "class Kill:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'reskin.cli.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Kill())\n"
        "start.main()\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGINT and done.stderr == ""


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_threads_sleep_soon_unless_the_user_has_chosen(given: dict[str, str], spins: str) -> None:
    program = (
        "import os, sys, types\n"
        "import reskin.cli.start as start\n"
        "assert 'torch' not in sys.modules, 'its threads would know nothing of it'\n"
        "sys.modules['reskin.cli.main'] = types.SimpleNamespace(main=lambda: 0)\n"
        "start.main()\n"
        "print(os.environ.get('GOMP_SPINCOUNT'))\n"
    )
    own = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")} | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == spins, done.stderr


def test_offline_refuses_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESKIN_OFFLINE", "")  # so that it is taken away afterwards
    words = ["download", "horse2zebra", "--out", str(tmp_path / "set"), "--offline"]
    assert main(words) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("reskin: ") and "--offline" in line
    assert not (tmp_path / "set").exists()


def test_nothing_prints_past_the_streams() -> None:
    folder = Path(streams.__file__).parent
    assert not [file.name for file in folder.glob("*.py") if " print(" in file.read_text(encoding="utf-8")]
