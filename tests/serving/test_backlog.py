"""Work is refused by how long it would wait."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest

from serving.inference.backlog import COMING_S, MARGIN, Backlog, Busy


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlog(clock: Clock) -> Backlog:
    """After 100 units in 1 s. Work waits for 2 s at most, so that 200 units are accepted, and what is past them."""
    backlog = Backlog(2.0, 10, clock)
    with backlog.admit(100):
        clock.now_s = 1.0
    return backlog


def test_work_is_accepted_up_to_the_wait(backlog: Backlog) -> None:
    with ExitStack() as accepted:
        for _ in range(3):
            accepted.enter_context(backlog.admit(100))
        assert backlog.wait_s(100) == backlog.wait_s(1000) == pytest.approx(3.0)
        with pytest.raises(Busy, match=r"the wait would be 3\.0 s, at most 2 s"):
            accepted.enter_context(backlog.admit(100))
    assert backlog.wait_s(100) == 0


def test_a_small_request_does_not_wait_for_the_rest_of_large_ones(backlog: Backlog) -> None:
    with backlog.admit(10_000), backlog.admit(100):
        assert backlog.wait_s(1) == pytest.approx(0.02)
        assert backlog.wait_s(100) == pytest.approx(2.0)


def test_any_request_is_accepted_while_nothing_waits(backlog: Backlog) -> None:
    with backlog.admit(1e9):
        assert backlog.wait_s(1e9) > 2


def test_the_pace_follows_what_is_done(backlog: Backlog, clock: Clock) -> None:
    """A machine that becomes ten times as slow: after a while, a tenth is accepted."""
    for _ in range(20):
        with backlog.admit(100):
            clock.now_s += 10.0
    with backlog.admit(100):
        assert backlog.wait_s(100) == pytest.approx(10.0, rel=0.01)


def test_time_without_work_does_not_count(backlog: Backlog, clock: Clock) -> None:
    clock.now_s += 3600
    with backlog.admit(100):
        assert backlog.wait_s(100) == pytest.approx(1.0)


def test_work_that_fails_leaves_the_pace_and_gives_back_its_room(backlog: Backlog, clock: Clock) -> None:
    with suppress(ValueError), backlog.admit(100):
        clock.now_s += 3600
        raise ValueError
    with backlog.admit(100):
        assert backlog.wait_s(100) == pytest.approx(1.0)


def test_before_the_pace_is_known_little_is_accepted(clock: Clock) -> None:
    backlog = Backlog(2.0, 10, clock)
    with backlog.admit(9), backlog.admit(9), pytest.raises(Busy, match="unknown"), backlog.admit(9):
        pass


def test_a_body_is_refused_before_it_is_read(backlog: Backlog) -> None:
    """100 units came in 10 bytes, so 10 more bytes are expected to be 100 units: 1 s behind each other 100."""
    backlog.let_in(10, 100)  # nothing is known of bytes yet
    with backlog.admit(100, 10):
        backlog.let_in(10, 100)
        with pytest.raises(Busy, match=rf"the wait would be {2 * MARGIN:.1f} s, at most 2 s"):
            backlog.let_in(10, 100)  # behind the accepted one and the one that is read
        backlog.let_in(1, 100)  # takes turns: .1 s behind each


def test_what_was_let_in_counts_once_when_it_is_accepted(backlog: Backlog) -> None:
    with backlog.admit(100, 10):
        backlog.let_in(10, 100)
        with backlog.admit(100, 10), pytest.raises(Busy, match=rf"would be {2 * MARGIN:.1f} s"):
            backlog.let_in(10, 100)


def test_what_was_let_in_and_is_over_keeps_nobody_out(backlog: Backlog) -> None:
    """As an image that cannot be read."""
    with backlog.admit(100, 10):
        for _ in range(10):
            backlog.gone(backlog.let_in(10, 100))


def test_a_client_that_sends_slowly_keeps_nobody_out(backlog: Backlog, clock: Clock) -> None:
    with backlog.admit(100, 10):
        backlog.let_in(10, 100)
        clock.now_s += 1.1 * COMING_S
        backlog.let_in(10, 100)


def test_a_few_that_unpack_into_a_lot_do_not_close_the_door(backlog: Backlog) -> None:
    with backlog.admit(10_000, 1):
        backlog.let_in(10, 5)  # 50 units at most, .5 s
        with pytest.raises(Busy):
            backlog.let_in(40, 5)
