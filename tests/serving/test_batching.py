"""The batcher by itself, over a run that waits until a test lets it go: nothing here depends on time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np
import pytest

from serving.batching import Batcher, Busy, RunFailed

T = TypeVar("T")


class Held:
    """A run that notes its batch sizes, waits for `go`, and gives each image's first value, doubled."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.started, self.go = threading.Event(), threading.Event()
        self.fail_on: int | None = None

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.sizes.append(len(pixels))
        self.started.set()
        assert self.go.wait(60)
        values = pixels[:, 0, 0, 0].astype(np.float32)
        if self.fail_on in values:
            raise RuntimeError("out of memory")
        return values[:, None] * 2

    async def until_started(self) -> None:
        await asyncio.to_thread(self.started.wait, 60)


def image(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def images(*values: int) -> list[np.ndarray]:
    return [image(value) for value in values]


async def queued(*calls: Coroutine[Any, Any, np.ndarray]) -> list[asyncio.Task[np.ndarray]]:
    """Start calls, and return once each has put its images into the queue."""
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


def finish(scenario: Coroutine[Any, Any, T]) -> T:
    """A batcher that died would leave its callers waiting for ever; here they give up."""

    async def limited() -> T:
        return await asyncio.wait_for(scenario, 60)

    return asyncio.run(limited())


def test_the_next_run_takes_all_that_came_while_one_ran() -> None:
    async def scenario(run: Held) -> list[np.ndarray]:
        async with Batcher(run, max_batch=64, capacity=100) as batcher:
            first = await queued(batcher.embed(images(1)))
            await run.until_started()
            rest = await queued(batcher.embed(images(2, 3)), batcher.embed(images(4)), batcher.embed(images(5, 6)))
            run.go.set()
            return await asyncio.gather(*first, *rest)

    run = Held()
    answers = finish(scenario(run))
    assert run.sizes == [1, 5]
    assert [answer.tolist() for answer in answers] == [[[2]], [[4], [6]], [[8]], [[10], [12]]]


def test_no_run_is_larger_than_the_largest_batch() -> None:
    async def scenario(run: Held) -> np.ndarray:
        async with Batcher(run, max_batch=4, capacity=100) as batcher:
            run.go.set()
            return await batcher.embed(images(*range(10)))

    run = Held()
    answer = finish(scenario(run))
    assert run.sizes == [4, 4, 2]
    assert answer[:, 0].tolist() == [2 * value for value in range(10)]


def test_a_failed_run_fails_its_own_images_only() -> None:
    async def scenario(run: Held) -> list[np.ndarray | BaseException]:
        async with Batcher(run, max_batch=2, capacity=100) as batcher:
            run.go.set()
            calls = [batcher.embed(images(1, 2)), batcher.embed(images(3)), batcher.embed(images(4, 5))]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            return [*answers, await batcher.embed(images(6))]

    run = Held()
    run.fail_on = 3
    first, second, third, later = finish(scenario(run))
    assert run.sizes == [2, 2, 1, 1]  # [1, 2], then [3, 4], which fails, then [5] and [6]
    assert isinstance(first, np.ndarray)
    assert isinstance(later, np.ndarray)
    assert (first.tolist(), later.tolist()) == ([[2], [4]], [[12]])
    assert isinstance(second, RunFailed)
    assert isinstance(third, RunFailed)
    assert str(second) == "the encoder failed (RuntimeError)"


def test_a_run_that_gives_too_few_rows_fails() -> None:
    async def scenario() -> None:
        async with Batcher(lambda pixels: np.zeros((1, 3), np.float32), max_batch=2, capacity=100) as batcher:
            with pytest.raises(RunFailed):
                await batcher.embed(images(1, 2))
            assert (await batcher.embed(images(3))).shape == (1, 3)  # the batcher goes on

    finish(scenario())


def test_who_leaves_while_waiting_is_not_run() -> None:
    async def scenario(run: Held) -> np.ndarray:
        async with Batcher(run, max_batch=64, capacity=100) as batcher:
            first, gone, kept = await queued(
                batcher.embed(images(1)), batcher.embed(images(2, 3, 4)), batcher.embed(images(5))
            )
            run.go.set()
            gone.cancel()
            answers = await asyncio.gather(first, gone, kept, return_exceptions=True)
            assert isinstance(answers[1], asyncio.CancelledError)
            return await kept

    run = Held()
    assert finish(scenario(run)).tolist() == [[10]]
    assert sum(run.sizes) == 2


def test_who_leaves_while_running_does_not_break_the_batch() -> None:
    async def scenario(run: Held) -> list[np.ndarray]:
        async with Batcher(run, max_batch=64, capacity=100) as batcher:
            gone, kept = await queued(batcher.embed(images(1)), batcher.embed(images(2)))
            await run.until_started()
            gone.cancel()
            run.go.set()
            return [await kept, await batcher.embed(images(3))]

    run = Held()
    assert [answer.tolist() for answer in finish(scenario(run))] == [[[4]], [[6]]]
    assert run.sizes == [2, 1]


def test_no_more_than_the_capacity_is_admitted() -> None:
    batcher = Batcher(Held(), max_batch=64, capacity=4)
    with batcher.admit(3):
        with pytest.raises(Busy), batcher.admit(2):
            pass
        with batcher.admit(1), pytest.raises(Busy), batcher.admit(1):
            pass
    with batcher.admit(4):  # all room is given back, also by what was refused
        pass
