"""A search request <-> the fields of a form, of JSON, of a query string, or of a call.

A field is added in one place: in `SearchOptions`, or in `FilterFields`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

from lookalike.search.example import Example
from lookalike.search.request import SENT, SearchRequest, named, read_filters
from lookalike.search_fields import USUAL, FilterFields, SearchOptions

_HINTS = get_type_hints(FilterFields) | get_type_hints(SearchOptions)
SEVERAL = ("camera", "source", "like", "unlike")  # may be given more than once
FIELDS = ("id", "at", "region", "like", "unlike", *_HINTS)


def read_pairs(pairs: Iterable[tuple[str, str]], sent: int = 0) -> SearchRequest:
    """Read the fields of a form, of JSON, of a query string, or of a call; one without a value is as if not there.

    sent: how many pictures come with it. Raises: ValueError that names the field.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in FIELDS:
            raise ValueError(f"unknown field {name[:50]!r}, expected one of {', '.join(FIELDS)}")
        if "\0" in value or not _is_unicode(value):
            raise ValueError(f"{name} holds a character that is not text")
        if value:
            given.setdefault(name, []).append(value)
    for name, values in given.items():
        if name not in SEVERAL and len(values) > 1:
            raise ValueError(f"{name} is given {len(values)} times, expected once")
    values = {name: _typed(name, texts) for name, texts in given.items()}
    pointed = [SENT] * sent + [named(name, Example.parse, values[name]) for name in ("id", "at") if name in values]
    filters, options = FilterFields(**_of(FilterFields, values)), SearchOptions(**_of(SearchOptions, values))
    examples = values.get("region"), values.get("like", ()), values.get("unlike", ())
    return SearchRequest.of(pointed, *examples, read_filters(filters), options)


def _of(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values}


def read_values(values: Mapping[str, Any], sent: int = 0) -> SearchRequest:
    """The same of values by name, as JSON and keyword arguments have them."""
    return read_pairs(pairs_of(values), sent)


def pairs_of(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """As a form brings them; None is as if it were not there. Raises: ValueError for what is no text and no number."""
    return [
        (name, _text(name, one))
        for name, value in values.items()
        for one in (value if name in SEVERAL and isinstance(value, list | tuple) else [value])
        if one is not None
    ]


def write_values(request: SearchRequest) -> dict[str, Any]:
    """What `read_values` reads back, without what is usual. Raises: ValueError for filters that have no field."""
    if request.filters.whole or request.filters.source_ids:
        raise ValueError("whole and source_ids cannot be asked of a service")
    hours = request.filters.time_of_day
    values: dict[str, Any] = {
        "region": next((str(one.region) for one in request.like if not one.text and one.region), None),
        "like": [str(one) for one in request.like if one.text],
        "unlike": [str(one) for one in request.unlike],
        "camera": [*request.filters.cameras],
        "source": [*request.filters.sources],
        "since": _written(request.filters.since),
        "until": _written(request.filters.until),
        "time_of_day": str(hours) if hours else None,
        "zone": hours.zone if hours else None,
    }
    for one in dataclasses.fields(SearchOptions):
        value = getattr(request.options, one.name)
        values[one.name] = value if value != getattr(USUAL, one.name) else None
    return {name: value for name, value in values.items() if value not in (None, [])}


def _typed(name: str, texts: list[str]) -> Any:
    """The value of a field, as its type says. Raises: ValueError that names it."""
    if name in SEVERAL:
        return tuple(texts)
    kinds = {_HINTS[name], *get_args(_HINTS[name])} if name in _HINTS else {str}
    if int in kinds:
        return _whole(name, texts[0])
    if float in kinds:
        return _number(name, texts[0])
    return texts[0]


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 10):
        raise ValueError(f"invalid {name}: got {text[:50]!r}, expected a whole number")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"invalid {name}: got {text[:50]!r}, expected a number") from None


def _text(name: str, value: object) -> str:
    """As JSON brings it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"invalid {name[:50]}: got {json.dumps(value)[:50]}, expected a string or a number")  # noqa: TRY004
    return str(value)


def _written(moment: datetime | float | None) -> str | float | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return False
    return True
