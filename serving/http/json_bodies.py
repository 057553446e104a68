"""Bodies of JSON, bounded by what they hold and not only by their size: a parser makes an object of each value.

35 MB of short keys are 4 million objects, and no thread runs while they are made.
"""

from __future__ import annotations

from typing import Any

import orjson

from serving.http.errors import ApiError

MAX_VALUES = 100_000  # parsed within some ten milliseconds
_MARKS = b",:[{"  # one of them comes before each value but the first


def load_object(body: bytes) -> dict[str, Any]:
    """Parse the JSON of one object.

    Raises: ApiError 400 if it is not JSON, or not an object; 413 for more than MAX_VALUES values.
    """
    if count_values(body) > MAX_VALUES:
        raise ApiError(413, "too_large", f"the body holds more than {MAX_VALUES:,} values")
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "bad_request", f"the body is not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise ApiError(400, "bad_request", "the body is not a JSON object")
    return entries


def count_values(body: bytes) -> int:
    """How many values JSON holds at most, keys included; the marks inside strings count as well."""
    return sum(body.count(mark) for mark in _MARKS)
