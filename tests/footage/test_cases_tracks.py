"""The right pictures of a container: no cover or preview for the film, and every camera of a file."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from lookalike.encoder import Encoder
from lookalike.errors import FootageError
from lookalike.footage import Ended, Frame, find_sources, frame_at, read_frames, read_source
from lookalike.footage.naming import Naming
from lookalike.footage.playable import judge, make_playable
from lookalike.footage.read import duration_s, identify
from lookalike.footage.sampling import Sampling
from lookalike.footage.sources import split_track, stored_source
from lookalike.footage.still import pictures_of
from lookalike.footage.tracks import film as film_of
from lookalike.index import FrameIndex, open_index
from lookalike.index.embedded.folder import FolderLocation
from lookalike.index.filters import Filters
from lookalike.index.generations import generation_of
from lookalike.index.maintenance import is_there, verify
from lookalike.ingest.index import index_footage
from lookalike.ingest.reindex import reindex
from lookalike.ingest.settings import WHOLE_FRAMES
from lookalike.ingest.to_file import embed_footage, embed_rows
from lookalike.search import Example, Searcher
from serving.media.worker import MediaPool
from serving.recordings.source_verifier import SourceVerifier
from serving.recordings.thumbnails import Moment, Thumbnails
from tests.clips import number_of
from tests.conftest import SHARED_DATA
from tests.footage.tracks import Track, cover, cover_before_film, film, preview, write_tracks
from tests.ingest.test_reindex import NEW_SPEC
from tests.tiny import SPEC, write_tiny_encoder
from tests.two_clips import done

ALL = Sampling(regions=None)
CASES = SHARED_DATA / "cases"
FIRST, SECOND, THIRD = film(0), film(20), film(40)
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


def cameras_of(path: Path) -> dict[str, list[int]]:
    """The numbers of the pictures by camera; each is read to its end."""
    found: dict[str, list[int]] = {}
    for source in find_sources([path]):
        for item in read_source(source, ALL):
            if isinstance(item, Ended):
                assert item.reason is None
            else:
                found.setdefault(item.camera, []).append(number_of(item.image))
    return found


@pytest.mark.parametrize(
    ("name", "tracks"),
    [
        ("cover_after.mp4", [FIRST, cover()]),
        ("cover_after.mov", [FIRST, cover()]),
        ("preview_first.mp4", [preview(), FIRST]),
        ("preview_first.mkv", [preview(), FIRST]),
        ("preview_first.avi", [preview(), film(0, codec="mjpeg")]),
        ("preview_last.mp4", [FIRST, preview()]),
        ("preview_last.mkv", [FIRST, preview()]),
        ("preview_h264.mp4", [film(50, 1), FIRST]),
        ("preview_h264.mkv", [film(50, 1), FIRST]),
        ("timelapse.mp4", [preview(3), film(0, 60)]),
        ("timelapse.mkv", [preview(3), film(0, 60)]),
    ],
)
def test_covers_and_previews_are_not_the_film(tmp_path: Path, name: str, tracks: Sequence[Track]) -> None:
    path = write_tracks(tmp_path / name, tracks)
    count = max(len(track.numbers) for track in tracks)
    assert cameras_of(path) == {path.stem: list(range(count))}
    assert number_of(frame_at(str(path), 0.2)) == 5


def test_a_cover_before_the_film_is_not_the_film(tmp_path: Path) -> None:
    path = cover_before_film(write_tracks(tmp_path / "a.mp4", [FIRST, cover()]))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
    assert cameras_of(path) == {"a": list(range(12))}
    assert number_of(frame_at(str(path), 0.2)) == 5
    assert judge(str(path)).how == "as it is"  # the cover is no track of it


def test_an_attached_cover_of_matroska_is_not_the_film(tmp_path: Path) -> None:
    plain = write_tracks(tmp_path / "plain.mp4", [FIRST])
    jpeg = io.BytesIO()
    Image.new("RGB", (16, 16)).save(jpeg, "JPEG")
    with av.open(str(plain)) as film_only, av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.add_attachment("cover.jpg", "image/jpeg", jpeg.getvalue())
        stream = container.add_stream_from_template(film_only.streams.video[0])
        for packet in film_only.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    assert cameras_of(tmp_path / "a.mkv") == {"a": list(range(12))}


def test_a_file_with_nothing_but_a_cover_is_no_video(tmp_path: Path) -> None:
    path = cover_before_film(write_tracks(tmp_path / "a.mp4", [FIRST, cover()]))
    data = path.read_bytes()  # without the film's track
    at = data.index(b"trak") - 4
    path.write_bytes(data[:at] + data[at:].replace(b"trak", b"free"))
    (ended,) = read_source(find_sources([path])[0], ALL)
    assert isinstance(ended, Ended)
    assert ended.reason == "no video stream, only a picture"


@pytest.mark.parametrize(
    ("name", "tracks", "options"),
    [
        ("two.mp4", [FIRST, SECOND], None),
        ("two.mkv", [FIRST, SECOND], None),
        ("two.ts", [FIRST, SECOND], None),
        ("two_mjpeg.avi", [film(0, codec="mjpeg"), film(20, codec="mjpeg")], None),
        ("fragmented.mp4", [FIRST, SECOND], FRAGMENTED),
        ("two_mjpeg.mkv", [film(0, codec="mjpeg"), film(20, codec="mjpeg")], None),
        ("three.mp4", [FIRST, SECOND, THIRD], None),
        ("three.mkv", [FIRST, SECOND, THIRD], None),
        ("preview_too.mp4", [preview(), FIRST, SECOND], None),
        ("cover_too.mp4", [FIRST, SECOND, cover()], None),
        ("slow_second.mkv", [film(0, 60), film(20, 4, apart_ms=600)], None),
    ],
)
def test_every_camera_of_a_file_is_read(
    tmp_path: Path, name: str, tracks: Sequence[Track], options: dict[str, str] | None
) -> None:
    path = write_tracks(tmp_path / name, tracks, options)
    films = [track for track in tracks if track.codec != "mjpeg" or name.startswith("two_mjpeg")]
    found = cameras_of(path)
    assert list(found) == [path.stem, f"{path.stem}#2", f"{path.stem}#3"][: len(films)]
    assert list(found.values()) == [list(track.numbers) for track in films]
    for number, track in enumerate(films, start=1):
        stored = str(path) if number == 1 else f"{path}#{number}"
        assert number_of(frame_at(stored, 0.0)) == track.numbers[0]
        assert number_of(frame_at(stored, 3 * track.apart_ms / 1000)) == track.numbers[3]


@pytest.fixture
def front_rear(tmp_path: Path) -> Path:
    return write_tracks(tmp_path / "front_rear.mp4", [FIRST, SECOND])


def test_a_further_track_has_an_id_and_a_name_of_its_own(front_rear: Path) -> None:
    frames = [item for item in read_source(find_sources([front_rear])[0], ALL) if isinstance(item, Frame)]
    assert {(frame.source, frame.camera) for frame in frames} == {
        (str(front_rear), "front_rear"),
        (f"{front_rear}#2", "front_rear#2"),
    }
    assert len({frame.id for frame in frames}) == 24
    assert frames[0].source_id == identify(stored_source(str(front_rear)))
    assert frames[12].source_id == identify(stored_source(f"{front_rear}#2"))
    assert len(frames[12].source_id) == 64


def test_a_stored_name_leads_to_its_track_unless_a_file_is_named_so(front_rear: Path, tmp_path: Path) -> None:
    second = f"{front_rear}#2"
    assert split_track(second) == (str(front_rear), 2)
    assert split_track(f"{front_rear}#1") == (f"{front_rear}#1", 1)  # that would be a second name for the first
    assert split_track(str(tmp_path / "gone.mp4#2")) == (str(tmp_path / "gone.mp4#2"), 1)
    shutil.copy(front_rear, second)
    assert split_track(second) == (second, 1)
    assert number_of(frame_at(second, 0)) == 0
    odd = Path(shutil.copy(front_rear, tmp_path / "gate #4.mp4"))
    assert list(cameras_of(odd)) == ["gate #4", "gate #4#2"]
    assert number_of(frame_at(f"{odd}#2", 0)) == 20


def test_one_track_may_be_named_as_a_source(front_rear: Path) -> None:
    assert [frame.camera for frame in read_frames(find_sources([f"{front_rear}#2"]))] == ["front_rear#2"] * 12
    (named,) = find_sources([f"{front_rear}#2"], Naming("van"))
    assert (named.camera, named.path, named.track) == ("van#2", str(front_rear), 2)
    with pytest.raises(FootageError, match=r"front_rear\.mp4#3: no video track 3, it has 2"):
        frame_at(f"{front_rear}#3", 0)


def test_pictures_of_a_further_track_are_its_own(front_rear: Path, tiny: Encoder) -> None:
    second = f"{front_rear}#2"
    with pictures_of(second) as shown:
        assert [number_of(shown(time_s, None)) for time_s in (0.0, 0.2, 0.08)] == [20, 25, 22]
    assert duration_s(second) == pytest.approx(0.48)


def test_a_moment_of_a_further_track_is_a_query(front_rear: Path, tiny: Encoder, tmp_path: Path) -> None:
    second = f"{front_rear}#2"
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        searcher = Searcher(tiny, index)
        asked = searcher.embedded(Example(f"{second}@0.2"))
        np.testing.assert_allclose(asked.vector, tiny.embed(frame_at(second, 0.2, SPEC.input_px)[None])[0], atol=1e-6)
        with pytest.raises(FootageError, match="nothing at 60 s"):
            searcher.embedded(Example(f"{second}@60"))


def test_what_browsers_play_of_a_further_track_is_that_track(front_rear: Path, tmp_path: Path) -> None:
    for name, first in ((str(front_rear), 0), (f"{front_rear}#2", 20)):
        assert judge(name).how == "rewrapped"  # else the browser chooses
        for how in ("rewrapped", "encoded"):
            make_playable(name, tmp_path / "out.mp4", how, lambda share: None)
            with av.open(str(tmp_path / "out.mp4")) as container:
                assert len(container.streams.video) == 1
                shown = [number_of(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
            assert shown == list(range(first, first + 12))


def test_a_preview_track_next_to_the_film_is_not_left_to_the_browser(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mp4", [preview(), FIRST])
    assert judge(str(path)).how == "rewrapped"


def test_the_service_cuts_pictures_of_a_further_track(front_rear: Path) -> None:
    async def cut() -> bytes:
        pool = MediaPool(1, nice=0)
        stills = Thumbnails(SourceVerifier(), pool)
        second = f"{front_rear}#2"
        try:
            return await stills.jpeg(Moment(second, identify(stored_source(second)), 0.2), None)
        finally:
            pool.close()
            stills.close()

    assert number_of(np.asarray(Image.open(io.BytesIO(asyncio.run(cut()))))) == 25


@pytest.fixture
def indexed(front_rear: Path, tiny: Encoder, tmp_path: Path) -> FolderLocation:
    place = FolderLocation(tmp_path / "index")
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        summary = index_footage(find_sources([front_rear]), tiny, index, WHOLE_FRAMES, done)
        assert (summary.sources, summary.frames, summary.added, summary.skipped) == (2, 24, 24, [])
    return place


def names(index: FrameIndex) -> dict[str, int]:
    return {one.source: one.stored for one in index.source_records()}


def test_an_index_knows_both_cameras_and_follows_a_renamed_file(
    front_rear: Path, tiny: Encoder, tmp_path: Path, indexed: FolderLocation
) -> None:
    with open_index(tmp_path / "index", SPEC) as index:
        assert index_footage(find_sources([front_rear]), tiny, index, WHOLE_FRAMES, done).added == 0
        assert verify(index).good
        assert {fields.camera for fields in index.frames()} == {"front_rear", "front_rear#2"}
        moved = front_rear.rename(tmp_path / "moved.mp4")
        assert verify(index).gone == [str(front_rear), f"{front_rear}#2"]
        summary = index_footage(find_sources([moved]), tiny, index, WHOLE_FRAMES, done)
        assert (summary.sources, summary.frames, summary.added) == (2, 24, 0)
        assert names(index) == {str(moved): 12, f"{moved}#2": 12}
        assert is_there(f"{moved}#2")
        assert verify(index).good


def test_reindex_takes_the_tracks_that_are_stored(
    front_rear: Path, tmp_path: Path, indexed: FolderLocation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    new = Encoder(write_tiny_encoder(tmp_path_factory.mktemp("new") / "new.onnx", NEW_SPEC), "cpu", threads=1)
    with open_index(tmp_path / "index", SPEC) as index:
        index.forget(Filters(sources=(str(front_rear),)))
        assert names(index) == {f"{front_rear}#2": 12}
    outcome = reindex(indexed, new, lambda sources: nullcontext(done))
    assert (outcome.sources, outcome.frames, outcome.switched, outcome.missing) == (1, 12, True, [])
    assert generation_of(NEW_SPEC.space) in indexed.generations()
    with open_index(tmp_path / "index", NEW_SPEC) as index:
        assert names(index) == {f"{front_rear}#2": 12}


def test_embedding_to_a_file_takes_both_cameras(front_rear: Path, tiny: Encoder, tmp_path: Path) -> None:
    summary = embed_footage(find_sources([front_rear]), tiny, tmp_path / "frames.parquet", WHOLE_FRAMES, done)
    assert (summary.sources, summary.frames, summary.skipped) == (2, 24, [])
    rows: list[dict[str, Any]] = []
    summary = embed_rows(find_sources([front_rear]), tiny, rows.append, WHOLE_FRAMES)
    assert [row["camera"] for row in rows] == ["front_rear"] * 12 + ["front_rear#2"] * 12
    assert summary.sources == 2


@pytest.mark.skipif(not CASES.is_dir(), reason="NO CASES: the shared inputs are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "cameras"),
    [
        ("thumbtrack_first.mp4", ["thumbtrack_first"]),
        ("cover_first.mp4", ["cover_first"]),
        ("front_rear.mp4", ["front_rear", "front_rear#2"]),
    ],
)
def test_the_collected_files_give_their_films(name: str, cameras: list[str]) -> None:
    found = [frame for frame in read_frames(find_sources([CASES / "video" / name])) if frame.region is None]
    assert [frame.camera for frame in found] == [camera for camera in cameras for _ in range(40)]
    assert {frame.size_px for frame in found} == {(320, 180)}


def test_of_a_stream_the_film_is_taken_by_what_its_header_says(tmp_path: Path) -> None:
    """A stream is not opened a second time to count."""
    for tracks in ([preview(), film(0, 60)], [preview(3), film(0, 60)], [film(0, 60), SECOND]):
        path = write_tracks(tmp_path / "a.mp4", tracks)
        with av.open(str(path)) as container:
            frames = [number_of(frame.to_ndarray(format="rgb24")) for frame in container.decode(film_of(container))]
        assert frames == list(range(60))


def test_a_track_of_an_unknown_codec_ends_no_job(tmp_path: Path) -> None:
    """MJPEG in a program stream has no stream type: PyAV gives such a track no codec."""
    path = write_tracks(tmp_path / "a.vob", [film(0, codec="mjpeg")])
    good = write_tracks(tmp_path / "b.mp4", [FIRST])
    ended = [one for source in find_sources([path, good]) for one in read_source(source) if isinstance(one, Ended)]
    assert [one.reason for one in ended] == ["no video stream, only one of an unknown codec", None]
    assert (ended[0].frames, ended[1].frames) == (0, 12)


def test_more_tracks_than_are_read_are_reported(tmp_path: Path) -> None:
    """Each is decoded in a reading of its own: a file of 60 would take 60 times as long."""
    path = write_tracks(tmp_path / "a.mkv", [film(number, 2) for number in range(18)])
    ended = [one for one in read_source(find_sources([path])[0], ALL) if isinstance(one, Ended)]
    assert [one.frames for one in ended] == [2] * 16 + [0]
    assert ended[-1].reason == "too many video tracks: at most 16 of a file are read"
