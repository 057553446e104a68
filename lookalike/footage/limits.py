"""Limits on what one file may cost the machine. Beyond them it is refused, or read up to the limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits of one source. Pictures are limited by pixels.MAX_PIXELS, uploads by serving/http/limits.py.

    The fields' docstrings are the help texts of the flags. Fields without a flag: frame_pixels: of a video, checked
    before it is decoded. image_bytes: of a still, also inside a zip. zip_members: files of one zip.
    zip_directory_bytes: of its list of files, which is read whole.
    """

    max_frames: int = 50_000_000
    """Frames decoded of one file; the frames before are kept. Live streams have no limit."""
    max_hours: float = 31 * 24.0
    """Hours of one file; the frames before are kept."""
    frame_pixels: Annotated[int, Parameter(parse=False)] = 128_000_000
    image_bytes: Annotated[int, Parameter(parse=False)] = 256 * MIB
    zip_members: Annotated[int, Parameter(parse=False)] = 1_000_000
    zip_directory_bytes: Annotated[int, Parameter(parse=False)] = 256 * MIB

    def check(self) -> None:
        """Check the flags. Raises: ValueError that names the flag, its value and what was expected."""
        if self.max_frames < 1:
            raise ValueError(f"--max-frames is {self.max_frames}, expected 1 or more")
        if not self.max_hours > 0:
            raise ValueError(f"--max-hours is {self.max_hours:g}, expected more than 0")


LIMITS = Limits()
