"""One contract, every engine: whatever is below, an index answers the same."""

from __future__ import annotations

import dataclasses
import math
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from qdrant_client import QdrantClient

from lookalike.errors import IndexStoreError
from lookalike.index import Filters, FrameIndex, SourceRecord, TimeOfDay, calibration, open_index
from lookalike.index.calibration import SAMPLE, ScoreCalibrator
from lookalike.index.record import HitFrame, StoredFrame
from lookalike.index.server.engine import ServerEngine
from lookalike.region import Region
from lookalike.search_fields import SearchOptions
from tests.index.circle import SPEC, at, frame, write_circle_encoder
from tests.index.server.real_qdrant import IMAGE, own_collection, real_qdrant, why_none
from tests.serving.running import ROOT, bentoml_env, served

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
]
QUERY = at(0)[0]
EIGHT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that owns an index and takes frames."""
    home = tmp_path_factory.mktemp("service")
    encoder = write_circle_encoder(home / "circle.onnx")
    settings = {"LOOKALIKE_ENCODER": encoder, "LOOKALIKE_INDEX": home / "index", "LOOKALIKE_WRITABLE": "1"}
    with served("serving.service:Lookalike", bentoml_env(home, settings), ROOT, home / "log") as client:
        yield str(client.base_url)


def emptied(location) -> FrameIndex:
    opened = open_index(location, SPEC, create=True)
    opened._engine.delete(Filters())
    opened._engine.unmark({one.source_id for one in opened.source_records()})
    return opened


@pytest.fixture(scope="module")
def qdrant():
    with real_qdrant() as url, own_collection(url) as collection:
        yield collection


@pytest.fixture(params=["embedded", "server", "service"] + ([] if why_none() else ["qdrant"]))
def index(request, tmp_path):
    if request.param == "embedded":
        opened = open_index(tmp_path / "index", SPEC, create=True)
    elif request.param in ("service", "qdrant"):
        opened = emptied(request.getfixturevalue(request.param))
    else:
        # The client's local mode answers as a server does, but is good for unit tests only: it scans every point,
        # ignores payload indexes, and is unsafe from several threads.
        opened = FrameIndex(ServerEngine(QdrantClient(":memory:"), "frames", SPEC.space, SPEC.dim, create=True), SPEC)
    with opened:
        yield opened


def test_a_real_server_keeps_the_contract():
    """Its tests are those below with `qdrant` in their names."""
    if why := why_none():
        pytest.skip(f"NOT TESTED AGAINST {IMAGE}: {why}")


def found(index, filters: Filters) -> set[str]:
    """The sources of all frames that meet the conditions."""
    return {scored.frame.source_id for scored in index._engine.nearest(QUERY, 100, filters)}


def test_what_was_added_is_there(index):
    frames = [frame("a", 0), frame("a", 1), frame("b", 0)]
    index.add(frames, at(0, 90, 45))
    assert index.count() == 3
    np.testing.assert_allclose(index.vector(frames[1].id), at(90)[0], atol=1e-6)
    assert index._engine.existing([frames[0].id, str(uuid.uuid4()), frames[2].id]) == {frames[0].id, frames[2].id}


def test_an_empty_index_has_no_hits(index):
    assert (index.count(), index.search(QUERY)) == (0, [])


def test_the_nearest_come_first_with_their_cosine(index):
    frames = [frame("a", 0), frame("b", 10), frame("c", 20), frame("d", 30)]
    index.add(frames, at(50, 10, 180, -30))
    scored = index._engine.nearest(QUERY, 3, Filters())
    assert [one.frame.id for one in scored] == [frames[1].id, frames[3].id, frames[0].id]
    expected = [math.cos(math.radians(angle)) for angle in (10, 30, 50)]
    assert [one.score for one in scored] == pytest.approx(expected, abs=1e-6)


def test_all_that_is_known_of_a_frame_is_stored(index):
    """The run that it stands for ends half a minute later. What is not known is None."""
    run = dataclasses.replace(
        frame("a", 12.5, "gate", EIGHT),
        size_px=(1280, 720),
        luma=80.5,
        scene=3,
        fault="frozen",
        end_us=42_500_000,
        stands_for=61,
    )
    index.add([run, frame("b", 0)], at(0, 90))
    stored = {fields.source_id: fields for fields in index.frames()}
    hit_fields = {"id": run.id, "source": "gate/a.mp4", "source_id": "a", "camera": "gate", "time_s": 12.5}
    hit_fields |= {"end_s": 42.5, "stands_for": 61, "captured_at": "2026-01-05T08:00:00Z", "region": None}
    assert stored["a"] == StoredFrame(
        **hit_fields,
        pts_us=12_500_000,
        width=1280,
        height=720,
        luma=80.5,
        scene=3,
        fault="frozen",
        ended_at="2026-01-05T08:00:30Z",
        utc_day_s=8 * 3600,
    )
    unknown = (getattr(stored["b"], name) for name in ("captured_at", "ended_at", "utc_day_s", "scene", "fault"))
    assert list(unknown) == [None] * 5
    dated, _ = index._engine.nearest(QUERY, 2, Filters())
    assert dated.frame == HitFrame(**hit_fields)


def test_adding_again_changes_nothing(index):
    frames = [frame("a", 0), frame("b", 10)]
    index.add(frames, at(0, 90))
    before = index.search(QUERY)
    assert index.missing(frames) == []
    index.add(frames, at(0, 90))
    assert index.count() == 2
    assert index.search(QUERY) == before


def test_a_point_stored_again_is_replaced(index):
    index.add([frame("a", 0, "gate")], at(0))
    index.add([frame("a", 0, "dock")], at(90))
    assert index.count() == 1
    (scored,) = index._engine.nearest(at(90)[0], 5, Filters())
    assert (scored.frame.camera, scored.score) == ("dock", pytest.approx(1, abs=1e-6))


def test_missing_are_those_not_stored_each_once(index):
    """Two copies of one photograph in a folder are one frame."""
    stored, new, other = frame("a", 0), frame("b", 0), frame("c", 0)
    index.add([stored], at(0))
    missing = index.missing([new, stored, dataclasses.replace(new, source="copy.jpg"), other])
    assert [one.source for one in missing] == [new.source, other.source]


def test_a_finished_source_is_known_by_its_content_and_its_sampler(index):
    whole, cut = (
        SourceRecord("a", "fps=2", "gate/a.mp4", 120, 120),
        SourceRecord("b", "all", "gate/b.mp4", 7, 7, "ends at 0.3 s"),
    )
    index.mark_complete([whole, cut])
    assert index.source_record("a", "fps=2") == whole
    assert index.source_record("b", "all") == cut
    assert index.source_record("a", "all") is None
    assert index.source_record("c", "fps=2") is None
    moved = dataclasses.replace(whole, source="archive/a.mp4")
    index.mark_complete([moved])
    assert index.source_record("a", "fps=2") == moved


def test_a_source_takes_another_name_and_another_camera(index):
    index.add([frame("a", 0, "gate"), frame("a", 5, "gate"), frame("b", 0, "gate")], at(0, 1, 2))
    known = SourceRecord("a", "all", "gate/a.mp4", 2, 2)
    index.mark_complete([known])
    index.rename(known, "archive/a.mp4", "dock")
    assert found(index, Filters(("dock",))) == found(index, Filters(sources=("archive/a.mp4",))) == {"a"}
    assert found(index, Filters(("gate",))) == {"b"}
    assert index.source_record("a", "all") == dataclasses.replace(known, source="archive/a.mp4", camera="dock")
    assert {one.pts_us for one in index.frames(Filters(("dock",)))} == {0, 5_000_000}  # the rest stays


def test_filter_by_source(index):
    index.add([frame("a", 0, "gate"), frame("b", 0, "gate"), frame("a", 5, "gate")], at(0, 1, 2))
    assert found(index, Filters(sources=("gate/a.mp4",))) == {"a"}
    assert found(index, Filters(sources=("gate/a.mp4", "gate/b.mp4"))) == {"a", "b"}
    assert found(index, Filters(sources=("a.mp4",))) == set()


def test_filter_by_the_content_of_a_source(index):
    """Two recordings had the same name, one after the other."""
    old, new = frame("a", 0), dataclasses.replace(frame("b", 0), source="gate/a.mp4")
    index.add([old, new, frame("c", 0)], at(0, 1, 2))
    assert found(index, Filters(source_ids=("a", "c"))) == {"a", "c"}
    assert index.forget(Filters(source_ids=("a",))) == 1
    assert found(index, Filters(sources=("gate/a.mp4",))) == {"b"}


def test_all_frames_are_listed_whatever_their_number(index):
    count = 2500  # more than two pages
    frames = [frame("a", second) for second in range(count)]
    for start in range(0, count, 500):
        index.add(frames[start : start + 500], at(*range(500)))
    listed = list(index.frames())
    assert sorted(one.id for one in listed) == sorted(one.id for one in frames)
    assert sum(one.time_s for one in listed) == count * (count - 1) / 2
    assert len(list(index.frames(Filters(since=2400.0)))) == 100


def test_vectors_come_by_the_page_in_the_order_of_their_ids(index):
    frames = [frame("a", second, "gate" if second % 3 else "dock") for second in range(30)]
    index.add(frames, at(*range(30)))
    pages = list(index._engine.vectors(Filters(("gate",)), 8))
    assert [len(fields) for fields, _ in pages] == [8, 8, 4]
    ids = [one.id for fields, _ in pages for one in fields]
    assert ids == sorted(one.id for one in frames if one.camera == "gate")
    by_time = {one.time_s: vector for fields, vectors in pages for one, vector in zip(fields, vectors, strict=True)}
    np.testing.assert_allclose([by_time[second] for second in sorted(by_time)], at(*sorted(by_time)), atol=1e-6)
    assert list(index._engine.vectors(Filters(("yard",)), 8)) == []


def test_what_is_forgotten_is_gone_and_its_source_is_not_finished(index):
    gate = [frame("a", second, "gate") for second in range(5)]
    dock = [frame("b", second, "dock") for second in range(5)]
    index.add([*gate, *dock], at(*range(10)))
    index.mark_complete([SourceRecord("a", "all", "gate/a.mp4", 5, 5), SourceRecord("b", "all", "dock/b.mp4", 5, 5)])
    assert index.forget(Filters(("gate",), until=2.0)) == 3
    assert {one.id for one in index.frames()} == {one.id for one in [*gate[3:], *dock]}
    assert [one.source_id for one in index.source_records()] == ["b"]
    assert index.forget(Filters(("gate",), until=2.0)) == 0
    assert index.forget(Filters(sources=("dock/b.mp4",))) == 5
    assert (index.count(), list(index.source_records())) == (2, [])


def test_regions_are_left_out_where_only_whole_frames_count(index):
    part = dataclasses.replace(frame("b", 0), region=Region(0, 0, 0.5, 0.5))
    index.add([frame("a", 0), part], at(0, 1))
    assert found(index, Filters()) == {"a", "b"}
    assert found(index, Filters(whole=True)) == {"a"}
    assert {one.region for one in index.frames()} == {None, "0,0,0.5,0.5"}


def test_filter_by_camera(index):
    index.add([frame("a", 0, "gate"), frame("b", 0, "dock"), frame("c", 0, "gate 2")], at(0, 1, 2))
    assert found(index, Filters(cameras=("gate",))) == {"a"}
    assert found(index, Filters(cameras=("gate", "dock"))) == {"a", "b"}
    assert found(index, Filters(cameras=("gat",))) == set()


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(None, None, "abc"), (10.0, None, "bc"), (None, 10.0, "ab"), (10.0, 10.0, "b"), (10.1, 19.9, ""), (0, 20, "abc")],
)
def test_filter_by_seconds_includes_its_bounds(index, since, until, expected):
    index.add([frame("a", 0), frame("b", 10), frame("c", 20)], at(0, 1, 2))
    assert found(index, Filters(since=since, until=until)) == set(expected)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (EIGHT, None, "abc"),
        (EIGHT + timedelta(seconds=1), None, "bc"),
        (None, EIGHT + timedelta(seconds=1), "ab"),
        (EIGHT + timedelta(seconds=1), EIGHT + timedelta(seconds=1), "b"),
        (EIGHT + timedelta(microseconds=1), EIGHT + timedelta(microseconds=999_999), ""),
        (datetime(2026, 1, 5, 8, 0, 1), None, "bc"),  # no zone: UTC, as stored
        (datetime(2026, 1, 5, 10, 0, 1, tzinfo=timezone(timedelta(hours=2))), None, "bc"),
    ],
)
def test_filter_by_wall_clock_includes_its_bounds(index, since, until, expected):
    dated = [frame(name, 0, captured_at=EIGHT + timedelta(seconds=second)) for second, name in enumerate("abc")]
    index.add([*dated, frame("undated", 0)], at(0, 1, 2, 3))
    assert found(index, Filters(since=since, until=until)) == set(expected)


@pytest.mark.parametrize(
    ("hours", "zone", "since", "expected"),
    [
        ("07:00-08:00", "UTC", None, "wxy"),  # on each date; the first included, the second not
        ("08:00-09:00", "UTC", None, "z"),
        ("23:00-07:30", "UTC", None, "wy"),
        ("08:00-09:00", "Europe/Berlin", None, "wx"),  # 7 UTC in January, 6 UTC in July
        ("09:00-10:00", "Europe/Berlin", None, "yz"),
        ("09:00-10:00", "Europe/Berlin", datetime(2026, 7, 1, tzinfo=UTC), "y"),
        ("21:00-22:00", "Asia/Kathmandu", None, ""),
        ("12:40-12:50", "Asia/Kathmandu", None, "wy"),  # 5:45 h ahead
    ],
)
def test_filter_by_time_of_day_on_the_clock_of_a_zone(index, hours, zone, since, expected):
    """w and x are of January, y of July; all at 7:00 UTC, but x half an hour later; z is of January, 8:00."""
    moments = {"w": (1, 7, 0), "x": (1, 7, 30), "y": (7, 7, 0), "z": (1, 8, 0)}
    dated = [
        frame(name, 0, captured_at=datetime(2026, month, 5, hour, minute, tzinfo=UTC))
        for name, (month, hour, minute) in moments.items()
    ]
    index.add([*dated, frame("undated", 0)], at(0, 1, 2, 3, 4))
    filters = Filters(since=since, time_of_day=TimeOfDay.parse(hours, zone))
    assert found(index, filters) == set(expected)


@pytest.mark.parametrize(
    ("since", "until", "there"),
    [(40.0, 50.0, True), (70.0, None, True), (70.1, None, False), (None, 10.0, True), (None, 9.9, False)],
)
def test_a_frame_that_stands_for_a_run_is_found_by_any_moment_of_it(index, since, until, there):
    """From 10 s to 70 s of its clip, which began at eight."""
    run = dataclasses.replace(frame("a", 10, captured_at=EIGHT + timedelta(seconds=10)), end_us=70_000_000)
    index.add([run], at(0))
    assert found(index, Filters(since=since, until=until)) == ({"a"} if there else set())
    dates = [None if bound is None else EIGHT + timedelta(seconds=bound) for bound in (since, until)]
    assert found(index, Filters(since=dates[0], until=dates[1])) == ({"a"} if there else set())
    (hit,) = index.search(QUERY)
    assert (hit.time_s, hit.span_s) == (10, (10, 70))


def test_conditions_must_all_hold(index):
    index.add([frame("a", 0, "gate"), frame("b", 10, "gate"), frame("c", 10, "dock")], at(0, 1, 2))
    assert found(index, Filters(("gate",), since=5.0, until=15.0)) == {"b"}


def test_a_hit_stands_for_its_neighbours(index):
    """Ten frames 1 s apart, the best at 6 s: within 5 s of it are 1 s to 9 s; 0 s is a moment of its own."""
    index.add([frame("a", second) for second in range(10)], at(*[10 + abs(second - 6) for second in range(10)]))
    index.add([frame("b", 3, "dock", EIGHT)], at(-40))
    best, first, other = index.search(QUERY, options=SearchOptions(10))
    assert (best.source, best.camera, best.time_s, best.span_s) == ("gate/a.mp4", "gate", 6, (1, 9))
    assert best.score == pytest.approx(math.cos(math.radians(10)), abs=1e-6)
    assert (first.time_s, first.span_s) == (0, (0, 0))
    assert (other.source, other.captured_at, other.span_s) == ("dock/b.mp4", "2026-01-05T08:00:00Z", (3, 3))
    assert index.search(QUERY, options=SearchOptions(2)) == [best, first]


def test_a_clip_is_one_hit_where_asked_for(index):
    """Clip a: frames at 0, 1, 20 and 21 s are two moments, the best frame at 20 s. Clip b has a frame."""
    index.add([frame("a", second) for second in (0, 1, 20, 21)], at(20, 21, 10, 11))
    index.add([frame("b", 7)], at(15))
    clip, other = index.search(QUERY, options=SearchOptions(by="clip"))
    assert (clip.source, clip.time_s, clip.span_s) == ("gate/a.mp4", 20, (0, 21))
    assert (clip.frames, clip.moments) == (4, 2)
    assert (other.source, other.frames, other.moments) == ("gate/b.mp4", 1, 1)
    assert [(hit.frames, hit.moments) for hit in index.search(QUERY)] == [(2, 1), (1, 1), (2, 1)]


def test_ten_clips_are_found_behind_a_clip_of_many_moments(index):
    """600 moments of one clip are all nearer than nine other clips, and more than one fetch brings."""
    index.add([frame("a", number * 10) for number in range(600)], at(*np.linspace(0, 20, 600)))
    index.add([frame(f"b{number}", 0) for number in range(9)], at(*range(30, 39)))
    hits = index.search(QUERY, options=SearchOptions(by="clip"))
    assert [hit.moments for hit in hits] == [600] + [1] * 9


def test_hits_have_at_least_the_score_asked_for(index):
    index.add([frame("a", 0), frame("b", 0), frame("c", 0)], at(10, 60, 61))
    assert [hit.source for hit in index.search(QUERY, options=SearchOptions(min_score=0.499))] == [
        "gate/a.mp4",
        "gate/b.mp4",
    ]
    assert index.search(QUERY, options=SearchOptions(min_score=0.99)) == []


@pytest.mark.parametrize(("diverse", "expected"), [(0, "abc"), (0.1, "abc"), (0.5, "acb"), (0.9, "acb"), (1, "acb")])
def test_hits_are_spread_where_asked_for(index, diverse, expected):
    """a at 10, b at 12, c at -15 degrees. After a, half of each: b is worth (cos 12 - cos 2) / 2 = -.01, and c
    (cos 15 - cos 25) / 2 = .03. At a tenth b is: .9 cos 12 - .1 cos 2 = .780, and c .9 cos 15 - .1 cos 25 = .779."""
    index.add([frame(name, 0) for name in "abc"], at(10, 12, -15))
    hits = index.search(QUERY, options=SearchOptions(diverse=diverse))
    assert [hit.source for hit in hits] == [f"gate/{name}.mp4" for name in expected]
    assert {hit.score for hit in hits} == {hit.score for hit in index.search(QUERY)}


def test_spread_hits_are_chosen_of_more_than_are_asked_for(index):
    """Three nearly equal frames are nearest; of two hits the other side is one."""
    index.add([frame(name, 0) for name in "abcd"], at(10, 10.1, 10.2, -15))
    hits = index.search(QUERY, options=SearchOptions(2, diverse=0.5))
    assert [hit.source for hit in hits] == ["gate/a.mp4", "gate/d.mp4"]


def test_a_percentile_is_the_share_of_the_cameras_other_frames_that_are_less_similar(index):
    """Frame a at 5 degrees has nine others of its camera behind it: 9 of 9 + 1. The next one has 8 behind it, and two
    frames of a's moment before: 8 of 10 + 1. The other camera has no other frame, which says nothing."""
    index.add([frame("a", 0), frame("a", 1), frame("c", 0, "dock")], at(5, 5.5, 1))
    index.add([frame(f"b{number}", 0) for number in range(1, 10)], at(*range(10, 100, 10)))
    alone, first, second, *_ = index.search(QUERY)
    assert (alone.camera, alone.percentile) == ("dock", 0)
    assert (first.source, first.percentile) == ("gate/a.mp4", 90)
    assert (second.source, second.percentile) == ("gate/b1.mp4", pytest.approx(100 * 8 / 11))
    assert index.search(QUERY, options=SearchOptions(min_percentile=80)) == [first]
    assert index.search(QUERY, options=SearchOptions(min_percentile=90.5)) == []
    assert index.search(QUERY, Filters(sources=("gate/a.mp4",))) == [first]  # of all its camera, whatever is asked


def test_frames_are_compared_with_frames_and_regions_with_regions(index):
    """Behind frame a are all ten others of its camera, whatever their regions: 10 of 10 + 1. As near as the region of c
    are the regions of two of ten frames, and no matter a: 8 of 10 + 1."""
    part, others = Region(0, 0, 0.2, 0.2), [frame(f"b{number}", 0) for number in range(1, 10)]
    index.add([frame("a", 0), frame("c", 0), *others], at(2, 90, *range(20, 110, 10)))
    regions = [dataclasses.replace(one, region=part) for one in (frame("c", 0), *others[:2])]
    index.add(regions, at(3, 1, 1))
    found = {hit.source: (hit.region, hit.percentile) for hit in index.search(QUERY)}
    assert found["gate/a.mp4"] == (None, pytest.approx(100 * 10 / 11))
    assert found["gate/c.mp4"] == (str(part), pytest.approx(100 * 8 / 11))


def test_frames_as_similar_as_the_hit_are_not_below_it(index):
    """A still picture, at moments of its own: none is nearer than the others."""
    index.add([frame("a", second) for second in range(0, 100, 10)], at(*[7] * 10))
    assert {hit.percentile for hit in index.search(QUERY)} == {0}


def test_a_sample_tells_the_percentile_and_is_the_same_for_all(index):
    """Of 4000 frames, 40 are nearer than the hit at 1.1 degrees: the 1000 sampled say so to within 4 deviations."""
    for start in range(0, 4000, 500):
        numbers = range(start, start + 500)
        index.add([frame(f"s{number}", 0) for number in numbers], at(*[30 + number / 400 for number in numbers]))
    index.add([frame("a", 0)], at(1.1))
    index.add([frame(f"b{number}", 0) for number in range(40)], at(*[1] * 40))
    hit = index.search(QUERY, Filters(sources=("gate/a.mp4",)))[0]
    share = 4000 / 4041
    assert hit.percentile == pytest.approx(100 * share, abs=400 * math.sqrt(share * (1 - share) / SAMPLE))
    assert ScoreCalibrator(index._engine).calibrate(QUERY, [hit]) == [hit]


def test_a_frame_that_stands_for_a_run_counts_as_all_of_it(index):
    """Of 10 other frames 8 are one run, behind the hit; the two before it are single: 8 of 10 + 1."""
    run = dataclasses.replace(frame("run", 0), stands_for=8)
    index.add([frame("a", 0), run, frame("c", 0), frame("d", 0)], at(5, 20, 1, 2))
    hit = index.search(QUERY, Filters(sources=("gate/a.mp4",)))[0]
    assert hit.percentile == pytest.approx(100 * 8 / 11)


def test_a_camera_is_sampled_again_after_a_while(index, monkeypatch):
    """While the sample before is used: no search waits for it."""
    index.add([frame("a", 0), frame("b", 0)], at(5, 10))
    assert index.search(QUERY, options=SearchOptions(1))[0].percentile == 50
    index.add([frame("c", 0), frame("d", 0)], at(20, 30))
    monkeypatch.setattr(calibration, "REFRESH_S", 1e-9)
    deadline = time.monotonic() + 30
    best = SearchOptions(1)
    while (percentile := index.search(QUERY, options=best)[0].percentile) == 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert percentile == 75


def test_a_page_full_of_neighbours_hides_no_other_clip(index):
    """600 frames within one moment are all nearer than the other clip's, and more than one fetch brings."""
    index.add([frame("a", number * 0.005) for number in range(600)], at(*np.linspace(0, 20, 600)))
    index.add([frame("b", 0)], at(60))
    assert [(hit.source, hit.span_s) for hit in index.search(QUERY, options=SearchOptions(2))] == [
        ("gate/a.mp4", (0, pytest.approx(2.995))),
        ("gate/b.mp4", (0, 0)),
    ]


@pytest.mark.parametrize("bad", [(math.nan, 0), (0, 0), (math.inf, 0), (2, 0)])
def test_vectors_that_are_not_of_length_1_are_refused(index, bad):
    embeddings = np.array([(1, 0), bad], np.float32)
    with pytest.raises(ValueError, match=r"embedding of gate/b\.mp4 has length .*, expected 1"):
        index.add([frame("a", 0), frame("b", 0)], embeddings)
    assert index.count() == 0


@pytest.mark.parametrize("unknown", [str(uuid.UUID(int=0)), "12", "nonsense", ""])
def test_an_unknown_id_is_named(index, unknown):
    index.add([frame("a", 0)], at(0))
    with pytest.raises(IndexStoreError, match=f"^no frame has the id '{unknown}'; take an id of a search hit$"):
        index.vector(unknown)


def test_optimizing_and_flushing_change_no_answer(index):
    index.add([frame(str(number), 0) for number in range(100)], at(*range(100)))
    before = index.search(QUERY, options=SearchOptions(5))
    index.mark_complete([])
    index.optimize()
    assert index.search(QUERY, options=SearchOptions(5)) == before
    assert [hit.source for hit in before] == [f"gate/{number}.mp4" for number in range(5)]
