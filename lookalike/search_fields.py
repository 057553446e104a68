"""The fields of a search, apart from its examples: the one definition of each.

Flags, form fields, JSON, the query string, the client and OpenAPI are made from them; their docstrings are the help.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args, get_type_hints

from cyclopts import Parameter

from lookalike.contract import EncoderSpec
from lookalike.errors import QueryError
from lookalike.parts import Weights

By = Literal["moment", "clip"]
MOST_HITS = 1000  # what a person or a script can look through


@dataclass(frozen=True)
class Range:
    """What a number may be. below: the largest is excluded."""

    least: float
    most: float
    below: bool = False

    def holds(self, number: float) -> bool:
        return self.least <= number < self.most if self.below else self.least <= number <= self.most

    def __str__(self) -> str:
        return f"from {self.least:g} to {'below ' if self.below else ''}{self.most:g}"


Names = Annotated[tuple[str, ...], Parameter(negative="")]
Share = Annotated[float, Range(0, 1)]


@dataclass(frozen=True)
class FilterFields:
    """Which stored frames count, as text; all conditions must be met. The fields' docstrings are the help texts."""

    camera: Names = ()
    """Only these cameras; may be repeated."""
    source: Names = ()
    """Only these sources, named as hits name them; may be repeated."""
    since: str | None = None
    """Not before: seconds into the clip, or a date and time (ISO 8601)."""
    until: str | None = None
    """Not after; as since."""
    time_of_day: str | None = None
    """Recorded between these hours, as 22:00-06:00; the second is excluded, and midnight may lie between."""
    zone: str = "UTC"
    """Time zone of the time of day, and of dates that state none, as Europe/Berlin."""


@dataclass(frozen=True)
class SearchOptions:
    """How hits are chosen and weighted. The fields' docstrings are the help texts of flags, and of OpenAPI."""

    top: Annotated[int, Range(1, MOST_HITS)] = 10
    """How many hits to answer."""
    by: By = "moment"
    """What one hit is: neighbouring frames, or all frames of one recording."""
    min_score: Annotated[float, Range(-1, 1)] | None = None
    """Only hits of at least this cosine similarity."""
    min_percentile: Annotated[float, Range(0, 100, below=True)] | None = None
    """Only hits that are more similar than this share of the other frames of their camera, such as 99.5."""
    diverse: Share = 0.0
    """From 0, the most similar hits, to 1: of the similar hits, those that differ from each other."""
    colour: Share | None = None
    """Weight of colour: from 0, the same kind of thing, to 1, the same look. Default: the encoder's."""
    layout: Share | None = None
    """Weight of position, of the rest: from 0, anywhere in the picture, to 1, in the same place. Default: the
    encoder's."""

    def check(self) -> None:
        """Raises: ValueError that names the field, what it is and what was expected."""
        if self.by not in get_args(By):
            raise ValueError(f"invalid by: got {str(self.by)[:50]!r}, expected one of {', '.join(get_args(By))}")
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if value is not None and not allowed.holds(value):
                raise ValueError(f"invalid {name}: got {value:g}, expected {allowed}")

    def weights(self, usual: Weights) -> Weights:
        """The weights of the parts of an embedding. usual: the encoder's own, where none was given."""
        return Weights(
            usual.colour if self.colour is None else self.colour, usual.layout if self.layout is None else self.layout
        )

    def check_parts(self, spec: EncoderSpec) -> None:
        """Raises: QueryError if a weight was given of a part that the encoder does not have."""
        parts = [part.name for part in spec.parts]
        for name in ("colour", "layout"):
            value = getattr(self, name)
            if value is not None and (name not in parts or len(parts) < 2):
                has = " and ".join(parts) if len(parts) > 1 else "one piece"
                raise QueryError(
                    f"cannot weigh {name}: got {value:g} for an encoder of {has}, expected one with {name} as a part of"
                    f" its own. Leave {name} out."
                )


def ranges(of: type) -> dict[str, Range]:
    """The range of each field of a dataclass that has one."""
    hints = get_type_hints(of, include_extras=True)
    return {field.name: found for field in fields(of) if (found := _range(hints[field.name]))}


def _range(hint: object) -> Range | None:
    for part in (hint, *get_args(hint)):
        for note in getattr(part, "__metadata__", ()):
            if isinstance(note, Range):
                return note
    return None


RANGES = ranges(SearchOptions)
USUAL = SearchOptions()
