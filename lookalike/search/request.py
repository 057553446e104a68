"""A search request: examples, filters and options. `fields` reads it from text and writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lookalike.index.filters import Filters
from lookalike.region import Region
from lookalike.search.example import Example
from lookalike.search_fields import FilterFields, SearchOptions

MOST_EXAMPLES = 64  # of `like` and of `unlike`; each may have to be decoded
SENT = Example("")  # the picture that comes with a request
ONE_OF = "expected one picture, id or moment, or only `like`, which may name regions itself"
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class SearchRequest:
    """A search for hits that are like some examples, and unlike others.

    like: at least one; SENT stands for a picture that comes with the request.
    Raises: ValueError if `like` is empty, for more than MOST_EXAMPLES of either, or for options out of range.
    """

    like: tuple[Example, ...]
    unlike: tuple[Example, ...] = ()
    filters: Filters = field(default_factory=Filters)
    options: SearchOptions = field(default_factory=SearchOptions)

    def __post_init__(self) -> None:
        self.options.check()
        if not self.like:
            raise ValueError(f"nothing to look for: {ONE_OF}")
        for name in ("like", "unlike"):
            if (count := len(getattr(self, name))) > MOST_EXAMPLES:
                raise ValueError(f"too many examples: got {count} of {name}, expected at most {MOST_EXAMPLES}")

    @classmethod
    def of(
        cls,
        pointed: Sequence[Example],
        region: str | None,
        like: Iterable[str],
        unlike: Iterable[str],
        filters: Filters,
        options: SearchOptions,
    ) -> SearchRequest:
        """Make a request of texts.

        pointed: the picture, id or moment to search by; may be empty if there is `like`. region: of it.
        Raises: ValueError that names the field.
        """
        more = [tuple(_example(name, text) for text in texts) for name, texts in (("like", like), ("unlike", unlike))]
        if len(pointed) > 1 or (not pointed and (region or not more[0])):
            raise ValueError(f"got {len(pointed)} pictures, ids and moments{' and a region' * bool(region)}; {ONE_OF}")
        part = named("region", Region.parse, region) if region else None
        first = tuple(named("region", example.within, part) for example in pointed)
        return cls((*first, *more[0]), more[1], filters, options)


def _example(name: str, text: str) -> Example:
    return named(name, Example.parse, text)


def named(name: str, read: Callable[[T], U], value: T) -> U:
    """Call `read` with a value. Raises: ValueError that also names the field."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def read_filters(fields: FilterFields) -> Filters:
    """Parse filters. Raises: ValueError that names the field."""
    return Filters.parse(fields.camera, fields.since, fields.until, fields.source, fields.time_of_day, fields.zone)
