"""The fields of a search, except its examples.

Flags, form fields, JSON, the query string, the client and OpenAPI are made from them. Their docstrings are the help.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args, get_type_hints

from cyclopts import Parameter

from lookalike.contract import EncoderSpec
from lookalike.errors import QueryError
from lookalike.files.printable import short
from lookalike.parts import Weights

By = Literal["moment", "clip"]
MOST_HITS = 1000  # that a search returns


@dataclass(frozen=True)
class Range:
    """The valid range of a number. below: whether `most` is excluded."""

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
    """Filters on stored frames, as text; a frame must meet all of them. The fields' docstrings are the help texts."""

    camera: Names = ()
    """Only these cameras; may be repeated."""
    source: Names = ()
    """Only these sources, named as hits name them; may be repeated."""
    since: str | None = None
    """Not before: seconds into the recording, or a date and time (ISO 8601)."""
    until: str | None = None
    """Not after: seconds into the recording, or a date and time (ISO 8601)."""
    time_of_day: str | None = None
    """Recorded between these times of day, such as 22:00-06:00; the second is excluded. May include midnight."""
    zone: str = "UTC"
    """Time zone of the time of day, and of dates without one, such as Europe/Berlin."""


@dataclass(frozen=True)
class SearchOptions:
    """How hits are chosen and weighted. The fields' docstrings are the help texts of flags, and of OpenAPI."""

    top: Annotated[int, Range(1, MOST_HITS)] = 10
    """How many hits to return."""
    by: By = "moment"
    """One hit per moment (neighbouring frames), or per recording (clip)."""
    min_score: Annotated[float, Range(-1, 1)] | None = None
    """Only hits of at least this cosine similarity."""
    min_percentile: Annotated[float, Range(0, 100, below=True)] | None = None
    """Only hits of at least this percentile among the other frames of their camera, such as 99.5."""
    diverse: Share = 0.0
    """From 0, the most similar hits, to 1, hits that differ from each other among the similar ones."""
    colour: Share | None = None
    """Weight of colour: from 0, the same kind of thing, to 1, the same look. Default: the encoder's."""
    layout: Share | None = None
    """Weight of layout in the rest: from 0, anywhere in the picture, to 1, in the same place. Default: the
    encoder's."""

    def check(self) -> None:
        """Check all fields. Raises: ValueError that names the field, its value and what was expected."""
        if self.by not in get_args(By):
            raise ValueError(f"invalid by: got {short(self.by)!r}, expected one of {', '.join(get_args(By))}")
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if value is not None and not allowed.holds(value):
                raise ValueError(f"invalid {name}: got {value:g}, expected {allowed}")

    def weights(self, usual: Weights) -> Weights:
        """Return the weights of the parts of an embedding. usual: the encoder's own, for weights that are None."""
        return Weights(
            usual.colour if self.colour is None else self.colour, usual.layout if self.layout is None else self.layout
        )

    def check_parts(self, spec: EncoderSpec) -> None:
        """Check that the encoder has each part that has a weight. Raises: QueryError."""
        parts = [part.name for part in spec.parts]
        for name in ("colour", "layout"):
            value = getattr(self, name)
            if value is not None and (name not in parts or len(parts) < 2):
                has = " and ".join(parts) if len(parts) > 1 else "no parts"
                raise QueryError(
                    f"cannot weight {name}: got {value:g} for an encoder with {has}, expected an encoder with the part"
                    f" {name}. Leave out {name}."
                )


def ranges(of: type) -> dict[str, Range]:
    """Return the range of each field of a dataclass that has one, by name."""
    hints = get_type_hints(of, include_extras=True)
    return {field.name: allowed for field in fields(of) if (allowed := _range(hints[field.name]))}


def _range(hint: object) -> Range | None:
    for part in (hint, *get_args(hint)):
        for note in getattr(part, "__metadata__", ()):
            if isinstance(note, Range):
                return note
    return None


RANGES = ranges(SearchOptions)
USUAL = SearchOptions()
