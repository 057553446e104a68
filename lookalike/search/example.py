"""The grammar of examples: what a search points at, as text that fits in a flag, a form field and a URL.

    ID                   a stored frame, or a stored region of one, by the id in a hit
    gate.mp4@12.5        a moment of a recording, seconds; over HTTP, of a stored one, by its source or its source_id
    crop.jpg             a picture; not over HTTP
    picture:ID           a picture that was sent to a service

Each may end in `#x,y,w,h`, the region of it that counts, in pixels or in shares.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lookalike.index import is_frame_id
from lookalike.region import Region

PICTURE = "picture:"
_REGION = re.compile(r"(.*)#([^#@/]*,[^#@/]*)", re.DOTALL)
_MOMENT = re.compile(r"(.+)@(-?\d{1,9}(?:\.\d{1,9})?)", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """text: what is pointed at. region: the part of it that counts; None for all."""

    text: str
    region: Region | None = None

    @classmethod
    def parse(cls, text: str) -> Example:
        """Raises: ValueError for a region that is none."""
        found = _REGION.fullmatch(text)
        return cls(found[1], Region.parse(found[2])) if found else cls(text)

    def __str__(self) -> str:
        """What `parse` reads back."""
        return f"{self.text}#{self.region}" if self.region else self.text

    def within(self, region: Region | None) -> Example:
        """The same, or a region of it. Raises: ValueError if it names another region."""
        if region and self.region:
            raise ValueError(f"{self} names a region, and region is {region}: give one of them")
        return replace(self, region=region) if region else self

    @property
    def frame_id(self) -> str | None:
        return self.text if is_frame_id(self.text) else None

    @property
    def picture_id(self) -> str | None:
        return self.text.removeprefix(PICTURE) if self.text.startswith(PICTURE) else None

    @property
    def moment(self) -> tuple[str, float] | None:
        """A recording and seconds into it, if it may name one; so may the name of a file with an @ in it."""
        found = _MOMENT.fullmatch(self.text)
        return (found[1], float(found[2])) if found else None
