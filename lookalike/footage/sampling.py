"""Which frames of a video are taken, as one value that can be written down and read back."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

Regions = Literal["auto", "motion", "grid"]


@dataclass(frozen=True)
class Sampling:
    """All frames, unless something is set. Images are always taken.

    The fields' docstrings are the help texts of the flags.
    """

    fps: float | None = None
    """Frames taken from each second of video, the first in each 1/fps; else all."""
    keyframes: Annotated[bool, Parameter(negative="")] = False
    """Take only frames that the recording holds whole, which are quick to decode."""
    scene_cuts: Annotated[bool, Parameter(negative="")] = False
    """Take the first frame of each scene; in addition to what --fps takes, if given."""
    motion: float | None = None
    """Of those, take only frames where at least this share of the picture moves, such as .01."""
    dedupe: float | None = None
    """Store frames that follow each other once, with their span, while the cosine to the first is this, such as .98."""
    regions: Regions | None = "auto"
    """Store parts of each frame next to the whole, so that a crop finds them. motion: up to three in which something
    moves. auto: the same while the camera stands still, that is while no more than a third of the picture moves or is
    close to something that moves; none of images, and with --keyframes or --dedupe. grid: nine that overlap. none:
    whole frames only."""

    def __post_init__(self) -> None:
        """Let `auto` store no regions between key frames, and none of a frame that stands for many."""
        if self.regions == "auto" and (self.keyframes or self.dedupe):
            object.__setattr__(self, "regions", None)

    def check(self) -> None:
        """Raises: ValueError that names the flag, what it is and what was expected."""
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise ValueError(f"--fps is {self.fps:g}, expected more than 0")
        if self.motion is not None and not 0 < self.motion < 1:
            raise ValueError(f"--motion is {self.motion:g}, expected a share of the picture such as .01")
        if self.dedupe is not None and not 0 < self.dedupe <= 1:
            raise ValueError(f"--dedupe is {self.dedupe:g}, expected a cosine such as .98")
        if self.keyframes and (self.scene_cuts or self.motion or self.regions == "motion"):
            raise ValueError("--keyframes leaves out what cuts and motion are seen by; give one of them")
        if self.dedupe and self.regions:
            raise ValueError("--dedupe stores one frame for many, whose regions differ; give it or --regions")

    def __str__(self) -> str:
        """What is set, as `fps=2,motion=0.01`; `all` if nothing is. `parse` reads it back.

        No regions are not written, as in indexes that were filled before there was `auto`.
        """
        return ",".join(_written(field.name, getattr(self, field.name)) for field in self._given()) or "all"

    @classmethod
    def parse(cls, text: str) -> Sampling:
        """Read what `str` wrote. Raises: ValueError if it is something else."""
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        settings: dict[str, float | bool | str | None] = {"regions": None}
        for part in [] if text == "all" else text.split(","):
            name, _, value = part.partition("=")
            if name not in kinds:
                raise ValueError(f"invalid sampling {text!r}: got {name!r}, expected some of {', '.join(kinds)}")
            settings[name] = (value if name == "regions" else float(value)) if value else True
        sampling = cls(**settings)  # pyright: ignore[reportArgumentType]
        sampling.check()
        return sampling

    def _given(self) -> list[dataclasses.Field]:
        return [field for field in dataclasses.fields(self) if getattr(self, field.name)]


def _written(name: str, value: float | bool | str) -> str:
    if value is True:
        return name
    return f"{name}={value if isinstance(value, str) else repr(value).removesuffix('.0')}"


ALL = Sampling(regions=None)  # every frame, as a whole
USUAL = Sampling()  # what is taken of footage if nothing is said
