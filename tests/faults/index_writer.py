"""Fill an index and say what is durable: what the tests of power loss record.

Twelve sources of four cameras, with three frames each. Then one camera is forgotten, and a source gets another name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lookalike.footage import Frame
from lookalike.index import Filters, FrameIndex, SourceRecord, open_index
from lookalike.index.embedded.live import LiveEngine
from tests.faults.power import acknowledge
from tests.index.circle import SPEC, at, frame

SOURCES, FRAMES = 12, 3
CAMERAS = ("gate", "dock", "yard", "roof")
FORGOTTEN = "dock"
AFTER = (4, 8)  # sources after which a graph is built


def camera_of(number: int) -> str:
    return CAMERAS[number % len(CAMERAS)]


def frames_of(number: int) -> list[Frame]:
    return [frame(f"s{number}", second, camera_of(number)) for second in range(FRAMES)]


def record_of(number: int) -> SourceRecord:
    camera = camera_of(number)
    return SourceRecord(f"s{number}", "all", f"{camera}/s{number}.mp4", FRAMES, FRAMES, camera=camera)


def store(index: FrameIndex, number: int) -> None:
    index.add(frames_of(number), at(*range(number, number + FRAMES)))
    index.mark_complete([record_of(number)])


def build(index: FrameIndex) -> None:
    index.optimize()
    if isinstance(index.engine, LiveEngine):
        index.engine.wait()


def fill(folder: Path, live: bool) -> None:
    with open_index(folder, SPEC, create=True, live=live) as index:
        for number in range(SOURCES):
            store(index, number)
            acknowledge(f"complete {number}")
            if number in AFTER:
                build(index)
                acknowledge("built")
        index.forget(Filters((FORGOTTEN,)))
        acknowledge("forgotten")
        index.rename(record_of(0), "moved.mp4", "gate")
        acknowledge("moved")
    acknowledge("closed")


if __name__ == "__main__":
    fill(Path(sys.argv[1]), sys.argv[2] == "live")
