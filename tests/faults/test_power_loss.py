"""A power loss at any sync: what was acknowledged is there, and what was not can be done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lookalike.index import Filters, FrameIndex, open_index
from tests.faults import views_writer
from tests.faults.file_writers import VERSIONS, WRITERS, Writer
from tests.faults.index_writer import FORGOTTEN, FRAMES, SOURCES, camera_of, frames_of, store
from tests.faults.points import points, some
from tests.faults.power import CAN_RECORD, MODELS, Model, Moment, Recording, fast_folder, make_again
from tests.index.circle import SPEC

pytestmark = [
    pytest.mark.trust,
    pytest.mark.long,
    pytest.mark.skipif(not CAN_RECORD, reason="POWER LOSS IS NOT TESTED: system calls are reported on Linux only"),
]
POINTS = 6


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory, if there is any: recording and making again need no disk."""
    with TemporaryDirectory(prefix="lookalike-faults-", dir=fast_folder()) as folder:
        yield Path(folder)


@pytest.fixture(scope="module", params=["plain", "live"])
def moments(request: pytest.FixtureRequest, memory: Path) -> list[Moment]:
    """live: as a service has it."""
    return recorded(memory / request.param, "tests.faults.index_writer", "DISK/index", request.param)


def recorded(folder: Path, module: str, *arguments: str) -> list[Moment]:
    """Run a module and record it. DISK in the arguments stands for the folder that is recorded."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    recording = Recording(disk, folder / "store")
    assert recording.run("-m", module, *(argument.replace("DISK", str(disk)) for argument in arguments)) == 0
    return recording.moments


@pytest.mark.parametrize("model", MODELS)
def test_an_index_keeps_what_was_acknowledged(moments: list[Moment], model: Model, memory: Path) -> None:
    assert moments[-1].acknowledged[-1] == "closed"
    for moment in some(moments, points(POINTS)):
        with made_again(moment, model, memory) as disk, open_index(disk / "index", SPEC, create=True) as index:
            check(index, moment)
            complete(index)


@contextmanager
def made_again(moment: Moment, model: Model, memory: Path) -> Iterator[Path]:
    """Yield the folder as a power loss would leave it; an error names the moment."""
    with TemporaryDirectory(dir=memory) as folder:
        try:
            yield make_again(moment, model, Path(folder, "disk"))
        except BaseException as error:
            error.add_note(f"after {moment.sync}, {model}, with {moment.acknowledged[-1:]} acknowledged")
            raise


def check(index: FrameIndex, moment: Moment) -> None:
    """Compare an index with what was acknowledged."""
    said = moment.acknowledged
    sources = [int(line.split()[1]) for line in said if line.startswith("complete")]
    wanted = [number for number in sources if camera_of(number) != FORGOTTEN]
    for number in wanted:
        assert index.source_record(f"s{number}", "all") is not None, f"source {number}"
        assert index.missing(frames_of(number)) == [], f"source {number}"
    if "forgotten" in said:
        assert list(index.frames(Filters((FORGOTTEN,)))) == []
    if "moved" in said:
        assert {frame.source for frame in index.frames(Filters(source_ids=("s0",)))} == {"moved.mp4"}
    for record in index.source_records():
        assert index.missing(frames_of(int(record.source_id[1:]))) == [], f"{record} is marked complete"


def complete(index: FrameIndex) -> None:
    """Do again what was not done."""
    for number in range(SOURCES):
        store(index, number)
    assert index.count() == SOURCES * FRAMES
    assert len(list(index.source_records())) == SOURCES


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_the_previous_version_or_the_new_one(name: str, memory: Path) -> None:
    moments = recorded(memory / name.replace(" ", "-"), "tests.faults.file_writers", name, "DISK")
    assert moments[-1].acknowledged == [str(version) for version in VERSIONS]
    for moment in some(moments, points(POINTS)):
        for model in MODELS:
            with made_again(moment, model, memory) as disk:
                check_version(WRITERS[name], disk, moment)


def test_views_of_a_run_are_continued_from_what_is_whole(memory: Path) -> None:
    """The length of the file says how many there are; a power loss may keep the length and lose the content."""
    moments = recorded(memory / "views", "tests.faults.views_writer", "DISK", str(memory / "views" / "cache"))
    expected = (memory / "views" / "disk" / "views.f16").read_bytes()
    for moment in some(moments, points(POINTS)):
        for model in MODELS:
            with made_again(moment, model, memory) as disk:
                assert views_writer.write(disk, disk.parent / "cache") == expected


def check_version(writer: Writer, folder: Path, moment: Moment) -> None:
    """A version that was acknowledged is there, or the next one; and the last one can be written."""
    acknowledged = int(moment.acknowledged[-1]) if moment.acknowledged else 0
    begun = acknowledged + 1
    expected = (acknowledged, begun) if writer.keeps else (0, acknowledged, begun)
    assert writer.read(folder) in expected
    writer.write(folder, VERSIONS[-1])
    assert writer.read(folder) == VERSIONS[-1]
