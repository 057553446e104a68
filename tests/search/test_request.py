"""One definition of a search: every field means the same on each surface, and what is wrong is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import pytest
from cyclopts import App

from lookalike.cli.flags import WhichFrames
from lookalike.cli.search import HowMany
from lookalike.index import Filters, TimeOfDay
from lookalike.region import Region
from lookalike.search import Example, SearchRequest
from lookalike.search.fields import FIELDS, read_pairs, read_values, write_values
from lookalike.search.request import SENT, read_filters
from lookalike.search_fields import USUAL, FilterFields, SearchOptions
from serving.http.errors import ApiError
from serving.http.search_fields import read_json, read_request

SOURCE_ID = "a" * 64
LIKE = (Example("x"),)


def asked(**parts: Any) -> SearchRequest:
    return dataclasses.replace(SearchRequest(LIKE), **parts)


# Each field as text, or texts, and what it means next to `like=x`, or alone.
MEANINGS: dict[str, tuple[str | list[str], SearchRequest]] = {
    "id": ("7", asked(like=(Example("7"), *LIKE))),
    "at": ("gate.mp4@12.5", asked(like=(Example("gate.mp4@12.5"), *LIKE))),
    "like": (["y", "z#0,0,.5,1"], asked(like=(*LIKE, Example("y"), Example("z", Region(0, 0, 0.5, 1))))),
    "unlike": (["y"], asked(unlike=(Example("y"),))),
    "camera": (["gate", "yard"], asked(filters=Filters(("gate", "yard")))),
    "source": (["a.mp4"], asked(filters=Filters(sources=("a.mp4",)))),
    "since": ("12.5", asked(filters=Filters(since=12.5))),
    "until": ("2026-01-05T08:00Z", asked(filters=Filters(until=datetime(2026, 1, 5, 8, tzinfo=UTC)))),
    "time_of_day": ("22:00-06:00", asked(filters=Filters(time_of_day=TimeOfDay(22 * 3600, 6 * 3600)))),
    "zone": ("UTC", asked()),
    "top": ("3", asked(options=SearchOptions(top=3))),
    "by": ("clip", asked(options=SearchOptions(by="clip"))),
    "min_score": ("0.5", asked(options=SearchOptions(min_score=0.5))),
    "min_percentile": ("99.5", asked(options=SearchOptions(min_percentile=99.5))),
    "diverse": ("0.25", asked(options=SearchOptions(diverse=0.25))),
    "colour": ("0.75", asked(options=SearchOptions(colour=0.75))),
    "layout": ("0", asked(options=SearchOptions(layout=0.0))),
}


def listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def on_the_command_line(fields: dict[str, list[str]]) -> SearchRequest:
    """By the flags of `lookalike search`."""

    def verb(
        *, id_: str | None = None, at: str | None = None, like: tuple[str, ...] = (), unlike: tuple[str, ...] = (),
        options: HowMany = USUAL, filters: WhichFrames = FilterFields(),  # noqa: B008
    ) -> SearchRequest:  # fmt: skip
        pointed = [Example.parse(text) for text in (id_, at) if text is not None]
        return SearchRequest.of(pointed, None, like, unlike, read_filters(filters), options)

    app = App(result_action="return_value")
    app.default(verb)
    tokens = [
        token for name, values in fields.items() for value in values for token in ("--" + name.replace("_", "-"), value)
    ]
    return app(tokens)


def in_a_form(fields: dict[str, list[str]]) -> SearchRequest:
    return read_request([(name, value) for name, values in fields.items() for value in values], 0)


def in_json(fields: dict[str, list[str]]) -> SearchRequest:
    import json

    body = {name: values if len(values) > 1 else values[0] for name, values in fields.items()}
    return read_request(read_json(json.dumps(body).encode()), 0)


def in_a_url(fields: dict[str, list[str]]) -> SearchRequest:
    return read_request(parse_qsl(urlencode(fields, doseq=True)), 0)


def from_python(fields: dict[str, list[str]]) -> SearchRequest:
    """As the client reads keyword arguments, and as the service reads what it writes of them."""
    request = read_values({name: values if len(values) > 1 else values[0] for name, values in fields.items()})
    return read_values(write_values(request))


SURFACES = [on_the_command_line, in_a_form, in_json, in_a_url, from_python]


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", MEANINGS)
def test_a_field_means_the_same_everywhere(name: str, surface: Callable[[dict[str, list[str]]], SearchRequest]) -> None:
    text, meaning = MEANINGS[name]
    fields = {"like": ["x"]}
    fields[name] = [*fields.get(name, []), *listed(text)]
    assert surface(fields) == meaning


def test_every_field_is_in_the_table() -> None:
    assert set(MEANINGS) == set(FIELDS) - {"region"}  # which needs one example: below


def test_a_region_is_of_the_one_that_is_pointed_at() -> None:
    part = Region(0, 0, 0.5, 1)
    assert read_pairs([("id", "7"), ("region", "0,0,.5,1")]) == SearchRequest((Example("7", part),))
    assert read_pairs([("region", "0,0,.5,1")], sent=1) == SearchRequest((Example("", part),))
    assert read_values(write_values(SearchRequest((Example("", part),))), sent=1).like == (Example("", part),)
    with pytest.raises(ValueError, match=r"two regions: got .*7#0,0,1,1' and region 0,0,0\.5,1"):
        read_pairs([("id", "7#0,0,1,1"), ("region", "0,0,.5,1")])


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_dates_that_state_no_zone_are_of_the_zone(zone: str) -> None:
    written = read_pairs([("like", "x"), ("since", "2026-01-05T08:00"), ("zone", zone)])
    assert written.filters.since == datetime(2026, 1, 5, 8, tzinfo=ZoneInfo(zone))
    stated = read_pairs([("like", "x"), ("until", "2026-01-05T08:00+05:00"), ("zone", zone)])
    assert stated.filters.until == datetime(2026, 1, 5, 3, tzinfo=UTC)
    assert read_values(write_values(written)).filters.since == written.filters.since


@pytest.mark.parametrize(
    ("pairs", "sent"),
    [
        ([], 0),
        ([("id", "7")], 1),
        ([("id", "7"), ("at", "a@1")], 0),
        ([("region", "0,0,1,1"), ("like", "x")], 0),
        ([], 2),
    ],
)
def test_what_is_pointed_at_is_one(pairs: list[tuple[str, str]], sent: int) -> None:
    with pytest.raises(ValueError, match="expected one picture, id or moment, or only `like`"):
        read_pairs(pairs, sent)


def test_a_picture_that_is_sent_is_first() -> None:
    assert read_pairs([("like", "x")], sent=1).like == (SENT, Example("x"))


def test_empty_values_are_as_if_they_were_not_there() -> None:
    assert read_pairs([("id", "7"), ("top", ""), ("camera", ""), ("since", "")]) == SearchRequest((Example("7"),))


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b'{"id": "a", "top": 5}', [("id", "a"), ("top", "5")]),
        (b'{"camera": ["gate", "yard"], "since": 1.5}', [("camera", "gate"), ("camera", "yard"), ("since", "1.5")]),
        (b'{"camera": "gate", "until": null}', [("camera", "gate")]),
    ],
)
def test_json_is_read_as_a_form_would_be(body: bytes, pairs: list[tuple[str, str]]) -> None:
    assert read_json(body) == pairs


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"id": true}', "invalid id: got true, expected a string or a number"),
        (b'{"camera": [{}]}', "invalid camera: got {}, expected a string or a number"),
    ],
)
def test_json_that_is_not_a_search(body: bytes, reason: str) -> None:
    with pytest.raises(ApiError, match=reason) as refusal:
        read_json(body)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("top", "0", "invalid top: got 0, expected from 1 to 1000"),
        ("top", "1001", "invalid top: got 1001"),
        ("top", "2.5", "invalid top: got '2.5', expected a whole number"),
        ("top", "\u0663", "invalid top: got"),  # a digit, in Arabic
        ("since", "yesterday", "since: invalid time 'yesterday'"),
        ("until", "0001-01-01T00:00:00+10:00", "until: date value out of range"),
        ("time_of_day", "noon", "time_of_day: invalid time of day 'noon'"),
        ("zone", "Europe/Atlantis", "zone: invalid time zone 'Europe/Atlantis'"),
        ("by", "day", "invalid by: got 'day', expected one of moment, clip"),
        ("min_score", "high", "invalid min_score: got 'high', expected a number"),
        ("min_score", "2", "invalid min_score: got 2, expected from -1 to 1"),
        ("min_score", "nan", "invalid min_score: got nan"),
        ("min_percentile", "100", "invalid min_percentile: got 100, expected from 0 to below 100"),
        ("diverse", "2", "invalid diverse: got 2, expected from 0 to 1"),
        ("colour", "1.5", "invalid colour: got 1.5, expected from 0 to 1"),
        ("layout", "nan", "invalid layout: got nan"),
        ("unlike", "picture:a#1,2", "unlike: invalid region '1,2'"),
        ("camera", "\ud800", "camera holds a character that is not text"),
        ("camra", "gate", "unknown field 'camra', expected one of id, at, region, like, unlike, camera, source, since"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: str, reason: str) -> None:
    with pytest.raises(ApiError) as refusal:
        read_request([("like", "x"), (field, value)], 0)
    assert refusal.value.status == 400
    assert reason in str(refusal.value)


def test_one_of_a_kind() -> None:
    with pytest.raises(ValueError, match="top is given 2 times, expected once"):
        read_pairs([("like", "x"), ("top", "1"), ("top", "2")])


@pytest.mark.parametrize(
    ("text", "example", "moment"),
    [
        ("7", Example("7"), None),
        ("7#0,0,.5,1", Example("7", Region(0, 0, 0.5, 1)), None),
        ("picture:f0", Example("picture:f0"), None),
        ("FILE.mkv#2@12.5", Example("FILE.mkv#2@12.5"), ("FILE.mkv#2", 12.5)),
        ("FILE.mkv#2", Example("FILE.mkv#2"), None),
        (f"{SOURCE_ID}@12.5#.5,.5,.5,.5", Example(f"{SOURCE_ID}@12.5", Region(0.5, 0.5, 0.5, 0.5)), (SOURCE_ID, 12.5)),
        ("me@home.jpg", Example("me@home.jpg"), None),
    ],
)
def test_examples_are_read(text: str, example: Example, moment: tuple[str, float] | None) -> None:
    assert (Example.parse(text), Example.parse(text).moment) == (example, moment)
    assert Example.parse(str(example)) == example


def test_no_more_examples_than_can_be_decoded() -> None:
    with pytest.raises(ValueError, match="too many examples: got 65 of like, expected at most 64"):
        read_pairs([("like", "7")] * 65)
