"""What a search names as like or unlike: read from text that fits in a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lookalike.region import Region

_MOMENT = re.compile(r"([0-9a-f]{64})@(\d{1,7}(?:\.\d{1,9})?)")


@dataclass(frozen=True)
class Example:
    """id: of a stored frame, a picture, or a recording. time_s: into that. region: the part that counts."""

    kind: Literal["frame", "picture", "moment"]
    id: str
    time_s: float = 0.0
    region: Region | None = None


def read_example(text: str) -> Example:
    """Read `ID`, `picture:ID` or `moment:SOURCE_ID@12.5`, each optionally with `#x,y,w,h`, a region.

    Raises: ValueError if it is none.
    """
    name, _, part = text.partition("#")
    region = Region.parse(part) if part else None
    kind, colon, rest = name.partition(":")
    if kind == "picture" and colon:
        return Example("picture", rest, region=region)
    if kind == "moment" and colon:
        found = _MOMENT.fullmatch(rest)
        if not found:
            raise ValueError(f"{text[:100]!r} is no moment; expected moment:SOURCE_ID@SECONDS, as in /library")
        return Example("moment", found[1], float(found[2]), region)
    return Example("frame", name, region=region)
