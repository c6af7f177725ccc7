"""A grade as a look-up table: the format, and the values at its nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.small import tiny

from reskin.cli.main import main
from reskin.errors import DataError, SettingsError
from reskin.methods.cyclegan import CycleGAN
from reskin.methods.grade import GradeMethod
from reskin.networks.bilateral_grid import BINS, Grade
from reskin.translation.lut import lattice, mean_grade, write_cube


def halved() -> Grade:
    """Grey of brightness v goes to v / 2; colour differences stay."""
    tones = torch.linspace(-0.5, 0.5, BINS).view(1, 1, BINS, 1, 1).expand(1, 3, BINS, 1, 1)
    saturation = torch.ones(1, 1, BINS, 1, 1)
    return Grade(torch.cat([tones, saturation], dim=1), torch.eye(3)[None], torch.ones(3) / 3)


def test_nodes_are_in_order_with_red_fastest() -> None:
    rows = lattice(halved(), 3)
    assert rows.shape == (27, 3)
    assert torch.allclose(rows[0], torch.full((3,), 0.25)) and torch.allclose(rows[13], torch.full((3,), 0.5))
    # Node 1 is (0.5, 0, 0): brightness -2/3 of [-1, 1] goes to -1/3, differences (2/3, -1/3, -1/3) stay.
    assert torch.allclose(rows[1], torch.tensor([2 / 3, 1 / 6, 1 / 6]), atol=1e-4)


def test_the_file_is_a_cube(tmp_path: Path) -> None:
    write_cube(tmp_path / "look.cube", halved(), size=5, title='film "one"\n')
    lines = (tmp_path / "look.cube").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == [
        'TITLE "film one"',
        "LUT_3D_SIZE 5",
        "DOMAIN_MIN 0.0 0.0 0.0",
        "DOMAIN_MAX 1.0 1.0 1.0",
    ]
    values = np.array([[float(word) for word in line.split()] for line in lines[4:]])
    assert values.shape == (125, 3) and values.min() >= 0 and values.max() <= 1
    assert values[0] == pytest.approx([0.25] * 3) and values[-1] == pytest.approx([0.75] * 3)


def test_the_mean_of_an_untrained_grade_is_the_identity_away_from_the_ends() -> None:
    frames = [np.full((8, 9, 3), level, np.uint8) for level in (30, 200)]
    rows = lattice(mean_grade(tiny(GradeMethod), frames, "b2a"), 9).view(9, 9, 9, 3)
    steps = torch.linspace(0, 1, 9)[2:7]
    blue, green, red = torch.meshgrid(steps, steps, steps, indexing="ij")
    assert torch.allclose(rows[2:7, 2:7, 2:7], torch.stack([red, green, blue], dim=-1), atol=1e-4)


def test_what_cannot_be_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="only a grade"):
        mean_grade(tiny(CycleGAN), [np.zeros((8, 8, 3), np.uint8)], "a2b")
    with pytest.raises(DataError, match="no frames"):
        mean_grade(tiny(GradeMethod), [], "a2b")
    with pytest.raises(SettingsError, match=r"\.cube"):
        write_cube(tmp_path / "look.png", halved())
    with pytest.raises(SettingsError, match="66 nodes"):
        lattice(halved(), 66)


def test_the_command_refuses_a_run_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "x.cube"), "--on", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("reskin: ")
