"""A study that goes on in a folder of somebody else takes nothing in through its stimuli."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.finished_folders import interrupt, make_asked, stopped_words

from reskin.cli.main import main


@pytest.mark.sweep
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")
def test_a_link_or_pipe_among_the_stimuli_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_asked(tmp_path)
    words = stopped_words(tmp_path)["half-study"]
    interrupt(words, "reskin.workflows.blind_study", "_plan")
    stimulus = sorted((tmp_path / "half-study" / "stimuli").glob("*.jpg"))[0]
    stimulus.rename(tmp_path / "outside.jpg")
    before = (tmp_path / "outside.jpg").read_bytes()
    for replace in (lambda: stimulus.symlink_to(tmp_path / "outside.jpg"), lambda: os.mkfifo(stimulus)):
        replace()
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        assert stimulus.name in capsys.readouterr().err.splitlines()[-1]
        stimulus.unlink()
    assert main([str(word) for word in words]) == 0
    assert stimulus.is_file() and (tmp_path / "outside.jpg").read_bytes() == before
