"""How much is stored, and how much of it is in the search graph, as each engine says it."""

from __future__ import annotations

from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from lookalike.encoder import Encoder
from lookalike.index import Filters, FrameIndex, open_index
from lookalike.index.embedded.live import LiveEngine
from lookalike.index.embedded.shards import POINTER
from lookalike.index.engine import IndexState
from lookalike.index.server.engine import ServerEngine
from lookalike.ingest.index import index_footage
from tests.index.circle import SPEC, at, frame, write_circle_encoder

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


@pytest.mark.trust
def test_a_graph_whose_build_was_interrupted_is_built_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run adds nothing, and nobody else asks for a graph."""
    monkeypatch.setattr("lookalike.index.embedded.effort.SCANNED", 2 * 100 - 1)
    encoder = Encoder(write_circle_encoder(tmp_path / "circle.onnx"), "cpu", threads=1)
    asked: list[FrameIndex] = []
    with open_index(tmp_path / "index", SPEC, create=True) as index:
        index.add(FRAMES, ANGLES)
        monkeypatch.setattr(FrameIndex, "optimize", lambda self: asked.append(self))
        index_footage([], encoder, index)
        assert asked == [index]
        index.forget(Filters(sources=("gate/s0.mp4",)))
        index_footage([], encoder, index)
        assert asked == [index]  # 99 vectors of 2 numbers are few


@pytest.mark.trust
def test_a_graph_whose_build_was_interrupted_is_built_by_the_service_that_starts_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_index(tmp_path, SPEC, create=True) as index:
        index.add(FRAMES, ANGLES)
    monkeypatch.setattr("lookalike.index.embedded.effort.SCANNED", 2 * 100 - 1)
    with open_index(tmp_path, SPEC, create=True, live=True) as index:
        engine = index.engine
        assert isinstance(engine, LiveEngine)
        engine.wait()
        assert index.count() == 100
    assert (tmp_path / POINTER).exists()
