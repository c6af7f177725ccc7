"""Drawn footage with everything known about it: classes, motion, and the same moment in the other look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import get_args

import numpy as np

from reskin.errors import SettingsError
from reskin.worlds.looks import develop, lens
from reskin.worlds.materials import CLASSES, Look
from reskin.worlds.scene import make_scene
from reskin.worlds.seasons import SEASONS, Season
from reskin.worlds.stage import Stage, flow_of, lay

__all__ = ["CLASSES", "SEASONS", "Footage", "Look", "Season", "WorldFrame"]

SMALLEST_PX, LARGEST_PX = 32, 1024
"""Limits of each edge of a frame."""


@dataclass(frozen=True)
class WorldFrame:
    """One frame and the truth about it.

    Attributes:
        image: (H, W, 3) uint8 RGB in the look that was asked for.
        other: (H, W, 3) uint8 RGB, the same moment in the other look: what a translation should give.
        labels: (H, W) uint8 class ids; `CLASSES[id]` is the name.
        flow: (H, W, 2) float32 pixels, x before y: how far each pixel moves until the next frame. Zero in the
            last frame of a scene.
        scene: number of the scene, from 0; it changes at a cut.
        is_last: the scene (or the footage) ends here, so `flow` leads nowhere.
        season: that of the film picture.
    """

    image: np.ndarray
    other: np.ndarray
    labels: np.ndarray
    flow: np.ndarray
    scene: int
    is_last: bool
    season: Season


@dataclass(eq=False)
class Footage:
    """A street in one of two looks: houses, trees, people and cars, a panning camera, cuts between scenes.

    Each frame is a pure function of these values and its index. Footage of one seed shows the same scenes in
    either look; footage of two seeds shows different ones, so two such clips are truly unpaired.

    Attributes:
        look: "game" (flat and bright) or "film" (dusk, textured surfaces, lit windows, grain).
        seed: 0 or more.
        frames: how many frames there are, 1 or more.
        size: (width, height) in pixels, each from 32 to 1024.
        frame_rate: frames per second.
        scene_frames: frames from one cut to the next.
        seasons: of the film, scene by scene, again from the first after the last. The game has none, so all
            of `SEASONS` make a domain B in four looks for one domain A.

    Raises:
        SettingsError: a value is out of range.

    >>> footage = Footage("film", seed=1, frames=48, size=(64, 48))
    >>> frame = footage.frame(40)
    >>> frame.image.shape, frame.flow.shape, frame.scene, len(footage)
    ((48, 64, 3), (48, 64, 2), 1, 48)
    """

    look: Look
    _: KW_ONLY
    seed: int
    frames: int
    size: tuple[int, int] = (128, 128)
    frame_rate: Fraction = Fraction(24)
    scene_frames: int = 36
    seasons: Sequence[Season] = ("autumn",)

    def __post_init__(self) -> None:
        self._check()
        _check_seasons(self.seasons)
        self.size = (int(self.size[0]), int(self.size[1]))
        self.frame_rate, self.seasons = Fraction(self.frame_rate), tuple(self.seasons)
        self._light = lens(self.size)
        self._fine = 3 if min(self.size) <= 192 else 2
        self._stages: dict[Season, Stage] = {}

    def _check(self) -> None:
        """Refuse what cannot be drawn."""
        if self.look not in get_args(Look):
            what = f"no look '{self.look}' for drawn footage"
            raise SettingsError(what, f"Known: {', '.join(get_args(Look))}.")
        if self.seed < 0:
            raise SettingsError(f"drawn footage got the seed {self.seed}", "Take a seed of 0 or more.")
        if self.frames < 1 or self.scene_frames < 1:
            what = f"drawn footage of {self.frames} frames in scenes of {self.scene_frames}"
            raise SettingsError(what, "Both numbers must be 1 or more.")
        if len(self.size) != 2 or not all(SMALLEST_PX <= side <= LARGEST_PX for side in self.size):
            asked = "x".join(str(side) for side in self.size)
            fix = f"Width and height must each be {SMALLEST_PX} to {LARGEST_PX} pixels."
            raise SettingsError(f"drawn footage cannot be {asked}", fix)
        if self.frame_rate <= 0:
            rate = self.frame_rate
            raise SettingsError(f"drawn footage got {rate} frames per second", "Take a rate above 0.")

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[WorldFrame]:
        return (self.frame(index) for index in range(self.frames))

    def frame(self, index: int) -> WorldFrame:
        """The frame with this number.

        Args:
            index: 0 to `len(footage) - 1`.

        Raises:
            IndexError: there is no such frame.
        """
        scene = index // self.scene_frames
        return self._draw(index, self.seasons[scene % len(self.seasons)])

    def in_seasons(self, index: int) -> dict[Season, np.ndarray]:
        """What the film shows at this moment in each season: everything a translation of it may give.

        Args:
            index: 0 to `len(footage) - 1`.

        Returns:
            Season to (H, W, 3) uint8 RGB; they differ in colours alone, down to the same grain.

        Raises:
            IndexError: there is no such frame.
        """
        frames = {season: self._draw(index, season) for season in SEASONS}
        return {season: f.image if self.look == "film" else f.other for season, f in frames.items()}

    def _draw(self, index: int, season: Season) -> WorldFrame:
        import cv2

        if not 0 <= index < self.frames:
            raise IndexError(f"frame {index} of footage with {self.frames} frames")
        scene, time = divmod(index, self.scene_frames)
        is_last = time == self.scene_frames - 1 or index == self.frames - 1
        stage, (width, height), fine = self._stage_of(scene, season), self.size, self._fine

        canvas = lay(stage.placed(time), (width * fine, height * fine))
        centres = canvas[fine // 2 :: fine, fine // 2 :: fine, 6:]
        flow = np.zeros((height, width, 2), np.float32)
        if not is_last:
            flow = flow_of(centres[..., 1], stage.motions(time))
        # Drawn finer than shown, so that averaging gives smooth edges.
        pictures = cv2.resize(canvas, self.size, interpolation=cv2.INTER_AREA)
        game = np.ascontiguousarray(pictures[..., :3])
        grain = np.random.default_rng([self.seed, scene, 2, time])
        film = develop(np.ascontiguousarray(pictures[..., 3:6]), self._light, grain, season=season)
        image, other = (game, film) if self.look == "game" else (film, game)
        labels = np.ascontiguousarray(centres[..., 0])
        return WorldFrame(image, other, labels, flow, scene, is_last, season)

    def _stage_of(self, scene: int, season: Season) -> Stage:
        """The painted pieces of a scene; for each season the one that was used last is kept."""
        key = (self.seed, scene)
        if season not in self._stages or self._stages[season].key != key:
            aspect = self.size[0] / self.size[1]
            layout = make_scene(self.seed, scene, aspect=aspect, num_frames=self.scene_frames)
            self._stages[season] = Stage(layout, key=key, size=self.size, fine=self._fine, season=season)
        return self._stages[season]


def _check_seasons(seasons: Sequence[str]) -> None:
    """Refuse an empty list and seasons that there are not."""
    strange = [season for season in seasons if season not in SEASONS]
    if isinstance(seasons, str) or strange or not seasons:
        asked = f"the season '{strange[0]}'" if strange and not isinstance(seasons, str) else repr(seasons)
        raise SettingsError(
            f"drawn footage got {asked} as its seasons", f'Give some of {SEASONS}, as in seasons=("winter",).'
        )
