"""Reading a source down to what tests compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.footage import Frame, Skipped, find_sources, read_frames


@pytest.fixture
def read():
    """(frames, what was skipped) of the sources given."""

    def read_all(*given: Path | str, fps: float | None = None) -> tuple[list[Frame], list[Skipped]]:
        skipped: list[Skipped] = []
        return list(read_frames(find_sources(given), fps, skipped.append)), skipped

    return read_all
