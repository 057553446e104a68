"""Search requests as a query string: what is read is written and read again, as JSON, as a form and as a URL."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlencode

from lookalike.search import Example, SearchRequest
from lookalike.search.fields import pairs_of, read_pairs, read_values, write_values
from serving.http.search_fields import read_json
from tests.fuzz.target import Target, refused


def run(data: bytes) -> None:
    """One picture comes with the request if the input begins with `&`."""
    text, sent = data.decode("utf-8", "surrogateescape"), int(data.startswith(b"&"))
    with refused(ValueError):  # as on the command line
        Example.parse(text).moment  # noqa: B018 (it is computed)
    with refused(ValueError):
        request = read_pairs(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"), sent)
        request.filters.conditions()
        _check_round_trips(request, sent)


def _check_round_trips(request: SearchRequest, sent: int) -> None:
    """Raises: AssertionError, also for a request that is refused when it is read again."""
    try:
        values = write_values(request)
        pairs = pairs_of(values)
        again = [
            read_values(values, sent),
            read_pairs(read_json(json.dumps(values).encode()), sent),
            read_pairs(parse_qsl(urlencode(pairs)), sent),
        ]
    except ValueError as error:
        raise AssertionError(f"{request} is refused when it is read again") from error
    assert again == [request] * len(again)


def seeds() -> list[bytes]:
    texts = [
        "id=7&region=0,0,.5,1&top=3&by=clip&min_score=.5&min_percentile=99.5&diverse=.25&colour=.75&layout=0",
        "at=gate.mp4@12.5&like=y&like=z%230,0,.123456789,1&unlike=x&camera=gate&camera=yard&source=a.mp4",
        "&since=12.5&until=2026-01-05T08:00:00.25%2B01:00&time_of_day=22:00-06:00&zone=Europe/Berlin",
        "like=picture:00112233445566778899aabbccddeeff%230,0,9,9&since=2026-01-05&zone=Asia/Tokyo",
        "like=12345678-1234-5678-1234-567812345678&time_of_day=00:00-24:00&camera=%C3%A9",
    ]
    return [text.encode() for text in texts]


TARGET = Target(run, seeds)
