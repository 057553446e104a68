"""Progress and messages for people, always on standard error, so that standard output stays data."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from lookalike.files.printable import printable
from lookalike.footage import Frame, Skipped, Source

PLAIN_EVERY_S = 10.0  # one line this often, where standard error is not a terminal
SAME_REASON = 20  # sources that are named for the same reason; the rest are counted

stderr = Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Print one line for a person. Never wrapped or coloured by its content."""
    stderr.print(Text(printable(message)), soft_wrap=True)


def warn_skipped(skipped: Skipped) -> None:
    what = f"read {skipped.frames:,} frames of" if skipped.frames else "skipped"
    say(f"{what} {skipped.source}: {skipped.reason}")


def warn_all_skipped(skipped: Sequence[Skipped]) -> None:
    """Print a line for each; if many share a reason, the first ones and how many more there are."""
    named: Counter[str] = Counter()
    for source in skipped:
        named[source.reason] += 1
        if named[source.reason] <= SAME_REASON:
            warn_skipped(source)
    for reason, count in named.items():
        if count > SAME_REASON:
            say(f"skipped {count - SAME_REASON:,} more: {reason}")


@contextmanager
def frame_counter(verb: str) -> Iterator[Callable[[Sequence[Frame]], None]]:
    """Count frames as they are done. Their total is not known before they are decoded."""
    done, started, printed_at = 0, time.monotonic(), time.monotonic()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=stderr,
        disable=not stderr.is_terminal,
    )
    task = bar.add_task(verb)

    def count(frames: Sequence[Frame]) -> None:
        nonlocal done, printed_at
        done += len(frames)
        rate = done / max(time.monotonic() - started, 1e-3)
        line = printable(f"{verb} {done:,} frames, {rate:.0f}/s, {frames[-1].source}")
        bar.update(task, description=line)
        if not stderr.is_terminal and time.monotonic() - printed_at > PLAIN_EVERY_S:
            printed_at = time.monotonic()
            say(line)

    with bar:
        yield count


@contextmanager
def footage_bar(verb: str, sources: Sequence[Source]) -> Iterator[Callable[[Sequence[Frame]], None]]:
    """Show the progress of a job over footage: by source, in total, relative to real time, and the time left."""
    from lookalike.progress import FootageProgress

    progress, started, printed_at = FootageProgress(sources), time.monotonic(), time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[line]}", markup=False)
    bar = Progress(*columns, console=stderr, disable=not stderr.is_terminal)
    task = bar.add_task(verb, total=1.0, line="")

    def add(frames: Sequence[Frame]) -> None:
        nonlocal printed_at
        progress.add(frames)
        line = printable(progress.line(time.monotonic() - started))
        bar.update(task, completed=progress.share, line=line)
        if not stderr.is_terminal and time.monotonic() - printed_at > PLAIN_EVERY_S:
            printed_at = time.monotonic()
            say(f"{verb} {line}")

    with bar:
        yield add


@contextmanager
def step_bar(verb: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Show a bar over a known number of steps, with the time left and a line of measurements."""
    printed_at = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[measured]}"),
        TimeRemainingColumn(),
        console=stderr,
        disable=not stderr.is_terminal,
    )
    task = bar.add_task(verb, total=total, measured="")

    def update(done: int, measured: str) -> None:
        nonlocal printed_at
        bar.update(task, completed=done, measured=measured)
        if not stderr.is_terminal and (time.monotonic() - printed_at > PLAIN_EVERY_S or done == total):
            printed_at = time.monotonic()
            say(f"{verb} {done}/{total} {measured}")

    with bar:
        yield update


@contextmanager
def work_bar(verb: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar over work whose length is known once it has begun. Yields a function of what is done and the total."""
    printed_at = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        disable=not stderr.is_terminal,
    )
    task = bar.add_task(verb, total=None, visible=False)

    def update(done: int, total: int) -> None:
        nonlocal printed_at
        bar.update(task, completed=done, total=total, visible=True)
        if not stderr.is_terminal and (time.monotonic() - printed_at > PLAIN_EVERY_S or done == total):
            printed_at = time.monotonic()
            say(f"{verb} {done}/{total}")

    with bar:
        yield update


def print_data(line: str) -> None:
    """Print one line of data on standard output, at once."""
    sys.stdout.write(printable(line) + "\n")
    sys.stdout.flush()
