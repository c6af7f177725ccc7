"""Small films for the tests of preparing: what each frame looks like is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE = Fraction(25)


def write_film(path: Path, pictures: Sequence[np.ndarray], *, gop: int = 8) -> Path:
    """A clip of these pictures, RGB uint8 (H, W, 3), at 25 frames a second."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "4", "g": str(gop), "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def shots_film(path: Path, lengths: Sequence[int], *, seed: int = 0, bars: int = 0) -> Path:
    """A clip of shots of these lengths, of up to 48 frames; bars are black."""
    rng = np.random.default_rng(seed)
    pictures = []
    for length in lengths:
        coarse = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        world = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
        for number in range(length):
            picture = world[number : number + 48, number : number + 64].copy()
            if bars:
                picture[:bars] = picture[-bars:] = 0
            pictures.append(picture)
    return write_film(path, pictures)


def everything(out: Path) -> dict[str, bytes]:
    """All files of a folder by their paths, but for the lock."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def becomes(out: Path, wanted: dict[str, bytes]) -> bool:
    """Whether a folder holds just this, soon: a worker of a killed run may be at its last picture."""
    for _ in range(100):
        if everything(out) == wanted:
            return True
        time.sleep(0.1)
    return False
