"""What `lookalike index --watch` does until it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.cli.flags import fail
from lookalike.cli.footage import FootageFlags, Tally

if TYPE_CHECKING:
    from lookalike.encoder import Encoder
    from lookalike.footage import Source
    from lookalike.index import FrameIndex
    from lookalike.ingest.settings import IngestSettings
    from lookalike.ingest.summary import Summary
    from lookalike.ingest.watch import TakenIn


def check_watch(folders: tuple[str, ...], settle_s: float) -> None:
    from lookalike.footage.url import shown_url

    if settle_s < 0:
        fail(f"--settle-s is {settle_s:g}, expected 0 or more", code=2)
    for one in folders:
        if not Path(one).is_dir():
            fail(f"{shown_url(one)}: no folder; --watch takes folders that recordings arrive in", code=2)


def watch_folders(
    folders: tuple[str, ...],
    flags: FootageFlags,
    encoder: Encoder,
    index: FrameIndex,
    settings: IngestSettings,
    settle_s: float,
) -> Summary:
    """Returns: what was taken in, when SIGINT or SIGTERM ended it: that is how a watch ends."""
    from lookalike.console import say
    from lookalike.footage.sources import LeftOut, find_in_folders
    from lookalike.ingest.index import index_footage
    from lookalike.ingest.summary import Summary
    from lookalike.ingest.watch import watch

    naming = flags.naming.read()

    def take(sources: Sequence[Source]) -> Summary:
        bounded = [replace(source, limits=flags.limits) for source in sources]
        return index_footage(bounded, encoder, index, settings)

    def find() -> list[Source]:
        nonlocal tally
        tally = Tally()
        found = list(find_in_folders(folders, naming, tally.add, flags.selection))
        for entry in tally.skipped:
            if entry not in told:
                told.add(entry)
                say(f"skipped {entry.path}: {entry.reason}")
        return found

    total, tally, told = Summary(), Tally(), set[LeftOut]()  # tally: of the last look
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        say(f"watching {', '.join(folders)}; Ctrl-C ends it")
        for taken in watch(find, take, settle_s):
            total += taken.summary
            _tell(taken)
    except KeyboardInterrupt:
        say("stopped; what was begun is gone on with when it is run again")
    return total + tally.summary()


def _tell(taken: TakenIn) -> None:
    """One line; none for what the index had."""
    from lookalike.console import say, warn_skipped

    summary, name = taken.summary, taken.sources[-1].name
    what = name if len(taken.sources) == 1 else f"{len(taken.sources)} images, the last {name}"
    if summary.added:
        say(f"{what}: {summary.frames:,} frames, {summary.added:,} new")
    for one in summary.skipped:
        warn_skipped(one)
