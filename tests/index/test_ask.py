"""What a request becomes: weights, combined examples, and what moves in a frame; through a folder and over HTTP."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike.encoder import Encoder
from lookalike.errors import QueryError
from lookalike.footage import Frame
from lookalike.index import Filters, FrameIndex, open_index
from lookalike.index.ask import EmbeddedRequest, FrameMoment, QueryExample, combine
from lookalike.parts import Part
from lookalike.region import Region
from lookalike.search_fields import SearchOptions
from tests.index.circle import frame
from tests.serving.running import ROOT, bentoml_env, served
from tests.tiny import INPUT_PX, PARTS, PARTS_SPEC, SPEC, parts_at, parts_embedding

CAR = Region(0.1, 0.1, 0.2, 0.2)
ONE = (Part("content", 2),)


@pytest.fixture(scope="module")
def service(parts_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("service")
    settings = {"LOOKALIKE_ENCODER": parts_encoder, "LOOKALIKE_INDEX": home / "index", "LOOKALIKE_WRITABLE": "1"}
    with served("serving.service:Lookalike", bentoml_env(home, settings), ROOT, home / "log") as client:
        yield str(client.base_url)


@pytest.fixture(params=["embedded", "service"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FrameIndex]:
    location = tmp_path / "index" if request.param == "embedded" else request.getfixturevalue("service")
    with open_index(location, PARTS_SPEC, create=True) as opened:
        opened.forget(Filters())
        yield opened


def moving(one: Frame, region: Region = CAR) -> Frame:
    return dataclasses.replace(one, region=region)


def scores(index: FrameIndex, request: EmbeddedRequest) -> dict[str, float]:
    return {hit.source_id: hit.score for hit in index.ask(request)}


def test_the_encoder_with_parts_computes_what_is_written_down(parts_encoder: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, INPUT_PX, INPUT_PX, 3), np.uint8)
    found = Encoder(parts_encoder, "cpu").embed(pixels)
    np.testing.assert_allclose(found, [parts_embedding(one) for one in pixels], atol=1e-5)


@pytest.mark.parametrize(
    ("example", "given", "shares"),
    [
        (QueryExample(parts_at(0, 0, 0)), SearchOptions(), (0.4, 0.4, 0.2)),
        (QueryExample(parts_at(0, 0, 0), is_region=True), SearchOptions(), (0.8, 0, 0.2)),
        (QueryExample(parts_at(0, 0, 0)), SearchOptions(colour=1), (0, 0, 1)),
        (QueryExample(parts_at(0, 0, 0)), SearchOptions(layout=0), (0.8, 0, 0.2)),
        (QueryExample(parts_at(0, 0, 0), is_region=True), SearchOptions(colour=0.5, layout=1.0), (0, 0.5, 0.5)),
    ],
    ids=["a whole picture", "a region", "colour alone", "anywhere", "a region, in the same place"],
)
def test_the_score_is_the_weighted_mean_of_cosines(
    index: FrameIndex, example: QueryExample, given: SearchOptions, shares: tuple[float, float, float]
) -> None:
    """Cosines of a: 0.5, 1, -1; of b: 1, 0, 1."""
    index.add([frame("a", 0), frame("b", 0)], np.stack([parts_at(60, 0, 180), parts_at(0, 90, 0)]))
    expected = {
        "a": shares[0] * 0.5 + shares[1] * 1 - shares[2],
        "b": shares[0] * 1 + shares[2],
    }
    found = scores(index, EmbeddedRequest([example], options=given))
    assert found == pytest.approx(expected, abs=1e-5)
    assert list(found) == sorted(expected, key=lambda name: -expected[name])


def test_least_score_and_percentile_are_of_the_weighted_score(index: FrameIndex) -> None:
    """By colour alone the scores are 1, .5, 0, -.5, -1; below the second are 3 of 4 others, and one counts more."""
    index.add(
        [frame(name, 0) for name in "abcde"], np.stack([parts_at(0, 0, angle) for angle in (0, 60, 90, 120, 180)])
    )
    example = QueryExample(parts_at(0, 0, 0))

    def found(**options: float) -> list[str]:
        request = EmbeddedRequest([example], options=SearchOptions(colour=1, **options))  # pyright: ignore[reportArgumentType]
        return [hit.source_id for hit in index.ask(request)]

    assert found(min_score=0.499) == ["a", "b"]
    assert found(min_score=-0.501) == ["a", "b", "c", "d"]
    assert found(min_percentile=60) == ["a", "b"]
    hits = index.ask(EmbeddedRequest([example], options=SearchOptions(colour=1)))
    assert [hit.percentile for hit in hits] == [100 * less / 5 for less in (4, 3, 2, 1, 0)]


def test_hits_differ_in_what_the_weights_compare(index: FrameIndex) -> None:
    """By colour alone a and b are the same, whatever their content; half diverse, c comes before b, as of one piece."""
    index.add(
        [frame(name, 0) for name in "abc"], np.stack([parts_at(0, 0, 10), parts_at(90, 90, 12), parts_at(0, 0, -15)])
    )
    example = QueryExample(parts_at(0, 0, 0))
    request = EmbeddedRequest([example], options=SearchOptions(diverse=0.5, colour=1))
    assert [hit.source_id for hit in index.ask(request)] == ["a", "c", "b"]


def test_several_examples_are_combined_and_then_weighed_once(index: FrameIndex) -> None:
    """Content at 0 and 90 degrees is at 45 together; each part counts as if it were of length 1."""
    index.add([frame("a", 0)], parts_at(45, 0, 90)[None])
    two = [QueryExample(parts_at(0, 0, 0)), QueryExample(parts_at(90, 0, 0))]
    assert scores(index, EmbeddedRequest(two)) == pytest.approx({"a": 0.4 + 0.4}, abs=1e-5)


def test_what_is_alike_in_both_counts_for_nothing(index: FrameIndex) -> None:
    """Layout and colour are those of what to keep away from: content alone is left, 2a - b of 0 and 90 degrees."""
    index.add([frame("a", 0), frame("b", 0)], np.stack([parts_at(-26.565, 90, 90), parts_at(90, 0, 0)]))
    request = EmbeddedRequest([QueryExample(parts_at(0, 0, 0))], [parts_at(90, 0, 0)])
    assert scores(index, request) == pytest.approx({"a": 0.4, "b": 0.4 * np.cos(np.radians(116.565))}, abs=1e-4)


@pytest.mark.parametrize("degrees", [1, 10, 45, 80, 120, 180])
def test_what_to_keep_away_from_never_scores_above_zero(degrees: float) -> None:
    liked, avoided = (np.array([np.cos(angle), np.sin(angle)], np.float32) for angle in (0, np.radians(degrees)))
    found = combine([liked], [avoided], ONE)
    assert found @ avoided <= 1e-6
    assert found @ liked > 0


def test_examples_that_differ_by_nothing_cancel_out() -> None:
    with pytest.raises(QueryError, match="cancel out"):
        combine([parts_at(10, 20, 30)], [parts_at(10, 20, 30.2)], PARTS)


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        (
            SPEC,
            SearchOptions(colour=0.5),
            "cannot weight colour: got 0.5 for an encoder with no parts, expected",
        ),
        (SPEC, SearchOptions(layout=0), "cannot weight layout: got 0 for an encoder with no parts"),
        (
            dataclasses.replace(PARTS_SPEC, parts=(Part("content", 7), Part("colour", 2))),
            SearchOptions(layout=0.5),
            "cannot weight layout: got 0.5 for an encoder with content and colour",
        ),
    ],
)
def test_weights_that_an_encoder_cannot_follow_are_refused(spec, given: SearchOptions, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        given.check_parts(spec)


def test_a_frame_is_asked_by_what_moves_in_it(index: FrameIndex) -> None:
    """A car at a gate, and the same one on a road. The frame itself comes first, by its own region, then the road. The
    gate's empty frames, which as wholes are nearly the frame with the car, come last."""
    gate = [frame(f"empty{number}", 0) for number in range(9)]
    index.add(gate, np.stack([parts_at(0, 0, number / 10) for number in range(9)]))
    car = frame("car", 0)
    index.add([car, moving(car)], np.stack([parts_at(8, 0, 0), parts_at(90, 0, 90)]))
    road = frame("road", 0, "road")
    index.add([road, moving(road)], np.stack([parts_at(180, 180, 180), parts_at(100, 120, 90)]))
    hits = index.ask(EmbeddedRequest([index.example(car.id)], options=SearchOptions(20)))
    first, second = hits[:2]
    assert (first.source_id, first.region, first.asked) == ("car", str(CAR), str(CAR))
    assert first.score == pytest.approx(1, abs=1e-5)
    assert (second.source_id, second.region, second.asked) == ("road", str(CAR), str(CAR))
    assert second.score == pytest.approx(0.8 * np.cos(np.radians(10)) + 0.2, abs=1e-5)
    assert max(hit.score for hit in hits[2:]) < 0.5
    assert {hit.camera for hit in hits[2:]} == {"gate"}


def test_a_frame_in_which_nothing_moves_is_asked_as_a_whole(index: FrameIndex) -> None:
    empty, other = frame("a", 0), frame("a", 20)
    index.add([empty, other, moving(other)], np.stack([parts_at(0, 0, 0), parts_at(0, 60, 0), parts_at(90, 0, 0)]))
    hits = index.ask(EmbeddedRequest([index.example(empty.id)]))
    assert [(hit.time_s, hit.asked) for hit in hits] == [(0, None), (20, None)]
    assert hits[1].score == pytest.approx(0.4 + 0.4 * 0.5 + 0.2, abs=1e-5)


def test_a_stored_region_is_asked_by_itself(index: FrameIndex) -> None:
    whole = frame("a", 0)
    index.add([whole, moving(whole)], np.stack([parts_at(0, 0, 0), parts_at(90, 45, 0)]))
    example = index.example(moving(whole).id)
    assert (example.is_region, example.moment) == (True, None)
    (hit,) = index.ask(EmbeddedRequest([example]))
    assert (hit.region, hit.asked) == (str(CAR), None)


def test_the_cells_of_a_grid_do_not_move(index: FrameIndex) -> None:
    whole = frame("a", 0)
    cell = moving(whole, Region(0, 0, 0.5, 0.5))
    index.add([whole, cell], np.stack([parts_at(0, 0, 0), parts_at(90, 0, 0)]))
    (hit,) = index.ask(EmbeddedRequest([index.example(whole.id)]))
    assert (hit.region, hit.asked) == (None, None)


@pytest.mark.parametrize(("time_s", "asked"), [(10, str(CAR)), (10.2, str(CAR)), (10.3, None), (12, None)])
def test_a_moment_is_asked_by_what_moves_in_the_frame_nearest_to_it(
    index: FrameIndex, time_s: float, asked: str | None
) -> None:
    """Frames are stored at 10 s, with a region, and at 10.5 s, without."""
    first, second = frame("a", 10), frame("a", 10.5)
    index.add([first, moving(first), second], np.stack([parts_at(0, 0, 0), parts_at(90, 0, 0), parts_at(10, 0, 0)]))
    moment = FrameMoment(Filters(source_ids=("a",)), time_s)
    elsewhere = 40 if time_s == 12 else 0  # of what is not stored, its picture is asked
    hit = index.ask(EmbeddedRequest([QueryExample(parts_at(elsewhere, 0, 0), moment=moment)]))[0]
    assert hit.asked == asked


def test_no_frame_has_more_than_four_questions(index: FrameIndex) -> None:
    whole = frame("a", 0)
    boxes = [Region(0, 0, 0.3 + number / 20, 0.3) for number in range(5)]
    index.add(
        [whole, *(moving(whole, box) for box in boxes)],
        np.stack([parts_at(0, 0, 0), *(parts_at(20 * number, 0, 0) for number in range(1, 6))]),
    )
    asked = []
    nearest = index.engine.nearest

    def counted(vector, limit, filters, min_score=None):
        asked.append(vector)
        return nearest(vector, limit, filters, min_score)

    index._engine.nearest = counted  # pyright: ignore[reportAttributeAccessIssue]
    hits = index.ask(EmbeddedRequest([index.example(whole.id)]))
    assert len(asked) == 4
    assert hits[0].asked == str(boxes[4])  # the three largest, largest first


def test_what_is_less_than_half_as_large_is_not_asked_by(index: FrameIndex) -> None:
    """A cloud that is nearest to a stored frame, next to a car."""
    whole, cloud = frame("a", 0), Region(0.5, 0, 0.13, 0.13)
    index.add(
        [whole, moving(whole), moving(whole, cloud)],
        np.stack([parts_at(0, 0, 0), parts_at(90, 0, 0), parts_at(180, 0, 0)]),
    )
    index.add([frame("sky", 0)], parts_at(180, 90, 0)[None])
    hits = index.ask(EmbeddedRequest([index.example(whole.id)]))
    assert [hit.source_id for hit in hits] == ["a", "sky"]
    assert hits[1].score == pytest.approx(0.2, abs=1e-5)


def test_what_always_moves_is_not_asked_by(index: FrameIndex) -> None:
    """A clock is burned into every frame of the gate; past one of them goes a car."""
    clock, empty = Region(0.8, 0, 0.15, 0.15), [frame(f"empty{number}", 0) for number in range(9)]
    car = frame("car", 0)
    frames = [*empty, car]
    clocks = [moving(one, dataclasses.replace(clock, x=0.8 + number / 200)) for number, one in enumerate(frames)]
    index.add(frames, np.stack([parts_at(number, 0, 0) for number in range(10)]))
    index.add(clocks, np.stack([parts_at(120 + number, 0, 0) for number in range(10)]))
    index.add([moving(car)], parts_at(90, 0, 90)[None])
    assert {hit.asked for hit in index.ask(EmbeddedRequest([index.example(empty[4].id)]))} == {None}
    by_car = index.ask(EmbeddedRequest([index.example(car.id)]))
    assert {hit.asked for hit in by_car} <= {str(CAR), None}
    assert by_car[0].region == str(CAR)


def a_gate(index: FrameIndex) -> None:
    """Nine empty frames of a gate, whose usual view is at 0 degrees, and three of a road."""
    index.add([frame(f"empty{n}", 0) for n in range(9)], np.stack([parts_at(0, n - 4, 0) for n in range(9)]))
    index.add([frame(f"road{n}", 0, "road") for n in range(3)], np.stack([parts_at(90 - n, 180, 90) for n in range(3)]))


def test_a_picture_of_a_stored_camera_is_asked_by_what_differs_from_its_usual_view(index: FrameIndex) -> None:
    """Of the picture content and colour differ by 90 degrees, layout by 30: it is looked for by 2a - b of the first
    two, at 116.6 degrees, and away from the usual view. Asked as it is, the empty frames would come first."""
    a_gate(index)
    hits = index.ask(EmbeddedRequest([QueryExample(parts_at(90, 30, 90))], options=SearchOptions(20)))
    assert {hit.asked for hit in hits} == {"difference"}
    assert [hit.camera for hit in hits] == ["road"] * 3 + ["gate"] * 9
    layout = np.degrees(np.arctan2(1.134 * np.sin(np.radians(30)), 1.134 * np.cos(np.radians(30)) - 1))
    expected = 0.6 * np.cos(np.radians(26.565)) + 0.4 * np.cos(np.radians(180 - layout))
    assert hits[0].score == pytest.approx(expected, abs=1e-3)
    assert all(-1 <= hit.score <= 0 for hit in hits[3:])


@pytest.mark.parametrize(
    ("example", "given", "unlike"),
    [
        (QueryExample(parts_at(0, 5, 0)), SearchOptions(), []),
        (QueryExample(parts_at(90, 100, 90)), SearchOptions(), []),
        (QueryExample(parts_at(90, 30, 90), is_region=True), SearchOptions(), []),
        (QueryExample(parts_at(90, 30, 90)), SearchOptions(), [parts_at(0, 90, 0)]),
        (QueryExample(parts_at(90, 30, 0)), SearchOptions(colour=1), []),
    ],
    ids=["a usual view", "another camera", "a crop", "what to keep away from is given", "as usual by these weights"],
)
def test_other_pictures_are_asked_as_they_are(
    index: FrameIndex, example: QueryExample, given: SearchOptions, unlike: list[np.ndarray]
) -> None:
    a_gate(index)
    hits = index.ask(EmbeddedRequest([example], unlike, options=given))
    assert {hit.asked for hit in hits} == {None}


def test_a_copy_of_a_stored_frame_is_asked_as_that_frame(index: FrameIndex) -> None:
    """Though it is far from the usual view: by its moving region, if one is stored, else as it is. It comes first."""
    a_gate(index)
    still, car = frame("still", 0), frame("car", 0)
    index.add([still, car], np.stack([parts_at(60, 30, 60), parts_at(90, 30, 90)]))
    copied = index.ask(EmbeddedRequest([QueryExample(parts_at(62, 32, 62))]))
    assert {hit.asked for hit in copied} == {None}
    assert copied[0].source_id == "still"
    assert copied[0].score > 0.98
    index.add([moving(car)], parts_at(120, 0, 90)[None])
    by_car = index.ask(EmbeddedRequest([QueryExample(parts_at(92, 32, 92))]))
    assert by_car[0].source_id == "car"
    assert by_car[0].asked == str(CAR)
    assert by_car[0].score == pytest.approx(1, abs=1e-5)


def test_the_usual_view_of_a_camera_of_few_frames_is_not_known(index: FrameIndex) -> None:
    index.add([frame(f"empty{number}", 0) for number in range(7)], np.stack([parts_at(0, 0, 0)] * 7))
    hits = index.ask(EmbeddedRequest([QueryExample(parts_at(90, 30, 90))]))
    assert {hit.asked for hit in hits} == {None}


def test_a_moment_that_is_not_stored_is_a_picture(index: FrameIndex) -> None:
    a_gate(index)
    elsewhere = FrameMoment(Filters(source_ids=("new",)), 3)
    hits = index.ask(EmbeddedRequest([QueryExample(parts_at(90, 30, 90), moment=elsewhere)]))
    assert {hit.asked for hit in hits} == {"difference"}


def test_of_two_questions_nothing_is_missed_behind_what_one_of_them_brings(index: FrameIndex) -> None:
    """700 moments are near by the region, more than one fetch; those of the whole, farther, come after all of them."""
    asked, near, far = frame("q", 0), [frame("n", 10 * n) for n in range(700)], [frame("f", 10 * n) for n in range(3)]
    index.add([asked, moving(asked)], np.stack([parts_at(0, 0, 0), parts_at(90, 90, 90)]))
    for start in range(0, 700, 100):
        part = near[start : start + 100]
        index.add(part, np.stack([parts_at(95 + one.time_s / 1000, 180, 90) for one in part]))
    index.add(far, np.stack([parts_at(45, 0, 0)] * 3))
    hits = index.ask(EmbeddedRequest([index.example(asked.id)], options=SearchOptions(704)))
    assert [hit.source_id for hit in hits] == ["q"] + ["n"] * 700 + ["f"] * 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
