"""`reskin stylize`: a picture, a folder, the pictures on the way, a trained network, and every mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import OpenerDirector

import numpy as np
import pytest
import torch
from tests.support.drawn_vgg import drawn_vgg

from reskin.cli.main import main
from reskin.images import read_image, write_image
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.methods.description import Preset
from reskin.methods.gatys import Gatys
from reskin.runs import checkpoint
from reskin.storage import write_json
from reskin.video.probe import probe
from reskin.worlds.film import write_footage
from reskin.worlds.footage import Footage

LAYERS = ["--content-layers", "relu2_1", "--style-layers", "relu1_1", "relu2_1", "--style-weight", "1e4"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photograph and two styles of other sizes."""
    chance = np.random.default_rng(0)
    for name, (height, width) in {"photo": (40, 56), "wave": (36, 80), "sky": (33, 33)}.items():
        coarse = chance.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        write_image(tmp_path / f"{name}.png", coarse.repeat(8, 0).repeat(8, 1)[:height, :width])
    return tmp_path


def stylize(folder: Path, *more: str, source: str = "photo.png", style: str = "wave.png") -> int:
    """The command on the drawn weights for three steps, its result in out.png unless told otherwise."""
    words = ["stylize", str(folder / source), "--style", str(folder / style), *LAYERS, "--steps", "3"]
    words += ["--weights", str(drawn_vgg("vgg19")), "--device", "cpu"]
    return main([*words, *([] if "--out" in more else ["--out", str(folder / "out.png")]), *more])


def test_a_picture_keeps_its_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stylize(folder) == 0
    made = read_image(folder / "out.png")
    assert made.shape == (40, 56, 3)
    assert not np.array_equal(made, read_image(folder / "photo.png"))
    said = capsys.readouterr().err
    assert "3/3 steps" in said and f"done: {folder / 'out.png'}" in said and "worked at" not in said
    assert not (folder / "out-steps").exists()


def test_a_smaller_size_to_work_at_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stylize(folder, "--size", "48") == 0
    assert read_image(folder / "out.png").shape == (40, 56, 3)
    assert "worked at 48x34 and enlarged to 56x40" in capsys.readouterr().err
    assert stylize(folder, "--size", "48", "--hires-size", "56", "--hires-steps", "2", "--overwrite") == 0
    said = capsys.readouterr().err
    assert "5/5 steps" in said and "worked at" not in said


def test_a_preset_lies_below_what_is_typed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Gatys.presets, "small", Preset("For this test.", {"size": 48, "keep_colour": True}))
    assert stylize(folder, "--preset", "small") == 0 and "at 48x34" in capsys.readouterr().err
    assert stylize(folder, "--preset", "small", "--size", "50", "--overwrite") == 0
    assert "at 50x36" in capsys.readouterr().err
    assert stylize(folder, "--preset", "smal", "--overwrite") == 2
    assert "Did you mean 'small'?" in capsys.readouterr().err
    assert Gatys.presets["s2w_gatys"].settings == {"size": 256}


def test_pictures_on_the_way_are_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stylize(folder, "--every", "2", "--steps", "5", "--size", "48") == 0
    kept = sorted((folder / "out-steps").iterdir())
    assert [path.name for path in kept] == ["00002.png", "00004.png"]
    assert read_image(kept[0]).shape == (34, 48, 3)
    (folder / "out.png").unlink()
    assert stylize(folder, "--every", "2") == 2
    assert "out-steps is there already. Add --overwrite" in capsys.readouterr().err


def test_transparency_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alpha = np.zeros((40, 56), np.uint8)
    alpha[10:30] = 255
    write_image(folder / "cut.png", read_image(folder / "photo.png"), alpha=alpha)
    assert stylize(folder, "--out", str(folder / "out.jpg"), source="cut.png") == 2
    said = capsys.readouterr().err
    assert "out.jpg cannot keep transparency" in said and "steps" not in said, "refused before the work"
    assert stylize(folder, source="cut.png") == 0


def test_several_styles_a_folder_and_going_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = folder / "pictures"
    for name in ("a.png", "deep/b.png"):
        write_image(pictures / name, read_image(folder / "photo.png"))
    more = [str(folder / "sky.png"), "--style-shares", "2", "1", "--keep-colour"]
    words = ["--out", str(folder / "out"), "--style", str(folder / "wave.png"), *more]
    assert stylize(folder, *words, source="pictures") == 0
    assert read_image(folder / "out" / "deep" / "b.png").shape == (40, 56, 3)
    assert "2 new" in capsys.readouterr().err
    assert stylize(folder, *words, source="pictures") == 0
    assert "0 new, 2 were there" in capsys.readouterr().err
    assert stylize(folder, *words, "--every", "1", source="pictures") == 2
    assert "--every with a folder" in capsys.readouterr().err


@pytest.fixture
def network(folder: Path) -> Path:
    """The folder of a network; any that translates will do, here a CycleGAN that learnt nothing."""
    torch.manual_seed(0)
    model = CycleGAN(CycleGANConfig(width=4, blocks=1, disc_layers=1))
    state = {f"method.{key}": value for key, value in model.state_dict().items()}
    checkpoint.save(folder / "model" / "checkpoints" / "00000000.safetensors", state, {"step": 0})
    settings = {"method": model.config.to_dict(), "data": {}, "train": {}}
    config = {"method": "cyclegan", "directions": ["a2b", "b2a"], "settings": settings}
    write_json(folder / "model" / "config.json", config)
    return folder / "model"


def test_a_network_does_what_translate_does(folder: Path, network: Path) -> None:
    for source, out in (("photo.png", "1.png"), ("photo.png", "2.png")):
        words = [str(folder / source), "--out", str(folder / out), "--device", "cpu"]
        command = ["stylize", *words, "--model", str(network)]
        if out == "2.png":
            command = ["translate", str(network), words[0], words[2], "--device", "cpu"]
        assert main(command) == 0
    assert np.array_equal(read_image(folder / "1.png"), read_image(folder / "2.png"))


@pytest.mark.sweep
def test_a_network_takes_videos_and_folders(folder: Path, network: Path) -> None:
    write_footage(folder / "clip.mp4", Footage("film", seed=1, frames=6, size=(48, 32), scene_frames=6))
    (folder / "pictures").mkdir()
    write_image(folder / "pictures" / "a.png", read_image(folder / "photo.png"))
    for source, out in (("clip.mp4", "out.mp4"), ("pictures", "out")):
        words = ["stylize", str(folder / source), "--model", str(network), "--out", str(folder / out)]
        assert main([*words, "--device", "cpu"]) == 0
    assert probe(folder / "out.mp4").has_sound and (folder / "out" / "a.png").is_file()


@pytest.mark.sweep
def test_a_real_style_network_paints_its_wave(real_data: Path, folder: Path) -> None:
    """Imported as a user would. The print's palette is dark blue to pale yellow: the darker, the bluer."""
    weights = real_data / "weights" / "fast_style_wave_fp16.pth"
    assert main(["import", str(weights), "--out", str(folder / "wave")]) == 0
    source = sorted((real_data / "unpaired" / "horse2zebra" / "testA").iterdir())[0]
    words = ["stylize", str(source), "--model", str(folder / "wave"), "--out", str(folder / "out.png")]
    assert main([*words, "--device", "cpu"]) == 0
    before, after = read_image(source).astype(float), read_image(folder / "out.png").astype(float)
    assert after.shape == before.shape

    def bluer_where_darker(image: np.ndarray) -> float:
        blue = image[..., 2] - image[..., 0]
        return -float(np.corrcoef(blue.ravel(), image.mean(2).ravel())[0, 1])

    assert bluer_where_darker(after) > 0.7 > bluer_where_darker(before)


Mistake = tuple[list[str], str]


def mistakes(folder: Path) -> dict[str, Mistake]:
    """What is typed after `reskin stylize`, and what the answer holds."""
    photo, wave, out = (str(folder / name) for name in ("photo.png", "wave.png", "out.png"))
    weights = ["--weights", str(drawn_vgg("vgg19"))]
    tiny, torn, clip, short = (folder / name for name in ("tiny.png", "torn.png", "clip.mp4", "short.pth"))
    write_image(tiny, np.zeros((31, 90, 3), np.uint8))
    torn.write_bytes(b"\x89PNG\r\n\x1a\n torn")
    clip.write_bytes(b"clip")
    state = torch.load(drawn_vgg("vgg19"), weights_only=True)
    torch.save({key: value for key, value in state.items() if int(key.split(".")[1]) <= 10}, short)
    to = ["--out", out]
    return {
        "neither": ([photo, *to], "neither --style nor --model is given"),
        "no styles": ([photo, *to, "--style"], "neither --style nor --model is given"),
        "both": ([photo, *to, "--style", wave, "--model", "m"], "both --style and --model are given"),
        "no source": ([str(folder / "none.jpg"), *to, "--style", wave], "no file or folder"),
        "no style": ([photo, *to, "--style", "none.jpg"], "none.jpg cannot be opened"),
        "torn": ([photo, *to, "--style", str(torn), *weights], "torn.png is"),
        "tiny": ([photo, *to, "--style", str(tiny), *weights], "tiny.png is only 90x31 px"),
        "video": ([str(clip), *to, "--style", wave], "For a video train fast_style"),
        "no weights": ([photo, *to, "--style", wave, "--weights", "n.pth"], "https://download.pytorch.org"),
        "short": ([photo, *to, "--style", wave, "--weights", str(short)], "--content-layers relu3_1"),
        "shares": ([photo, *to, "--style", wave, *weights, "--style-shares", "1", "2"], "2 style shares"),
        "ending": ([photo, "--out", "x.gif", "--style", wave], "x.gif cannot be written as a picture"),
        "itself": ([photo, "--out", photo, "--style", wave], "is the file that is to be translated"),
        "settings": ([photo, *to, "--model", "m", "--steps", "9"], "--model takes no settings of --style"),
        "file": ([photo, *to, "--model", wave], "reskin import"),
        "no model": ([photo, *to, "--model", str(folder / "none")], "no run folder"),
        "number": ([photo, *to, "--style", wave, "--steps", "0"], "steps"),
        "flag": ([photo, *to, "--styel", wave], "Did you mean '--style'"),
    }


MISTAKES = (
    "neither",
    "no styles",
    "both",
    "no source",
    "no style",
    "torn",
    "tiny",
    "video",
    "no weights",
    "short",
    "shares",
    "ending",
    "itself",
    "settings",
    "file",
    "no model",
    "number",
    "flag",
)


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.thinned(4)
def test_mistakes_are_one_line(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, expected = mistakes(folder)[name]
    assert main(["stylize", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("reskin: ") and said.count("\n") == 1 and expected in said, said
    assert not (folder / "out.png").exists()


def test_weights_that_are_nowhere_name_their_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.delenv("RESKIN_WEIGHTS", raising=False)
    monkeypatch.setenv("RESKIN_CACHE", str(folder / "cache"))
    monkeypatch.setattr(OpenerDirector, "open", refuse)
    words = ["stylize", str(folder / "photo.png"), "--style", str(folder / "wave.png")]
    assert main([*words, "--out", str(folder / "out.png")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "https://download.pytorch.org/models/vgg19" in said and "RESKIN_WEIGHTS" in said


def test_a_loss_that_is_never_finite(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain: Callable[..., object] = Gatys._loss
    monkeypatch.setattr(
        Gatys,
        "_loss",
        lambda *inputs: lambda pixels: plain(*inputs)(pixels) * float("nan"),  # type: ignore[operator]
    )
    assert stylize(folder) == 2
    assert "not finite from the start" in capsys.readouterr().err and not (folder / "out.png").exists()
