"""What /metrics says of the index, its cameras and the disks."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from lookalike.errors import IndexUnavailable
from lookalike.index import Filters, FrameIndex, StoredFrame, open_index
from lookalike.index.embedded.disk_space import size_bytes
from serving.inference.cameras import Cameras
from serving.inference.metrics import MAX_CAMERAS
from serving.inference.sampler import Sampler, free_bytes
from tests.index.circle import SPEC, at, frame

EIGHT, NINE = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (8, 9))


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def newest(camera: str) -> float | None:
    return value("lookalike_camera_newest_timestamp_seconds", camera=camera)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FrameIndex]:
    with open_index(tmp_path / "index", SPEC, create=True) as opened:
        opened.add(
            [
                dataclasses.replace(frame("a", 0.0, captured_at=EIGHT), camera="gate"),
                dataclasses.replace(frame("b", 0.0, captured_at=NINE), camera="gate"),
                dataclasses.replace(frame("c", 0.0, captured_at=EIGHT), camera="yard"),
                dataclasses.replace(frame("d", 0.0), camera="undated"),
            ],
            at(0, 1, 2, 3),
        )
        yield opened


def test_an_index_and_its_cameras(index: FrameIndex, tmp_path: Path) -> None:
    sampler = Sampler(index, Cameras(), {"index": tmp_path / "index"}, tmp_path / "index")
    sampler.sample()
    assert value("lookalike_index_frames") == 4
    assert value("lookalike_index_unindexed_frames") == 4
    assert value("lookalike_index_graph_building") == 0
    assert value("lookalike_index_bytes") == size_bytes(tmp_path / "index") > 0
    assert (value("lookalike_disk_free_bytes", disk="index") or 0) > 0
    assert value("lookalike_cameras") == 2
    assert [newest("gate"), newest("yard")] == [NINE.timestamp(), EIGHT.timestamp()]

    index.forget(Filters(cameras=("yard",)))
    sampler.sample()
    assert (value("lookalike_index_frames"), newest("yard")) == (3, EIGHT.timestamp())  # cameras are read less often
    sampler._cameras_due_s = 0.0
    sampler.sample()
    assert value("lookalike_cameras") == 1
    assert math.isnan(newest("yard") or 0)
    assert newest("gate") == NINE.timestamp()


def test_an_index_that_does_not_answer_keeps_its_last_values(
    index: FrameIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = Sampler(index, Cameras(), {})
    sampler.sample()

    def fail() -> None:
        raise IndexUnavailable("the Qdrant server does not answer")

    monkeypatch.setattr(index, "state", fail)
    sampler.sample()
    assert value("lookalike_index_frames") == 4


def test_an_embedded_index_that_is_gone_is_down(index: FrameIndex) -> None:
    sampler = Sampler(index, Cameras(), {}, is_up=iter([True, False]).__next__)
    sampler.sample()
    assert value("lookalike_index_up") == 1
    index.forget(Filters())
    sampler.sample()
    assert [value("lookalike_index_up"), value("lookalike_index_frames")] == [0, 4]  # it is not asked


def test_closing_ends_the_reading_of_a_large_index(index: FrameIndex) -> None:
    cameras = Cameras()
    cameras.replace({"roof": 1.0})
    sampler = Sampler(index, cameras, {})
    sampler.close()
    sampler.sample()
    assert newest("roof") == 1.0  # what was read in part does not count


def stored(camera: str, at_: datetime) -> StoredFrame:
    return StoredFrame.from_frame(dataclasses.replace(frame(camera, 0.0, captured_at=at_), camera=camera))


def test_frames_that_are_stored_count_immediately() -> None:
    cameras = Cameras()
    cameras.begin()
    cameras.note([stored("dock", NINE), stored("dock", EIGHT)])
    assert newest("dock") == NINE.timestamp()
    cameras.note([stored("dock", EIGHT)])
    assert newest("dock") == NINE.timestamp()
    cameras.replace({"hall": 5.0})  # read before the frame of the dock was stored
    assert [newest("dock"), newest("hall"), value("lookalike_cameras")] == [NINE.timestamp(), 5.0, 2]
    cameras.begin()
    cameras.replace({"hall": 6.0})
    assert math.isnan(newest("dock") or 0)


def test_labels_stay_few_and_on_one_line() -> None:
    before = {
        sample.labels["camera"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "lookalike_camera_newest_timestamp_seconds"
    }
    Cameras().replace({f"many {number:05d}\n{'x' * 1000}": 1.0 for number in range(10 * MAX_CAMERAS)})
    after = {
        sample.labels["camera"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "lookalike_camera_newest_timestamp_seconds"
    } - before
    assert len(after) == MAX_CAMERAS
    assert all("\n" not in camera and len(camera) <= 101 for camera in after)
    assert value("lookalike_cameras") == 10 * MAX_CAMERAS


def test_room_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 7, 3) if path == tmp_path else usage(0, 0, 0))
    assert free_bytes(tmp_path / "not" / "yet") == 3

    def gone(path: Path) -> None:
        raise OSError("gone")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    assert free_bytes(tmp_path) == 0


def test_a_fault_of_one_measurement_does_not_end_the_others(
    index: FrameIndex, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sampler = Sampler(index, Cameras(), {})

    def fail() -> None:
        sampler._closing.set()
        raise RuntimeError("broken")

    monkeypatch.setattr(sampler, "sample", fail)
    sampler.start()
    sampler.close()
    assert [record.message for record in caplog.records] == ["measuring for /metrics failed"]
