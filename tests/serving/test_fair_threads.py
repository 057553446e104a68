"""Threads that serve requests in turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from serving.inference.fair_threads import FairThreads


class Gate:
    """A task that has started waits here until it may go on."""

    def __init__(self) -> None:
        self.started, self.release = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.started.set()
        assert self.release.wait(60)


def test_owners_take_turns() -> None:
    threads, gate, ran = FairThreads(2, "test"), Gate(), list[str]()
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
    threads, heavy, light = FairThreads(3, "test"), [Gate() for _ in range(6)], Gate()
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
    threads, first, second = FairThreads(2, "test"), Gate(), Gate()
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
