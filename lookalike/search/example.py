"""The grammar of examples, as text that fits in a flag, a form field and a URL.

    ID                   a stored frame or region, by the id of a hit
    gate.mp4@12.5        a moment of a recording, seconds; over HTTP, of a stored one, by its source or its source_id
    crop.jpg             a picture; not over HTTP
    picture:ID           a picture that was sent to a service

Each may end in `#x,y,w,h`, a region in pixels or in shares.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lookalike.index import is_frame_id
from lookalike.region import Region

PICTURE = "picture:"
_MOMENT = re.compile(r"(.+)@(-?\d{1,9}(?:\.\d{1,9})?)", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """text: names a frame, a moment or a picture. region: of it; None for all of it."""

    text: str
    region: Region | None = None

    @classmethod
    def parse(cls, text: str) -> Example:
        """Read an example. Raises: ValueError for an invalid region, or one of nothing."""
        named, mark, region = text.rpartition("#")
        is_region = mark and "," in region and "@" not in region and "/" not in region
        if is_region and not named:
            raise ValueError(f"got the region {text[:50]!r}, expected a picture, an id or a moment before it")
        return cls(named, Region.parse(region)) if is_region else cls(text)

    def __str__(self) -> str:
        """Write the text that `parse` reads back."""
        return f"{self.text}#{self.region}" if self.region else self.text

    def within(self, region: Region | None) -> Example:
        """Return the example, limited to a region. Raises: ValueError if it already names a region."""
        if region and self.region:
            raise ValueError(f"two regions: got {str(self)[:50]!r} and region {region}, expected one of them")
        return replace(self, region=region) if region else self

    @property
    def frame_id(self) -> str | None:
        return self.text if is_frame_id(self.text) else None

    @property
    def picture_id(self) -> str | None:
        return self.text.removeprefix(PICTURE) if self.text.startswith(PICTURE) else None

    @property
    def moment(self) -> tuple[str, float] | None:
        """A recording and seconds into it, if the text may name a moment; a file name with an @ may look like one."""
        match = _MOMENT.fullmatch(self.text)
        return (match[1], float(match[2])) if match else None
