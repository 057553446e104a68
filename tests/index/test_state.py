"""How much is stored, and how much of it is in the search graph, as each engine says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from lookalike.index import FrameIndex, open_index
from lookalike.index.embedded.live import LiveEngine
from lookalike.index.engine import IndexState
from lookalike.index.server.engine import ServerEngine
from tests.index.circle import SPEC, at, frame

FRAMES = [frame(f"s{number}", float(number)) for number in range(100)]
ANGLES = at(*range(100))


def test_an_embedded_index_counts_what_its_graph_lacks(tmp_path: Path) -> None:
    with open_index(tmp_path, SPEC, create=True) as index:
        assert index.state() == IndexState(0, 0, building=False)
        index.add(FRAMES, ANGLES)
        assert index.state() == IndexState(100, 100, building=False)


def test_a_live_index_says_that_its_graph_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[IndexState | None] = []
    closed = LiveEngine._closed

    def note_then_close(self: LiveEngine) -> None:
        states.append(self.state())
        closed(self)

    monkeypatch.setattr(LiveEngine, "_closed", note_then_close)
    with open_index(tmp_path, SPEC, create=True, live=True) as index:
        index.add(FRAMES, ANGLES)
        assert index.state() == IndexState(100, 100, building=False)
        index.optimize()
        engine = index.engine
        assert isinstance(engine, LiveEngine)
        engine.wait()
        assert states == [IndexState(100, 100, building=True)]
        state = index.state()
        assert state is not None
        assert (state.frames, state.building) == (100, False)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")
def test_a_server_says_what_it_has() -> None:
    engine = ServerEngine(QdrantClient(":memory:"), "frames", SPEC.space, SPEC.dim, create=True)
    with FrameIndex(engine, SPEC) as index:
        index.add(FRAMES[:10], ANGLES[:10])
        state = index.state()
        assert state is not None
        assert (state.frames, state.building) == (10, False)


def test_an_engine_that_does_not_know() -> None:
    assert FrameIndex(object(), SPEC).state() is None  # pyright: ignore[reportArgumentType]
