"""The batcher by itself, over a run that waits until a test lets it go: nothing here depends on time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np

from serving.inference.backlog import Busy
from serving.inference.batching import Batcher, Decode, RunFailed
from serving.inference.fair_threads import FairThreads, Task

T = TypeVar("T")
Outcomes = list[np.ndarray | BaseException]


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


class InOrder(FairThreads):
    """Two threads without turns: what is submitted last starts last."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)

    def submit(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self.pool.submit(task.work)


class Bench:
    """A batcher over two threads. While one of them runs a batch, the other decodes, one image after the other."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], max_batch: int = 64, max_wait_s: float = 60) -> None:
        self.threads = InOrder()
        self.batcher = Batcher(run, self.threads, max_batch, max_wait_s)

    async def begin(self, *calls: list[Decode]) -> list[asyncio.Task[Outcomes]]:
        """Start calls to `embed`, while a run is held, and return once all of their images wait."""
        tasks = [asyncio.create_task(self.batcher.embed(call)) for call in calls]
        await asyncio.sleep(0)
        await asyncio.wrap_future(self.threads.pool.submit(lambda: None))  # its turn comes after theirs
        return tasks

    async def hold(self, run: Held, *values: int) -> asyncio.Task[Outcomes]:
        """Start a run of one image, or of more, which is held."""
        task = asyncio.create_task(self.batcher.embed(images(*values)))
        await asyncio.to_thread(run.started.wait, 60)
        return task


def images(*values: int) -> list[Decode]:
    return [partial(np.full, (2, 2, 3), value, np.uint8) for value in values]


def broken() -> np.ndarray:
    raise OSError("cut short")


def values(outcomes: Outcomes) -> list[float | str]:
    return [str(one) if isinstance(one, BaseException) else one.item() for one in outcomes]


def finish(scenario: Coroutine[Any, Any, T]) -> T:
    """A batcher that died would leave its callers waiting for ever; here they give up."""

    async def limited() -> T:
        return await asyncio.wait_for(scenario, 60)

    return asyncio.run(limited())


def test_the_next_run_takes_all_that_came_while_one_ran() -> None:
    async def scenario(run: Held) -> list[Outcomes]:
        bench = Bench(run)
        first = await bench.hold(run, 1)
        rest = await bench.begin(images(2, 3), images(4), images(5, 6))
        run.go.set()
        return await asyncio.gather(first, *rest)

    run = Held()
    answers = finish(scenario(run))
    assert run.sizes == [1, 5]
    assert [values(answer) for answer in answers] == [[2], [4, 6], [8], [10, 12]]


def test_no_run_is_larger_than_the_largest_batch() -> None:
    async def scenario(run: Held) -> Outcomes:
        bench = Bench(run, max_batch=4)
        await bench.hold(run, 100)
        [ten] = await bench.begin(images(*range(10)))
        run.go.set()
        return await ten

    run = Held()
    answer = finish(scenario(run))
    assert run.sizes == [1, 4, 4, 2]
    assert values(answer) == [2 * value for value in range(10)]


def test_a_broken_image_meets_no_other() -> None:
    async def scenario(run: Held) -> list[Outcomes]:
        bench = Bench(run)
        first = await bench.hold(run, 1)
        rest = await bench.begin([*images(2), broken, *images(3)], images(4))
        run.go.set()
        return await asyncio.gather(first, *rest)

    run = Held()
    answers = finish(scenario(run))
    assert run.sizes == [1, 3]
    assert [values(answer) for answer in answers] == [[2], [4, "cut short", 6], [8]]
    assert isinstance(answers[1][1], OSError)


def test_a_failed_run_fails_its_own_images_only() -> None:
    async def scenario(run: Held) -> list[Outcomes]:
        bench = Bench(run, max_batch=2)
        first = await bench.hold(run, 0)
        rest = await bench.begin(images(1, 2), images(3), images(4, 5))
        run.go.set()
        answers = await asyncio.gather(first, *rest)
        return [*answers, await bench.batcher.embed(images(6))]

    run = Held()
    run.fail_on = 3
    answers = finish(scenario(run))
    assert run.sizes == [1, 2, 2, 1, 1]  # [0], [1, 2], then [3, 4], which fails, then [5] and [6]
    said = "the encoder failed (RuntimeError)"
    assert [values(answer) for answer in answers] == [[0], [2, 4], [said], [said, 10], [12]]
    assert isinstance(answers[2][0], RunFailed)


def test_a_run_that_gives_too_few_rows_fails() -> None:
    async def scenario() -> list[Outcomes]:
        run = Held()
        bench = Bench(lambda pixels: run(pixels)[:1])
        first = await bench.hold(run, 1)
        [two] = await bench.begin(images(2, 3))
        run.go.set()
        return [await first, await two, await bench.batcher.embed(images(4))]  # the batcher goes on

    said = "the encoder failed (ValueError)"
    assert [values(answer) for answer in finish(scenario())] == [[2], [said, said], [8]]


def test_who_leaves_while_waiting_is_not_run() -> None:
    async def scenario(run: Held) -> Outcomes:
        bench = Bench(run)
        await bench.hold(run, 1)
        gone, kept = await bench.begin(images(2, 3, 4), images(5))
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert gone.cancelled()
        run.go.set()
        return await kept

    run = Held()
    assert values(finish(scenario(run))) == [10]
    assert run.sizes == [1, 1]


def test_who_leaves_before_decoding_is_not_decoded() -> None:
    async def scenario(run: Held) -> list[str]:
        bench, decoded, go = Bench(run), [], threading.Event()
        await bench.hold(run, 1)

        def noted(name: str) -> np.ndarray:
            decoded.append(name)
            assert go.wait(60)
            return broken()

        blocked = asyncio.create_task(bench.batcher.embed([partial(noted, "first")]))
        gone = asyncio.create_task(bench.batcher.embed([partial(noted, "gone")]))
        while not decoded:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        go.set()
        run.go.set()
        await asyncio.wait([blocked])
        await bench.batcher.embed(images(2))
        return decoded

    assert finish(scenario(Held())) == ["first"]


def test_who_leaves_while_running_does_not_break_the_batch() -> None:
    async def scenario(run: Held) -> list[Outcomes]:
        bench = Bench(run)
        gone = await bench.hold(run, 1)
        [kept] = await bench.begin(images(2))
        gone.cancel()
        run.go.set()
        return [await kept, await bench.batcher.embed(images(3))]

    run = Held()
    assert [values(answer) for answer in finish(scenario(run))] == [[4], [6]]
    assert run.sizes == [1, 1, 1]


def test_a_request_that_waited_too_long_is_dropped_and_one_that_has_begun_is_not() -> None:
    """One image of the second request is decoded before its time is up, the other after; none of the third is."""

    async def scenario(run: Held) -> list[Outcomes]:
        bench, begun, go = Bench(run, max_wait_s=0.5), threading.Event(), threading.Event()

        def slow() -> np.ndarray:
            begun.set()
            assert go.wait(60)
            return images(2)[0]()

        first = await bench.hold(run, 1)  # takes one thread
        rest = [asyncio.create_task(bench.batcher.embed(call)) for call in ([slow, *images(3)], images(4, 5))]
        assert await asyncio.to_thread(begun.wait, 60)  # takes the other
        await asyncio.sleep(0.6)
        go.set()
        run.go.set()
        return [await first, *await asyncio.gather(*rest)]

    first, second, third = finish(scenario(Held()))
    assert [values(answer) for answer in (first, second)] == [[2], [4, 6]]
    assert all(isinstance(outcome, Busy) for outcome in third)


def test_a_large_request_begins_in_its_turn_though_smaller_ones_keep_coming() -> None:
    """If it began when the smaller ones leave room for all of its images, it would wait too long each time."""
    decoded: list[str] = []

    def passed(gate: threading.Event) -> None:
        assert gate.wait(60)

    def noted(name: str) -> np.ndarray:
        decoded.append(name)
        return images(1)[0]()

    async def scenario() -> None:
        threads, gates = FairThreads(2, "test", 60), [threading.Event(), threading.Event()]
        for gate in gates:
            threads.submit([Task(partial(passed, gate))])
        batcher = Batcher(lambda pixels: pixels[:, 0, 0], threads, 64, 60)
        calls = [["large 1", "large 2", "large 3"], ["small 1"], ["small 2"]]
        tasks = [asyncio.create_task(batcher.embed([partial(noted, name) for name in call])) for call in calls]
        await asyncio.sleep(0)
        gates[0].set()  # one thread does all
        await asyncio.gather(*tasks)
        gates[1].set()
        threads.shutdown()

    finish(scenario())
    assert decoded == ["large 1", "small 1", "small 2", "large 2", "large 3"]
