"""Convert a search request from and to the fields of a form, of JSON, of a query string, or of a call.

To add a field, add it to `SearchOptions` or `FilterFields`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

from lookalike.files.printable import is_unicode, short
from lookalike.search.example import Example
from lookalike.search.request import SENT, SearchRequest, named, read_filters
from lookalike.search_fields import USUAL, FilterFields, SearchOptions

_HINTS = get_type_hints(FilterFields) | get_type_hints(SearchOptions)
LONGEST_TEXT = 4096  # characters: a path; to compare names, forms of Unicode are made, in quadratic time at worst
SEVERAL = ("camera", "source", "like", "unlike")  # may be given more than once
FIELDS = ("id", "at", "region", "like", "unlike", *_HINTS)


def read_pairs(pairs: Iterable[tuple[str, str]], sent: int = 0) -> SearchRequest:
    """Read the fields of a form, of JSON, of a query string, or of a call; a field without a value is ignored.

    sent: how many pictures come with the request. Raises: ValueError that names the field.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in FIELDS:
            raise ValueError(f"unknown field {name[:50]!r}, expected one of {', '.join(FIELDS)}")
        if "\0" in value or not is_unicode(value):
            raise ValueError(f"{name} holds a character that is not text")
        if len(value) > LONGEST_TEXT:
            raise ValueError(f"{name} has {len(value):,} characters, expected at most {LONGEST_TEXT:,}")
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
    """Read values by name, as in JSON and keyword arguments. sent, Raises: as `read_pairs`."""
    return read_pairs(pairs_of(values), sent)


def pairs_of(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Convert values to the pairs of a form, without None. Raises: ValueError for other types than text and numbers."""
    return [
        (name, _text(name, item))
        for name, value in values.items()
        for item in (value if name in SEVERAL and isinstance(value, list | tuple) else [value])
        if item is not None
    ]


def write_values(request: SearchRequest) -> dict[str, Any]:
    """Write what `read_values` reads back, without defaults. Raises: ValueError for filters without a field."""
    if request.filters.whole or request.filters.source_ids:
        raise ValueError("whole and source_ids cannot be asked of a service")
    hours = request.filters.time_of_day
    values: dict[str, Any] = {
        "region": next((str(sent.region) for sent in request.like if not sent.text and sent.region), None),
        "like": [str(example) for example in request.like if example.text],
        "unlike": [str(example) for example in request.unlike],
        "camera": [*request.filters.cameras],
        "source": [*request.filters.sources],
        "since": _written(request.filters.since),
        "until": _written(request.filters.until),
        "time_of_day": str(hours) if hours else None,
        "zone": hours.zone if hours else None,
    }
    for field in dataclasses.fields(SearchOptions):
        value = getattr(request.options, field.name)
        values[field.name] = value if value != getattr(USUAL, field.name) else None
    return {name: value for name, value in values.items() if value not in (None, [])}


def _typed(name: str, texts: list[str]) -> Any:
    """Convert the texts of a field to its type. Raises: ValueError that names the field."""
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
    """Convert a JSON value to text. Raises: ValueError that names the field."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        shown = json.dumps(value) if isinstance(value, bool) else short(value)
        raise ValueError(f"invalid {name[:50]}: got {shown}, expected a string or a number")  # noqa: TRY004
    return str(value)


def _written(moment: datetime | float | None) -> str | float | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
