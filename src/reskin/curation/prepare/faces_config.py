"""Settings for cutting faces out of videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from reskin.config import BASIC, Settings
from reskin.curation.split_rules import Ratio
from reskin.framing import Align, DetectorName, Framing

FaceSplit = Literal["block", "source", "shot", "none"]


class FacesConfig(Settings):
    """Which faces to take, how to cut them, and how to split them."""

    count: Annotated[int, BASIC] = Field(default=1000, ge=1)
    """Take this many faces, spread evenly over the videos and over time; fewer where fewer are found."""
    size: Annotated[int, BASIC] = Field(default=128, ge=16, le=2048)
    """Edge of the square pictures, in px."""
    margin: float = Field(default=0.25, ge=0.0, le=2.0)
    """Room around the face, as a share of its height."""
    align: Annotated[Align, BASIC] = "landmarks"
    """Turn and scale each face so that eyes, nose and mouth coincide (landmarks), or cut a square (box)."""
    faces: Annotated[Literal["one", "all"], BASIC] = "one"
    """Take the largest good face of a frame, or all good ones."""
    only: Annotated[Path | None, BASIC] = None
    """Take the faces of one person only, whom this picture shows: a frame of these videos, or a picture
    that this command made of them. Who is who is guessed from how faces look."""
    every: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Look at every Nth frame; where nothing is chosen, about four frames for each face that is wanted."""
    search_every: int = Field(default=3, ge=1)
    """Search the whole of every Nth frame looked at; in between, faces are followed."""
    sure: float = Field(default=0.8, ge=0.5, le=1.0)
    """The detector must be this sure of a face, from 0.5 to 1."""
    smallest: int = Field(default=40, ge=8)
    """The least height of a face in the frame, in px."""
    sharpness: float = Field(default=0.04, ge=0.0)
    """The least sharpness, on the scale of `reskin screen --blur`: 0 (blurred) to about 1; 0 takes all."""
    brightness: float = Field(default=20.0, ge=0.0, lt=255.0)
    """The least mean brightness of a face, from 0 to 255."""
    turned: float = Field(default=0.9, gt=0.0)
    """How far a face may be turned away: 0 is straight ahead, at 1 the nose is below an eye."""
    outside: float = Field(default=0.4, ge=0.0, le=1.0)
    """How much of a picture may lie beyond the frame, as a share; it is filled by reflection, and the
    manifest says how much. Of the face itself at most 0.15 may."""
    per_shot: int | None = Field(default=None, ge=1)
    """Take at most this many faces from one shot."""
    per_track: int | None = Field(default=None, ge=1)
    """Take at most this many pictures of one face while it is followed without a break."""
    split: Annotated[FaceSplit, BASIC] = "block"
    """Part train, val and test by segments of time (block), videos (source), shots (shot), or not (none)."""
    ratio: Ratio = "8:1:1"
    """Shares of train:test or train:val:test."""
    format: Literal["png", "jpg"] = "png"
    """Format of the pictures: png loses nothing, jpg is smaller."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    """Fill the interlaced frames of a video, one for each: where they are marked and seen to be combed
    (auto), all of them (on), or none (off)."""
    seed: int = 0
    """Decides which segments, shots or videos are held out."""
    detector: DetectorName = "auto"
    """What finds the faces: yunet (with landmarks), dlib (without; needs reskin[faces]), or what there is."""
    licence: Annotated[str | None, BASIC] = None
    """What the videos may be used for, in your words; kept in the manifest."""
    consent: Annotated[str | None, BASIC] = None
    """Whether the people who are shown agreed, in your words; kept in the manifest."""

    def making(self) -> dict[str, Any]:
        """The settings that decide what the pictures are: all but the words about licence and consent, and
        without the name of a picture on this machine."""
        words = ("licence", "consent", "only")
        return {key: value for key, value in self.to_dict().items() if key not in words}

    def framing(self) -> Framing:
        """How the pictures show their faces."""
        return Framing(margin=self.margin, align=self.align)
