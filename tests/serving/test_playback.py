"""Proxies are made a few at a time, and no more than some wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lookalike.errors import FootageError
from lookalike.footage.playable import Playable
from serving.inference.backlog import Busy
from serving.media.worker import MediaPool, MediaWorker
from serving.recordings import playback
from serving.recordings.disk_cache import DiskCache
from serving.recordings.playback import Media, Player
from serving.recordings.source_verifier import SourceVerifier
from tests.serving.queues import waited, waiting


@pytest.mark.trust
def test_past_the_most_proxies_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def make(worker: MediaWorker, source: str, out: Path, how: str, progress: Callable[[float], None], _: str) -> None:
        assert go_on.wait(60)

    monkeypatch.setattr(SourceVerifier, "check", lambda self, source, source_id: None)
    monkeypatch.setattr(MediaWorker, "judge", lambda self, source: Playable("encoded", "video/mp4", 0.0, 25.0))
    monkeypatch.setattr(MediaWorker, "make_playable", make)

    async def scenario(player: Player) -> None:
        for number in range(playback.MAX_QUEUED):
            assert (await player.media(f"{number}.avi", str(number))).state == "preparing"
        with pytest.raises(Busy, match=f"{playback.MAX_QUEUED} recordings are being made playable"):
            await player.media("more.avi", "more")
        assert (await player.media("0.avi", "0")).state == "preparing"
        go_on.set()

    with closing(Player(SourceVerifier(), MediaPool(1, 0), DiskCache(tmp_path, 1000))) as player:
        asyncio.run(scenario(player))


def test_proxies_and_looks_at_recordings_that_wait_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two proxies are made at a time, and two recordings are looked at."""
    look, make_on = threading.Event(), threading.Event()
    looking, making = threading.Semaphore(0), threading.Semaphore(0)

    def judge(worker: MediaWorker, source: str) -> Playable:
        looking.release()
        assert look.wait(60)
        return Playable("encoded", "video/mp4", 0.0, 25.0)

    def make(*_: object) -> None:
        making.release()
        assert make_on.wait(60)

    monkeypatch.setattr(SourceVerifier, "check", lambda self, source, source_id: None)
    monkeypatch.setattr(MediaWorker, "judge", judge)
    monkeypatch.setattr(MediaWorker, "make_playable", make)
    before = {queue: (waiting(queue), waited(queue)) for queue in ("playback", "proxy")}

    def counts(queue: str) -> tuple[float, float]:
        return waiting(queue) - before[queue][0], waited(queue) - before[queue][1]

    async def begun(semaphore: threading.Semaphore) -> None:
        for _ in range(playback.PROXY_THREADS):
            assert await asyncio.to_thread(semaphore.acquire, timeout=60)

    async def scenario(player: Player) -> None:
        asked = [asyncio.ensure_future(player.media(f"{number}.avi", str(number))) for number in range(5)]
        await begun(looking)
        assert counts("playback") == (3, 2)
        asked.pop().cancel()
        look.set()
        await asyncio.gather(*asked)
        await begun(making)
        assert counts("playback") == (0, 5)
        assert counts("proxy") == (2, 2)
        make_on.set()

    with closing(Player(SourceVerifier(), MediaPool(2, 0), DiskCache(tmp_path, 1000))) as player:
        asyncio.run(scenario(player))
        player._makers.shutdown()
        assert counts("proxy") == (0, 4)


def test_a_proxy_that_failed_is_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full has room again; until the service was restarted, the recording could not be played."""
    made: list[str] = []

    def make(worker: MediaWorker, source: str, out: Path, how: str, progress: Callable[[float], None], _: str) -> None:
        made.append(source)
        if len(made) == 1:
            raise FootageError(f"{source}: cannot be made playable (No space left on device)")
        out.write_bytes(b"a proxy")

    monkeypatch.setattr(SourceVerifier, "check", lambda self, source, source_id: None)
    monkeypatch.setattr(MediaWorker, "judge", lambda self, source: Playable("encoded", "video/mp4", 0.0, 25.0))
    monkeypatch.setattr(MediaWorker, "make_playable", make)

    async def settled(player: Player) -> Media:
        while (media := await player.media("a.avi", "a")).state == "preparing":
            await asyncio.sleep(0.01)
        return media

    async def scenario(player: Player) -> None:
        for _ in range(2):
            assert (await settled(player)).reason == "a.avi: cannot be made playable (No space left on device)"
        monkeypatch.setattr(playback, "FAILED_S", 0.0)
        assert (await settled(player)).state == "ready"

    with closing(Player(SourceVerifier(), MediaPool(1, 0), DiskCache(tmp_path, 1000))) as player:
        asyncio.run(scenario(player))
    assert made == ["a.avi", "a.avi"]
