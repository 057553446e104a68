"""The fields of a search -> their JSON schemas, from the dataclasses that define them."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser import parse_from_object

from lookalike.search_fields import FilterFields, Range, SearchOptions, ranges

_EXAMPLE = "the id of a hit, SOURCE@SECONDS or picture:ID, each with #x,y,w,h for a part of it, in shares"
_POINTED: dict[str, Any] = {
    "id": {"type": "string", "description": "What to look for, instead of a picture: a stored frame"},
    "at": {"type": "string", "description": "The same: a moment of a stored recording, as SOURCE@SECONDS"},
    "region": {"type": "string", "description": "The part of it that counts: x,y,w,h in pixels, or in shares"},
    "like": {"type": "array", "items": {"type": "string"}, "description": f"What to be nearer to: {_EXAMPLE}"},
    "unlike": {"type": "array", "items": {"type": "string"}, "description": f"What to be further from: {_EXAMPLE}"},
}


def search_schema() -> dict[str, dict[str, Any]]:
    """By name."""
    return _POINTED | {name: schema for of in (FilterFields, SearchOptions) for name, schema in _properties(of).items()}


def _properties(of: type) -> dict[str, dict[str, Any]]:
    hints, allowed = get_type_hints(of), ranges(of)
    texts = {one.arg_name: one.description or "" for one in parse_from_object(of).params}
    return {
        field.name: _schema(hints[field.name], allowed.get(field.name))
        | {"description": " ".join(texts[field.name].split())}
        | ({"default": field.default} if field.default not in (None, ()) else {})
        for field in dataclasses.fields(of)
    }


def _schema(hint: Any, allowed: Range | None) -> dict[str, Any]:
    if get_origin(hint) in (types.UnionType, Union):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": [*get_args(hint)]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": {"type": "string"}}
    name = {int: "integer", float: "number", str: "string"}[hint]
    if allowed is None:
        return {"type": name}
    excluded = {"exclusiveMaximum": True} if allowed.below else {}
    return {"type": name, "minimum": allowed.least, "maximum": allowed.most} | excluded
