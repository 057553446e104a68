"""The fields of a search, from the body and the query string of a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lookalike.search.fields import pairs_of, read_pairs
from lookalike.search.request import SearchRequest
from serving.http.errors import ApiError


def read_request(fields: Iterable[tuple[str, str]], sent: int) -> SearchRequest:
    """sent: how many pictures were uploaded. Raises: ApiError 400 that names the field."""
    try:
        return read_pairs(fields, sent)
    except ValueError as error:
        raise _bad(str(error)) from error


def read_json(body: bytes) -> list[tuple[str, str]]:
    """Read a JSON object as the pairs that a form would bring. Raises: ApiError 400."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise _bad("the body is not a JSON object")
    return _pairs(values)


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    try:
        return pairs_of(values)
    except ValueError as error:
        raise _bad(str(error)) from error


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)
