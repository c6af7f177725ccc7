"""Pictures in which only faces are translated: cut out and put back as in a film, each picture by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reskin.errors import DataError, ImageError, SettingsError
from reskin.faces.detectors import Face, FaceDetector
from reskin.faces.identity import ALIKE, look_of, similarity
from reskin.faces.orientation import detect_turned
from reskin.faces.smoothing import edge_of, matrix_of
from reskin.faces.tracks import rounded
from reskin.images import Picture, read_image_alpha, write_image
from reskin.inference.engine import Engine
from reskin.inference.rendering import blend
from reskin.progress import Report
from reskin.translation.face_plan import LEAST_HEIGHT_PX, LEAST_MEAN_SCORE, Cut, PlacedFace
from reskin.translation.face_search import FilmFaces
from reskin.translation.film import Film, FilmOptions
from reskin.translation.pictures import mask_for
from reskin.translation.targets import check_target
from reskin.video.survey import Shot


class PictureFaces:
    """The faces of pictures, and what translates them.

    Args:
        engine: the model, the way it is to translate, and on what; one style, and a mask that limits the
            change further.
        film: its `faces` say which; work size, detail and strength are as in a film.
        detector: finds faces; None for the one that the options name.

    Attributes:
        shown: how many pictures had a face that was translated.

    Raises:
        WeightsError: there is no such detector.
        ImageError, DataError: the picture of the person to follow cannot be read or shows no face.
        SettingsError: several styles are asked for.
    """

    def __init__(self, engine: Engine, film: FilmOptions, detector: FaceDetector | None = None) -> None:
        assert film.faces is not None, "the options say which faces"
        if engine.rendering.parts != ("",):
            fix = "Give --styles 1 or one --style and no --save-masks."
            raise SettingsError("faces are translated in one style, without masks of the method", fix)
        self.engine = engine
        self.finder = FilmFaces.open(film.faces, detector)
        self.film = Film(engine, replace(film, steady=0.0, has_bars=False), [Shot(0)])
        self.film.take_faces(lambda number, picture: self._placed)
        self.shown = 0
        self._placed: Sequence[PlacedFace] = ()
        self._found: dict[Path, list[PlacedFace]] = {}

    def identity(self) -> str:
        """64 hex digits that change with everything but the picture that could change the result."""
        options = self.film.options
        facts = [self.engine.identity(), repr(self.film.framing), self.film.face_size, options.kept_detail]
        facts += [options.strength, str(self.finder.options.only), *self.finder.facts()]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def search(self, paths: Sequence[Path], report: Report, *, are_all: bool = True) -> None:
        """Find the wanted faces of pictures and keep where they lie, for `translate`.

        Args:
            paths: the pictures; those that cannot be read are passed over, and named by whoever reads them.
            report: called after each picture.
            are_all: whether there are no others that may hold the wanted face.

        Raises:
            DataError: there is no face in any of them, or nobody who looks like the one that is wanted.
        """
        most, seen = 0.0, 0
        for number, path in enumerate(paths):
            try:
                faces = self._faces(read_image_alpha(path)[0])
            except ImageError:
                continue
            seen += len(faces)
            self._found[path], alike = self._wanted(faces)
            most = max(most, alike)
            report(number + 1, len(paths), what="pictures searched for faces")
        if are_all and paths and not any(self._found.values()):
            raise self._nobody(str(paths[0]) if len(paths) == 1 else f"{len(paths)} pictures", seen, most)

    def translate(
        self, path: Path, picture: Picture, mask: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """The picture with its faces translated, (H, W, 3) uint8; the same pixels where it has none.

        Args:
            path: its file, whose faces `search` has found.
            picture: (H, W, 3) uint8.
            mask: (H, W), 0 to 1, where it may change at all.

        Raises:
            ImageError: the faces do not fit the device's memory.
        """
        self._placed = self._found.pop(path, ())
        if not self._placed:
            return picture
        self.shown += 1
        made = self.film.single(picture)
        return made if mask is None else blend(picture, made, mask)

    def _faces(self, picture: Picture) -> list[tuple[Face, float]]:
        """The faces of a picture, each with its similarity to the one that is wanted."""
        like, found = self.finder.like, list[tuple[Face, float]]()
        for face in map(rounded, detect_turned(self.finder.detector, picture)):
            if face.score >= LEAST_MEAN_SCORE and face.box[3] >= LEAST_HEIGHT_PX:
                found.append((face, 1.0 if like is None else similarity(look_of(picture, face), like)))
        return found

    def _wanted(self, faces: list[tuple[Face, float]]) -> tuple[list[PlacedFace], float]:
        """Where the wanted faces lie, and the similarity of the one that is most alike."""
        chosen = [face for face, alike in faces if alike >= ALIKE]
        if self.finder.options.only == "largest" and chosen:
            chosen = [max(chosen, key=lambda face: face.box[2] * face.box[3])]
        cut = Cut(self.film.framing, self.film.face_size)
        poses = [cut.pose(face) for face in chosen]
        placed = [
            PlacedFace(number, matrix_of(pose, cut.size), 1.0)
            for number, pose in enumerate(poses)
            if edge_of(pose) > 1
        ]
        return placed, max((alike for _, alike in faces), default=0.0)

    def _nobody(self, where: str, seen: int, most: float) -> DataError:
        if not seen:
            return DataError(
                f"no face was found in {where}", "Leave --faces out to translate whole pictures."
            )
        return DataError(
            f"nobody in {where} looks like the face in {self.finder.options.only} "
            f"(the nearest is alike by {most:.2f}, wanted {ALIKE:.2f})",
            "Give a picture that shows the person under the same light, or --only all or largest.",
        )


def translate_faces(
    faces: PictureFaces, path: Path, out: Path, *, report: Report, overwrite: bool = False
) -> None:
    """A picture file in which only the faces are translated, upright, its transparency kept.

    Args:
        faces: which, and what translates them.
        path: the picture.
        out: where it is written, in the format of the name's ending.
        report: called when it was searched.
        overwrite: replace `out` if it is there.

    Raises:
        DataError: there is no face, or nobody who looks like the one that is wanted.
        ImageError: the source cannot be read or does not fit the memory, or `out` cannot hold it.
        SettingsError: `out` is the source, or is there already; a mask is missing or of another size.
        StorageError: the disk refuses the write.
    """
    check_target(path, out, overwrite=overwrite)
    picture, alpha = read_image_alpha(path)
    mask = mask_for(faces.engine.rendering, path, picture)
    faces.search([path], report)
    write_image(out, faces.translate(path, picture, mask), alpha=alpha)
