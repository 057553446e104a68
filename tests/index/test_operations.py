"""What is asked of an engine over HTTP is what an engine can do, and arrives as it was sent."""

from __future__ import annotations

import dataclasses
import inspect
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from lookalike.index import Filters, SourceRecord, StoredFrame, TimeOfDay
from lookalike.index.engine import Engine
from lookalike.index.operations import MAX_POINTS, OPERATIONS, TooMany
from lookalike.index.record import HIT_FIELDS, HitFrame
from lookalike.index.schema import Scored
from tests.index.circle import at, frame

EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)
FRAMES = [StoredFrame.from_frame(frame("a", 1.5, "gate", EIGHT)), StoredFrame.from_frame(frame("b", 0), remote=True)]
HITS = [HitFrame(**{name: getattr(one, name) for name in ("id", *HIT_FIELDS)}) for one in FRAMES]
FILTERS = Filters(("gate",), 5.0, EIGHT, ("a.mp4",), TimeOfDay.parse("22:00-06:00", "Europe/Berlin"), True, ("a", "b"))
RECORDS = [
    SourceRecord("a", "all", "a.mp4", 5, 3, "cut short", "gate", "2026-01-05T08:00:00Z", 1),
    SourceRecord("b", "", "b", 1, 1),
]
UNMARKED = [FRAMES[0], dataclasses.replace(FRAMES[1], remote=False)]


def asked(operation: str, arguments: list[Any]) -> list[Any]:
    """What arrives at the other end."""
    sent = json.loads(json.dumps(OPERATIONS[operation].write(arguments)))
    return OPERATIONS[operation].read(sent, 2)


def answered(operation: str, answer: Any) -> Any:
    code = OPERATIONS[operation].answer
    return code.read(json.loads(json.dumps(code.write(answer))), 2)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_is_a_method_of_an_engine(operation):
    parameters = list(inspect.signature(getattr(Engine, operation)).parameters)
    assert list(OPERATIONS[operation].arguments) == parameters[1:]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("existing", [[one.id for one in FRAMES]]),
        ("scroll", [FILTERS]),
        ("scroll", [Filters()]),
        ("vectors", [Filters(since=EIGHT), 100]),
        ("source_record", ["a", "fps=2"]),
        ("mark_complete", [RECORDS]),
        ("unmark", [["a", "b"]]),
        ("rename", ["a", "a.mp4", "gate", True]),
        ("count", []),
    ],
)
def test_arguments_arrive_as_they_were(operation, arguments):
    assert asked(operation, arguments) == arguments


def test_what_others_add_is_marked():
    """Whatever they say: no path that a client names is opened."""
    frames, vectors = asked("upsert", [FRAMES, at(0, 90)])
    assert frames == [dataclasses.replace(one, remote=True) for one in FRAMES]
    np.testing.assert_array_equal(vectors, at(0, 90))
    assert asked("rename", ["a", "/etc/hostname", "gate", False]) == ["a", "/etc/hostname", "gate", True]


def test_a_query_arrives_as_it_was():
    vector, *rest = asked("nearest", [at(30)[0], 500, FILTERS, None])
    np.testing.assert_array_equal(vector, at(30)[0])
    assert rest == [500, FILTERS, None]


def test_answers_arrive_without_marks():
    """Who asks has no use for the mark of another machine, and cannot open the other machine's recordings either."""
    found = answered("points", {one.id: (vector, one) for one, vector in zip(FRAMES, at(0, 90), strict=True)})
    assert [one for _, one in found.values()] == UNMARKED
    np.testing.assert_array_equal([vector for vector, _ in found.values()], at(0, 90))
    assert answered("scroll", FRAMES) == UNMARKED
    frames, vectors = answered("vectors", (FRAMES, at(0, 90)))
    assert frames == UNMARKED
    np.testing.assert_array_equal(vectors, at(0, 90))


def test_scores_and_records_arrive_as_they_were():
    scored = [Scored(HITS[0], 0.75), Scored(HITS[1], -0.5)]
    assert answered("nearest", scored) == scored
    assert answered("existing", {"b", "a"}) == {"a", "b"}
    assert [answered("source_record", one) for one in (RECORDS[0], None)] == [RECORDS[0], None]
    assert answered("source_records", RECORDS) == RECORDS
    assert (answered("count", 7), answered("upsert", None)) == (7, None)


def test_as_many_of_each_and_not_too_many():
    sent = OPERATIONS["upsert"].write([FRAMES, at(0)])
    with pytest.raises(ValueError, match=r"^got 2 frames and 1 vectors, expected as many of each$"):
        OPERATIONS["upsert"].read(sent, 2)
    with pytest.raises(TooMany, match=rf"^{MAX_POINTS + 1} ids in one request, at most {MAX_POINTS}$"):
        asked("existing", [[FRAMES[0].id] * (MAX_POINTS + 1)])
