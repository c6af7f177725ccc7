"""One small folder of each kind that reskin reads: datasets, runs, models, translations, what `make` made."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.blind_study import careful, make_study, take_part
from tests.support.drawn_films import shots_film
from tests.support.drawn_vgg import drawn_vgg
from tests.support.fake_faces import RedDetector, film
from tests.support.toy_archives import picture, tar_of

from reskin.cli.main import main
from reskin.errors import StorageError
from reskin.evaluation.blind_study.answers import AnswerStore
from reskin.images import write_image
from reskin.networks.resnet import ResnetGenerator
from reskin.translation import pictures as translation_pictures


def draw_pictures(folder: Path, count: int, *, seed: int) -> Path:
    """A folder of `count` coarse drawn pictures, no two alike."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        write_image(folder / f"{number}.png", np.kron(coarse, np.ones((8, 8, 1), np.uint8)))
    return folder


def run(*words: object) -> None:
    """A command that has to succeed."""
    assert main([str(word) for word in words]) == 0, words


def draw_sources(base: Path) -> None:
    """What the other folders are made from: `pictures`, `others`, two films."""
    draw_pictures(base / "pictures", 12, seed=1)
    draw_pictures(base / "others", 12, seed=2)
    shots_film(base / "film.mp4", [6, 6], seed=3)
    shots_film(base / "game.mp4", [6, 6], seed=4)
    film(base / "faces.mp4", [[(60.0 + number, 60.0, 48)] for number in range(12)])


def make_datasets(base: Path) -> None:
    """`a` and `b` of pictures, screened, balanced, split and inspected; `frames` and `clips` of a film."""
    for name, source in (("a", "pictures"), ("b", "others")):
        run("prepare", "images", base / source, "--out", base / name, "--ratio", "2:1")
    run("screen", base / "a", base / "b", "--apply", "--off", "small")
    run("balance", base / "a", "--by", "brightness", "--above", "0.5", "--ratio", "1:1")
    run("inspect", base / "a", base / "b", "--out", base / "inspect.html")
    run("prepare", "frames", base / "film.mp4", "--out", base / "frames", "--every", "2")
    run("prepare", "clips", base / "film.mp4", "--out", base / "clips", "--count", "2")


def interrupt(words: list[object], module: str, name: str) -> None:
    """A command whose disk is full as soon as `module`.`name` is called: what it keeps meanwhile stays."""
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise StorageError("the disk is full")

        patch.setattr(f"{module}.{name}", refuse)
        assert main([str(word) for word in words]) == 2, words


def interrupted_words(base: Path) -> dict[str, list[object]]:
    """Commands of preparing and splitting whose folder of the same name under `base` is not finished."""
    film = base / "film.mp4"
    faces = ["--count", "4", "--size", "32", "--split", "none", "--every", "1"]
    return {
        "half-images": ["prepare", "images", base / "pictures", "--out", base / "half-images"],
        "half-frames": ["prepare", "frames", film, "--out", base / "half-frames", "--every", "2"],
        "half-clips": ["prepare", "clips", film, "--out", base / "half-clips", "--count", "2"],
        "half-faces": ["prepare", "faces", base / "faces.mp4", "--out", base / "half-faces", *faces],
        "half-split": ["split", base / "half-split", "--ratio", "1:1", "--by", "random", "--again"],
    }


def see_drawn_faces(patch: pytest.MonkeyPatch) -> None:
    """The drawn faces are seen by a detector that only this process has."""
    for module in ("faces", "face_search"):
        patch.setattr(f"reskin.curation.prepare.{module}.open_detector", lambda name: RedDetector())


def make_stopped(base: Path) -> None:
    """What stopped commands go on from: `half-film`, `half-styles` and `half-study`; `compared`, a study of
    a method, a `segmenter`, an `imported` model, and what a download leaves in the `cache`.
    """
    words = study_words(base)
    for name, out in (("compare", "compared"), ("segmenter", "segmenter")):
        run(*(base / out if word == base / "new" else word for word in words[name]))
    run("import", base / "given" / "latest_net_G.pth", "--out", base / "imported")
    run("download", "pix2pix-maps", "--from", base / "given" / "maps.tar.gz", "--out", base / "maps")
    stopped = stopped_words(base)
    interrupt(stopped["half-film"], "reskin.video.writer.VideoWriter", "_mux")
    interrupt(stopped["half-study"], "reskin.workflows.blind_study", "_plan")
    pictures = base / "half-styles"
    with pytest.MonkeyPatch.context() as patch:
        write = translation_pictures.write_image

        def refuse_second(path: Path, *rest: object, **more: object) -> None:
            if path.name.endswith("style2.png"):
                raise StorageError("the disk is full")
            write(path, *rest, **more)  # type: ignore[arg-type]

        patch.setattr(translation_pictures, "write_image", refuse_second)
        assert main([str(word) for word in stopped["half-styles"]]) == 2
    assert (pictures / "new-style1.png").is_file()


def stopped_words(base: Path) -> dict[str, list[object]]:
    """Commands of translating and asking whose folder of the same name under `base` is not finished."""
    cpu = ["--device", "cpu"]
    film, picture = base / "half-film" / "new.mp4", base / "half-styles" / "new.png"
    study = study_words(base)["study-new"]
    return {
        "half-film": ["translate", base / "grade", base / "film.mp4", film, *cpu],
        "half-styles": [
            *("translate", base / "munit", base / "pictures" / "0.png", picture, "--styles", "2", *cpu)
        ],
        "half-study": [base / "half-study" if word == base / "new" else word for word in study],
    }


def make_unfinished(base: Path) -> None:
    """The folders of `interrupted_words`, just before their manifest was to be written."""
    shutil.copytree(base / "a", base / "half-split")
    where = {"half-images": "images", "half-frames": "videos", "half-clips": "videos", "half-faces": "faces"}
    for name, words in interrupted_words(base).items():
        module = f"prepare.{where[name]}" if name in where else "moves"
        interrupt(words, f"reskin.curation.{module}", "write_manifest")


def make_given(base: Path) -> None:
    """`given`: an archive of a standard set, and the weights of somebody else's generator."""
    (base / "given").mkdir(parents=True)
    pictures = {
        f"maps/{part}/{number}.png": picture(number) for part in ("train", "val") for number in range(3)
    }
    (base / "given" / "maps.tar.gz").write_bytes(tar_of(pictures))
    rows = torch.Generator().manual_seed(0)
    network = ResnetGenerator(4, 1)
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    keys = {"stem.0": 1, "down.0": 4, "down.3": 7, "blocks.0.conv1": "10.conv_block.1"}
    keys |= {"blocks.0.conv2": "10.conv_block.5", "up.0": 11, "up.3": 14, "head": 18}
    state = {
        f"model.{theirs}.{kind}": torch.rand(shapes[f"{ours}.{kind}"], generator=rows) - 0.5
        for ours, theirs in keys.items()
        for kind in ("weight", "bias")
    }
    torch.save(state, base / "given" / "latest_net_G.pth")


TINY = {
    "grade": "--load-size 32 --crop-size 28",
    "munit": "--width 4 --disc-width 4 --blocks 1 --mlp-width 8 --load-size 64 --crop-size 64",
    "fast_style": f"--width 4 --blocks 1 --load-size 32 --crop-size 32 --feature-weights {drawn_vgg()}",
}


def train_words(base: Path, method: str, *, steps: int = 2) -> list[str]:
    """The training of a run of few channels in `base`/`method`."""
    folders = ["--a", str(base / "a"), "--b", str(base / "b"), "--out", str(base / method)]
    size = [*TINY[method].split(), "--steps", str(steps), "--sample-every", "2", "--log-every", "1"]
    return ["train", method, *folders, *size, "--device", "cpu", "--save-every", "1"]


def make_runs(base: Path) -> None:
    """The runs `grade` and `munit`, evaluated and reported; `translated` pictures."""
    for method in TINY:
        run(*train_words(base, method))
    run("evaluate", base / "grade", "--a", base / "a", "--b", base / "b", "--metrics", "cycle_l1")
    run("report", base / "grade")
    run("translate", base / "grade", base / "pictures", base / "translated", "--device", "cpu")


def make_made(base: Path) -> None:
    """`made`, by `reskin make`."""
    run(*make_words(base))


def make_words(base: Path) -> list[str]:
    """`reskin make` into `base`/`made`."""
    films = [str(base / "film.mp4"), "--like", str(base / "game.mp4")]
    return [
        "make",
        *films,
        "--out",
        str(base / "made"),
        "--steps",
        "2",
        "--method",
        "grade",
        "--device",
        "cpu",
    ]


def make_asked(base: Path) -> None:
    """`asked`: a blind study of the outputs `one` and `two`, with answers of three raters; `labelled`: photos
    and their labels; `domains`: the known layout with three splits.
    """
    plan = make_study(base / "asked")
    store = AnswerStore(base / "asked" / "study", create=True)
    for invite in store.invite(3):
        take_part(store, plan, invite, careful(plan, lambda trial: trial.item != 0))
    store.close()
    rng = np.random.default_rng(5)
    (base / "labelled" / "labels").mkdir(parents=True)
    for number in range(6):
        ids = np.where(np.add.outer(np.arange(40), np.arange(48)) < 30 + 4 * number, 0, 6).astype(np.uint8)
        photo = np.where(ids[..., None] == 6, (200, 60, 50), (60, 90, 210)) + rng.integers(
            -20, 20, (40, 48, 3)
        )
        write_image(base / "labelled" / "photos" / f"{number}.png", photo.clip(0, 255).astype(np.uint8))
        Image.fromarray(ids).save(base / "labelled" / "labels" / f"{number}.png")
    for seed, domain in enumerate("AB"):
        for split, count in (("train", 3), ("val", 2), ("test", 4)):
            draw_pictures(base / "domains" / f"{split}{domain}", count, seed=10 + seed)


def study_words(base: Path) -> dict[str, list[object]]:
    """Commands of blind studies, comparisons of methods and segmenters, by a name."""
    asked, labelled, domains = base / "asked", base / "labelled", base / "domains"
    outputs = ["--runs", asked / "one", asked / "two", "--a", asked / "a"]
    common = "--load-size 32 --crop-size 28 --device cpu --sample-every 100"
    return {
        "study-new": [
            *("study", "new", base / "new", *outputs, "--items", "4", "--raters", "2", "--device", "cpu")
        ],
        "study-results": ["study", "results", asked / "study", "--csv", "--html"],
        "compare": [
            *("compare", "--methods", "grade", "--seeds", "1", "--steps", "2", "--common", common),
            *("--a", domains, "--b", domains, "--out", base / "new", "--metrics", "swd", "--eval-every", "2"),
        ],
        "segmenter": [
            *("segmenter", "train", "--photos", labelled / "photos", "--labels", labelled / "labels"),
            *("--palette", "street", "--out", base / "new", "--steps", "2", "--size", "40", "--crop", "32"),
            *("--width", "2"),
        ],
    }


class Kept:
    """Folders that are as good as new before every case.

    Args:
        folder: an empty folder; what is kept of `base` lies beside it.
        makers: make what is in `base`, in this order.
    """

    def __init__(self, folder: Path, *makers: Callable[[Path], None]) -> None:
        self.base, self.kept = folder / "base", folder / "kept"
        for make in makers:
            make(self.base)
        shutil.copytree(self.base, self.kept)
        self._names = sorted(path.relative_to(self.kept).as_posix() for path in self.kept.rglob("*"))
        self._stamps: dict[str, tuple[int, ...]] = {}
        shutil.rmtree(self.base)
        self.renew()

    def renew(self) -> None:
        """Undo what the last case has done; what was not touched since the last time stays."""
        if self.base.is_symlink() or not self.base.is_dir():
            _remove(self.base)
            self.base.mkdir()
        for folder, folders, files in os.walk(self.base):
            for name in [*folders, *files]:
                path = Path(folder, name)
                if self._stamps.get(path.relative_to(self.base).as_posix()) != _stamp(path):
                    _remove(path)
            folders[:] = [name for name in folders if os.path.lexists(Path(folder, name))]
        for name in self._names:
            path, kept = self.base / name, self.kept / name
            if not os.path.lexists(path):
                if kept.is_dir():
                    path.mkdir()
                else:
                    shutil.copy2(kept, path)
                self._stamps[name] = _stamp(path)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to, replaced or linked to; of a folder only its permissions."""
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        return (status.st_mode,)
    changes = (status.st_mtime_ns, status.st_ctime_ns, status.st_nlink)
    return (status.st_mode, status.st_ino, status.st_size, *changes)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
