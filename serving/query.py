"""What a search asks for, read from a form, a query string or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from lookalike.index import Choice, Filters
from lookalike.index.ask import GivenWeights
from lookalike.index.frames import EVERY_MOMENT
from lookalike.index.schema import By
from lookalike.region import Region
from serving.example import Example, read_example
from serving.limits import MAX_EXAMPLES, MAX_TOP
from serving.refusals import Refusal

DEFAULT_TOP = 10
SEVERAL = ("camera", "source", "like", "unlike")  # may be given more than once
CHOICE = ("by", "min_score", "min_percentile", "diverse")
WEIGHTS = ("colour", "layout")
FIELDS = ("id", "region", "top", "since", "until", "time_of_day", "zone", *WEIGHTS, *CHOICE, *SEVERAL)
AS_USUAL = GivenWeights()


@dataclass(frozen=True)
class Query:
    """id: a stored frame to compare with, or None. region: the part of it, or of the image, that counts; None for all.

    like, unlike: examples to be nearer to, and further from. choice: which hits, and what one hit is. weights: what
    counts, where it was given.
    """

    id: str | None
    top: int
    filters: Filters
    region: Region | None = None
    like: tuple[Example, ...] = ()
    unlike: tuple[Example, ...] = ()
    choice: Choice = EVERY_MOMENT
    weights: GivenWeights = AS_USUAL


def read_query(fields: Sequence[tuple[str, str]]) -> Query:
    """Read (name, value) pairs; those of SEVERAL may come again and again, an empty value is as if it were not there.

    Raises: Refusal 400, saying which is wrong.
    """
    given: dict[str, list[str]] = {}
    for name, value in fields:
        if name not in FIELDS:
            raise _bad(f"unknown field {name!r}, expected one of {', '.join(FIELDS)}")
        if "\0" in value or not _is_unicode(value):
            raise _bad(f"{name} holds a character that is no text")
        if value:
            given.setdefault(name, []).append(value)
    for name, values in given.items():
        if name not in SEVERAL and len(values) > 1:
            raise _bad(f"{name} is given {len(values)} times, expected once")
    camera, source, like, unlike = (tuple(given.get(name, [])) for name in SEVERAL)
    filters = _filters(given, camera, source)
    examples = _examples("like", like), _examples("unlike", unlike)
    weights = GivenWeights(*(_number(given, name) for name in WEIGHTS))
    return Query(given.get("id", [None])[0], _top(given), filters, _region(given), *examples, _choice(given), weights)


def read_json(body: bytes) -> list[tuple[str, str]]:
    """Read a JSON object as the pairs that a form would bring; a null is as if it were not there.

    Raises: Refusal 400.
    """
    try:
        entries = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is not JSON ({error})") from error
    if not isinstance(entries, dict):
        raise _bad("the body is not a JSON object")
    pairs: list[tuple[str, str]] = []
    for name, value in entries.items():
        values = value if name in SEVERAL and isinstance(value, list) else [value]
        pairs.extend((name, _text(name, one)) for one in values if one is not None)
    return pairs


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad(f"{name} is {json.dumps(value)[:50]}, expected a string or a number")
    return str(value)


def _examples(name: str, texts: tuple[str, ...]) -> tuple[Example, ...]:
    if len(texts) > MAX_EXAMPLES:
        raise _bad(f"{name} is given {len(texts)} times, at most {MAX_EXAMPLES}")
    try:
        return tuple(read_example(text) for text in texts)
    except ValueError as error:
        raise _bad(f"{name}: {error}") from error


def _top(given: dict[str, list[str]]) -> int:
    return read_count("top", given.get("top", [str(DEFAULT_TOP)])[0], MAX_TOP)


def read_count(name: str, text: str, most: int) -> int:
    """A whole number from 1 to `most`. Raises: Refusal 400 that names it."""
    count = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= count <= most:
        raise _bad(f"{name} is {text[:50]!r}, expected a whole number from 1 to {most}")
    return count


def _region(given: dict[str, list[str]]) -> Region | None:
    if "region" not in given:
        return None
    try:
        return Region.parse(given["region"][0])
    except ValueError as error:
        raise _bad(f"region: {error}") from error


def _filters(given: dict[str, list[str]], cameras: tuple[str, ...], sources: tuple[str, ...]) -> Filters:
    since, until, hours = (given.get(name, [None])[0] for name in ("since", "until", "time_of_day"))
    try:
        return Filters.parse(cameras, since, until, sources, hours, given.get("zone", ["UTC"])[0])
    except ValueError as error:
        raise _bad(str(error)) from error


def _choice(given: dict[str, list[str]]) -> Choice:
    by = given.get("by", ["moment"])[0]
    if by not in get_args(By):
        raise _bad(f"by is {by[:50]!r}, expected one of {', '.join(get_args(By))}")
    try:
        least = _number(given, "min_score"), _number(given, "min_percentile")
        return Choice(cast(By, by), *least, _number(given, "diverse") or 0.0)
    except ValueError as error:
        raise _bad(str(error)) from error


def _number(given: dict[str, list[str]], name: str) -> float | None:
    if name not in given:
        return None
    try:
        return float(given[name][0])
    except ValueError:
        raise _bad(f"{name} is {given[name][0][:50]!r}, expected a number") from None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return False
    return True


def _bad(message: str) -> Refusal:
    return Refusal(400, "bad_request", message)
