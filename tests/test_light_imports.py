"""What is imported when: training needs few packages, and help needs none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HEAVY = ("av", "cv2", "torchmetrics", "tensorboard")

WITHOUT_THEM = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Blocked())
import logging
from pathlib import Path
import numpy as np
import torch
from PIL import Image
import reskin
from reskin.evaluation.evaluate import evaluate
from reskin.runs.load import load
from reskin.training.start import train_run
from reskin.translation.pictures import translate_image

torch.set_num_threads(1)
chance = np.random.default_rng(0)
for side in "AB":
    for split in ("train", "test"):
        Path(split + side).mkdir()
        for number in range(2):
            levels = chance.integers(0, 256, (32, 40, 3), dtype=np.uint8)
            Image.fromarray(levels).save(f"{{split}}{{side}}/{{number}}.png")
small = dict(width=4, blocks=1, disc_layers=1, crop_size=32, load_size=32, steps=2, device="cpu")
run = train_run("cyclegan", out="run", a=".", b=".", **small)
model = load(run, device="cpu")
translate_image(model, "testA/0.png", "a2b", out="out.png")
scores = evaluate(model, a=".", b=".", truth_a2b="testA")
print(Image.open("out.png").size, sorted(scores))
"""


def python(code: str, folder: Path) -> str:
    """What the code prints in a fresh interpreter that turns warnings into errors."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_training_translating_and_evaluating_pictures_needs_no_video_package(tmp_path: Path) -> None:
    output = python(WITHOUT_THEM.format(heavy=HEAVY), tmp_path)
    assert output.startswith("(40, 32)")
    for name in ("psnr_a2b", "ssim_a2b", "swd_a2b", "cycle_l1_a"):
        assert name in output


def test_importing_what_trains_imports_no_video_package(tmp_path: Path) -> None:
    code = (
        "import sys, reskin, reskin.methods.cyclegan, reskin.training.start, reskin.data.batches\n"
        "import reskin.data.cache, reskin.data.manifest, reskin.curation.split_rules\n"
        "import reskin.curation.prepare.frames\n"
        "import reskin.translation.pictures, reskin.translation.folders\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code, tmp_path).strip() == "[]"


def test_help_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, reskin\n"
        "from reskin.cli.main import main\n"
        "assert main(['--help']) == 0\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'pydantic') if name in sys.modules])"
    )
    assert python(code, tmp_path).splitlines()[-1] == "[]"
