"""What is imported when: training needs few packages, and help needs none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("av", "cv2", "torchmetrics", "tensorboard")

HELP = """
import json, sys
import reskin
from reskin.cli.main import main
assert main(["--help"]) == 0
print(json.dumps([name for name in ("torch", "numpy", "PIL", "pydantic") if name in sys.modules]))
"""
ONE_START = """
import sys

def loaded(names):
    return [name for name in names if name in sys.modules]

found = {{}}
import reskin.methods.cyclegan, reskin.training.start, reskin.data.batches
import reskin.data.cache, reskin.data.manifest, reskin.curation.split_rules
import reskin.curation.prepare.frames
import reskin.translation.pictures, reskin.translation.folders
found["training"] = loaded({heavy!r})

blocked = set({heavy!r})

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Blocked())
import json
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
blocked.discard("cv2")  # colour transfer, which every score stands beside, takes CIELAB from it
scores = evaluate(model, a=".", b=".", truth_a2b="testA")
found["size"], found["scores"] = Image.open("out.png").size, sorted(scores)
print(json.dumps(found))
"""


def fresh(code: str, folder: Path) -> Any:
    """What a fresh interpreter says last, as JSON; warnings are errors in it."""
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
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one interpreter had loaded and could do, stage by stage."""
    return fresh(ONE_START.format(heavy=HEAVY), tmp_path_factory.mktemp("light"))


def test_help_imports_no_torch(tmp_path: Path) -> None:
    assert fresh(HELP, tmp_path) == []


@pytest.mark.sweep
def test_importing_what_trains_imports_no_video_package(found: dict[str, Any]) -> None:
    assert found["training"] == []


@pytest.mark.sweep
def test_training_translating_and_evaluating_pictures_needs_no_video_package(found: dict[str, Any]) -> None:
    assert found["size"] == [40, 32]
    assert {"psnr_a2b", "ssim_a2b", "swd_a2b", "cycle_l1_a"} <= set(found["scores"])
