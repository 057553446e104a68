"""Threads that serve requests in turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import pytest

from serving.inference.backlog import Busy
from serving.inference.fair_threads import FairThreads


class Gate:
    """A task that has started waits here until it may go on."""

    def __init__(self) -> None:
        self.started, self.release = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.started.set()
        assert self.release.wait(60)


def test_owners_take_turns() -> None:
    threads, gate, ran = FairThreads(2, "test", 60), Gate(), list[str]()
    both = Gate()
    threads.submit("first", gate)
    threads.submit("second", both)
    assert gate.started.wait(60)
    assert both.started.wait(60)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        threads.submit(name[0], partial(ran.append, name))
    both.release.set()  # one thread does all
    threads.submit("c", gate.release.set)
    threads.shutdown()
    assert ran == ["a1", "b1", "c1", "a2", "b2", "a3"]


@pytest.mark.trust
def test_a_light_task_starts_while_heavy_ones_take_all_other_threads(
    record_property: Callable[[str, object], None],
) -> None:
    threads, heavy, light = FairThreads(3, "test", 60), [Gate() for _ in range(6)], Gate()
    for gate in heavy:
        threads.submit("large", gate, heavy=True)
    threads.submit("small", light)
    assert light.started.wait(60)
    light.release.set()
    assert sum(gate.started.is_set() for gate in heavy) <= 2
    for gate in heavy:
        gate.release.set()
    threads.shutdown()
    assert all(gate.started.is_set() for gate in heavy)  # those whose turn was given up ran later
    record_property("tried", "6 heavy tasks, 3 threads")
    record_property("survived", "a light one started at once")


def test_a_heavy_task_that_waits_alone_runs_when_another_ends() -> None:
    threads, first, second = FairThreads(2, "test", 60), Gate(), Gate()
    threads.submit("a", first, heavy=True)
    assert first.started.wait(60)
    threads.submit("b", second, heavy=True)
    done = threading.Event()
    threads.submit("c", done.set)
    assert done.wait(60)
    assert not second.started.is_set()
    first.release.set()
    assert second.started.wait(60)
    second.release.set()
    threads.shutdown()


def test_a_task_whose_turn_does_not_come_in_time_is_dropped() -> None:
    async def scenario() -> list[object]:
        threads, gates = FairThreads(2, "test", 0.2), [Gate(), Gate()]
        for gate in gates:
            threads.submit(gate, gate)
            assert await asyncio.to_thread(gate.started.wait, 60)
        late = asyncio.create_task(threads.run(lambda: "late"))
        await asyncio.sleep(0.3)
        for gate in gates:
            gate.release.set()
        return [*await asyncio.gather(late, return_exceptions=True), await threads.run(lambda: "in time")]

    late, in_time = asyncio.run(scenario())
    assert isinstance(late, Busy)
    assert in_time == "in time"


def test_what_a_task_raises_is_raised() -> None:
    async def scenario() -> None:
        await FairThreads(2, "test", 60).run(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())
