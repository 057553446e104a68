"""The query string of a request -> a dataclass, which says what each parameter may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from starlette.requests import Request

from lookalike.search_fields import Range, ranges
from serving.http.errors import ApiError

T = TypeVar("T")


def read_query(of: type[T], request: Request) -> T:
    """Read the parameters that are fields of a dataclass; other parameters are ignored.

    A field is a whole number, a number, one of several values (Literal), or a tuple of texts.
    Raises: ApiError 400 that names the parameter.
    """
    texts = request.query_params
    fields = _fields(of).items()
    return of(**{name: _read(name, *field, texts.getlist(name)) for name, field in fields if name in texts})


@cache
def _fields(of: type) -> dict[str, tuple[Any, Range | None]]:
    """The type of each field, and its range if it has one."""
    allowed = ranges(of)
    return {name: (hint, allowed.get(name)) for name, hint in get_type_hints(of).items()}


def _read(name: str, hint: Any, allowed: Range | None, texts: Sequence[str]) -> Any:
    if get_origin(hint) is tuple:
        return tuple(texts)
    if get_origin(hint) is Literal:
        return _choice(name, texts[-1], get_args(hint))
    number = _whole(texts[-1]) if hint is int else _number(texts[-1])
    if number is None or (allowed and not allowed.holds(number)):
        kind = "a whole number" if hint is int else "a number"
        raise _invalid(name, texts[-1], f"{kind} {allowed or ''}".strip())
    return number


def _choice(name: str, text: str, values: Sequence[Any]) -> Any:
    by_text = {str(value): value for value in values}
    if text not in by_text:
        raise _invalid(name, text, f"one of {', '.join(by_text)}")
    return by_text[text]


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _invalid(name: str, text: str, expected: str) -> ApiError:
    return ApiError(400, "bad_request", f"invalid {name}: got {text[:50]!r}, expected {expected}")
