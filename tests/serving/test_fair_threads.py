"""Threads that serve requests fairly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from serving.inference.backlog import Busy
from serving.inference.fair_threads import FairThreads, Task


class Gate:
    """A task that has started waits here until it may go on."""

    def __init__(self) -> None:
        self.started, self.release = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.started.set()
        assert self.release.wait(60)


def test_requests_are_done_in_the_order_of_taking_turns() -> None:
    """Of 3, 2 and 1 tasks, all of which wait: in turns a1 b1 c1 a2 b2 a3, c is done first, then b."""
    threads, gate, ran = FairThreads(2, "test", 60), Gate(), list[str]()
    both = Gate()
    threads.submit([Task(gate)])
    threads.submit([Task(both)])
    assert gate.started.wait(60)
    assert both.started.wait(60)
    for names in (("a1", "a2", "a3"), ("b1", "b2"), ("c1",)):
        threads.submit([Task(partial(ran.append, name)) for name in names])
    both.release.set()  # one thread does all
    threads.submit([Task(lambda: None)] * 3 + [Task(gate.release.set)])
    threads.shutdown()
    assert ran == ["c1", "b1", "b2", "a1", "a2", "a3"]


def test_small_requests_do_not_keep_a_large_one_from_its_share() -> None:
    """A request of 4 tasks next to one of 1 after the other: by turns, 4 of these are done before it."""
    threads, ran, left = FairThreads(2, "test", 60), list[str](), iter(range(20))
    gates = [Gate(), Gate()]
    for gate in gates:
        threads.submit([Task(gate)])
        assert gate.started.wait(60)

    def small() -> None:
        ran.append("small")
        if next(left, None) is not None:
            threads.submit([Task(small)])

    threads.submit([Task(partial(ran.append, "large"))] * 4)
    threads.submit([Task(small)])
    gates[0].release.set()  # one thread does all
    while len(ran) < 25:
        time.sleep(0.01)
    gates[1].release.set()
    threads.shutdown()
    before = ran.index("large")
    assert ran[before : before + 4] == ["large"] * 4
    assert 4 <= before <= 8


@pytest.mark.trust
def test_a_light_task_starts_while_heavy_ones_take_all_other_threads(
    record_property: Callable[[str, object], None],
) -> None:
    threads, heavy, light = FairThreads(3, "test", 60), [Gate() for _ in range(6)], Gate()
    threads.submit([Task(gate, heavy=True) for gate in heavy])
    threads.submit([Task(light)])
    assert light.started.wait(60)
    light.release.set()
    assert sum(gate.started.is_set() for gate in heavy) <= 2
    for gate in heavy:
        gate.release.set()
    threads.shutdown()
    assert all(gate.started.is_set() for gate in heavy)
    record_property("tried", "6 heavy tasks, 3 threads")
    record_property("survived", "a light one started at once")


def test_a_heavy_task_that_waits_alone_runs_when_another_ends() -> None:
    threads, first, second = FairThreads(2, "test", 60), Gate(), Gate()
    threads.submit([Task(first, heavy=True)])
    assert first.started.wait(60)
    threads.submit([Task(second, heavy=True)])
    done = threading.Event()
    threads.submit([Task(done.set)])
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
            threads.submit([Task(gate)])
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
