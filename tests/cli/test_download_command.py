"""`reskin download` from words to a folder; what needs no network."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from reskin.cli import download
from reskin.curation.download import catalog
from reskin.errors import SettingsError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG")
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name in ("trainA/1.png", "trainB/2.png", "testB/3.png"):
            opened.writestr(f"horse2zebra/{name}", data.getvalue())
    return path


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert download.run([]) == 0
    said = capsys.readouterr().out
    assert "horse2zebra" in said and "edges2shoes" in said and "needs a login" in said
    assert download.run(["--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} >= {"maps", "pix2pix-maps", "ae_photos", "night2day", "cityscapes"}


def test_an_archive_from_this_disk(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    unpinned = replace(catalog.SETS["horse2zebra"], sha256="")
    monkeypatch.setitem(catalog.SETS, "horse2zebra", unpinned)
    words = ["horse2zebra", "--from", str(archive), "--out", str(tmp_path / "h2z"), "--json"]
    assert download.run(words) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["counts"] == {"testB": 1, "trainA": 1, "trainB": 1}
    assert "remembered for next time" in said.err
    assert download.run(words) == 0
    assert "was there already" in capsys.readouterr().err


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing: --out\. Type: reskin download maps"):
        download.run(["maps"])
    with pytest.raises(SettingsError, match="Did you mean 'maps'"):
        download.run(["mapss", "--out", str(tmp_path / "x")])
    with pytest.raises(SettingsError, match="login"):
        download.run(["cityscapes", "--out", str(tmp_path / "x")])
