"""How fast footage is drawn, and what it asks of a translation from film to game; prints JSON.

python benchmarks/worlds.py [--size 128] [--frames 144]
"""

from __future__ import annotations

import argparse
import json
import time

import cv2
import numpy as np

from reskin.worlds.footage import CLASSES, Footage


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Decibels between two uint8 pictures."""
    error = np.mean((image.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(255**2 / error))


def frames_per_second(size: int, frames: int) -> float:
    """Frames drawn in a second of one core's time, both looks, classes and motion included."""
    list(Footage("film", seed=5, frames=2, size=(size, size)))
    start = time.process_time()
    for _ in Footage("film", seed=3, frames=frames, size=(size, size)):
        pass
    return frames / (time.process_time() - start)


def lab(image: np.ndarray) -> np.ndarray:
    """Float CIELAB of a uint8 RGB picture."""
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def reinhard(image: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The picture with mean and deviation of each CIELAB channel replaced by those of the other side."""
    source = lab(image)
    moved = (source - source.mean((0, 1))) / source.std((0, 1)) * deviation + mean
    return np.clip(cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB) * 255 + 0.5, 0, 255).astype(
        np.uint8
    )


def difficulty(size: int) -> dict[str, float]:
    """Mean PSNR to the truth, on unseen scenes, of three things that are no learned translation."""
    step = slice(None, None, 9)
    game = [frame.image for frame in list(Footage("game", seed=11, frames=288, size=(size, size)))[step]]
    labels = [frame.labels for frame in list(Footage("game", seed=11, frames=288, size=(size, size)))[step]]
    colours = np.stack([np.concatenate([p[m == c] for p, m in zip(game, labels, strict=True)]).mean(0)
                        for c in range(len(CLASSES))])  # fmt: skip
    tones = np.concatenate([lab(picture).reshape(-1, 3) for picture in game])
    scores: dict[str, list[float]] = {"input": [], "reinhard": [], "class_means": []}
    for frame in list(Footage("film", seed=12, frames=288, size=(size, size)))[step]:
        scores["input"].append(psnr(frame.image, frame.other))
        scores["reinhard"].append(psnr(reinhard(frame.image, tones.mean(0), tones.std(0)), frame.other))
        scores["class_means"].append(psnr(colours[frame.labels].round().astype(np.uint8), frame.other))
    return {name: round(float(np.mean(values)), 2) for name, values in scores.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--frames", type=int, default=144)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    speed = round(frames_per_second(options.size, options.frames), 1)
    result = {"size_px": options.size, "frames_per_second": speed, "psnr_to_truth": difficulty(options.size)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
