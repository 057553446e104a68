"""The embedded engine of a service: it answers while frames come in, and while the search graph is built.

The shard is open in a separate process. To build the graph, a copy of the shard is optimised in another process, at low
priority. Changes in the meantime are recorded and repeated on the copy, which then replaces the shard. After a crash at
any point, one of the two shards is in use, with everything that was made durable.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from lookalike.errors import DiskFull, IndexStoreError
from lookalike.index.embedded.changes import Changes
from lookalike.index.embedded.disk_space import GIVES_BACK, Room
from lookalike.index.embedded.effort import needs_graph
from lookalike.index.embedded.ledger import Ledger, WithLedger
from lookalike.index.embedded.paging import Page, Paged
from lookalike.index.embedded.shard_process import LOW_PRIORITY, ShardProcess
from lookalike.index.embedded.shards import (
    copy_shard,
    current_shard,
    in_use,
    make_durable,
    new_shard,
    remove_others,
    use_shard,
)
from lookalike.index.embedded.supervised import SupervisedShard
from lookalike.index.engine import IndexState
from lookalike.index.filters import Filters
from lookalike.index.operations import OPERATIONS, Asked
from lookalike.index.record import StoredFrame

logger = logging.getLogger("bentoml.lookalike")  # BentoML configures only loggers below its own

AT_ONCE = 64  # frames stored in one step of 7 ms; searches are answered between steps
CHANGED = 0.05  # share of frames outside of the graph that is worth a rebuild; fewer are compared one by one


class LiveEngine(WithLedger, Paged, Asked):
    """May be used from any thread."""

    def __init__(self, folder: Path, space: str, dim: int) -> None:
        """Open the index in `folder`, or create it. Raises: IndexStoreError as `edge.EdgeEngine`."""
        self._folder, self._space, self._dim = folder, space, dim
        self._room = Room(folder)
        self._room.check_open(current_shard(folder))
        self._ledger = Ledger(folder / "ledger.sqlite")
        try:
            self._shard = SupervisedShard(at := current_shard(folder), space, dim)
            if current_shard(folder) != at:  # whoever had it open has replaced it meanwhile, and removes it
                self._shard.close()
                raise in_use(folder)
        except BaseException:
            self._ledger.close()
            raise
        remove_others(folder)
        self._writing = threading.Lock()  # guards all below
        self._changes: Changes | None = None  # since the shard was copied, during a build
        self._changed: int = self._shard.ask("unindexed")
        self._builder: threading.Thread | None = None
        self._building: ShardProcess | SupervisedShard | None = None
        self._wanted = self._closing = False
        if needs_graph(self._changed, dim):
            self.optimize()  # a build was interrupted, and nobody may ask for another

    def upsert(self, frames: Sequence[StoredFrame], vectors: np.ndarray) -> None:
        for start in range(0, len(frames), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            self._ask("upsert", frames[part], vectors[part])

    def page(self, filters: Filters, after: Any, limit: int, with_vectors: bool) -> Page:
        return self._ask("page", filters, after, limit, with_vectors)

    def flush(self) -> None:
        with self._writing:
            self._flush()

    def optimize(self) -> None:
        """Start to build the graph in the background, if enough has changed since the last build."""
        with self._writing:
            self._wanted = True
            if self._builder is None and not self._closing:
                self._builder = threading.Thread(target=self._build_while_wanted, name="build", daemon=True)
                self._builder.start()

    def state(self) -> IndexState:
        return dataclasses.replace(self._ask("state"), building=self._building is not None)

    def wait(self) -> None:
        """Wait until no graph is being built."""
        if builder := self._builder:
            builder.join()

    def trouble(self) -> str | None:
        return self._shard.trouble or self._room.trouble()

    def close(self) -> None:
        """Release the index. An unfinished build is abandoned."""
        with self._writing:
            self._closing = True
            if self._building:
                self._building.kill()
        self.wait()
        self._ledger.close()
        self._shard.close()

    def _ask(self, operation: str, *arguments: Any) -> Any:
        if operation in OPERATIONS and OPERATIONS[operation].writes:
            return self._change(operation, *arguments)
        shard = self._shard
        try:
            return shard.ask(operation, *arguments)
        except IndexStoreError:
            if shard is self._shard:
                raise
            return self._shard.ask(operation, *arguments)  # the shard was replaced in the meantime

    def _change(self, operation: str, *arguments: Any) -> None:
        with self._writing:
            self._room.check_write(self._shard.folder, 1.0 if operation == "upsert" else GIVES_BACK)
            self._shard.ask(operation, *arguments)
            self._changed += len(arguments[0]) if operation == "upsert" else 0
            if self._changes:
                self._note(self._changes, operation, *arguments)

    def _note(self, changes: Changes, operation: str, *arguments: Any) -> None:
        try:
            changes.add(operation, *arguments)
        except OSError as error:  # the copy would lack this change
            logger.error("the search graph is not built: its changes cannot be noted (%s)", error)
            self._changes = None
            if self._building:
                self._building.kill()

    def _flush(self) -> None:
        make_durable(self._shard.folder)  # in this process, while the other one goes on answering
        self._shard.ask("flush")

    def _build_while_wanted(self) -> None:
        while True:
            with self._writing:
                if not self._wanted or self._closing or self._changed < CHANGED * self._shard.ask("count"):
                    self._builder, self._wanted = None, False
                    return
                self._wanted = False
            try:
                self._build()
            except DiskFull as error:
                logger.error("the search graph is not built: %s", error)
            except Exception:
                if not self._closing:
                    logger.exception("the search graph was not built; the index is searched without it")

    def _build(self) -> None:
        started, copy, old = time.monotonic(), new_shard(self._folder), self._shard
        self._room.check_graph(old.folder, 2)
        try:
            self._copy(copy)
            self._open(copy, LOW_PRIORITY).ask("optimize")
            self._closed()
            self._switch(cast(SupervisedShard, self._open(copy)))
        except BaseException:
            with self._writing:
                self._changes = None
                if self._building:
                    self._building.kill()
                    self._building = None
            if current_shard(self._folder) != copy:
                shutil.rmtree(copy, ignore_errors=True)
            raise
        old.close()
        shutil.rmtree(old.folder, ignore_errors=True)
        logger.info("search graph of %d frames built in %.0f s", self.count(), time.monotonic() - started)

    def _copy(self, copy: Path) -> None:
        with self._writing:
            self._flush()
            copy_shard(self._shard.folder, copy)
            self._changes, self._changed = Changes(), 0

    def _open(self, copy: Path, nice: int = 0) -> ShardProcess | SupervisedShard:
        with self._writing:
            if self._closing:
                raise IndexStoreError(f"{self._folder}: being closed")
            kind = ShardProcess if nice else SupervisedShard  # a build that dies is not begun again
            self._building = kind(copy, self._space, self._dim, nice)
            return self._building

    def _closed(self) -> None:
        building, self._building = self._building, None
        if building:
            building.close()

    def _switch(self, fresh: SupervisedShard) -> None:
        """Replace the shard by the copy, once the copy has all changes."""
        if (changes := self._changes) is None:
            raise IndexStoreError(f"{self._folder}: the changes since the copy are not known")
        for operation, arguments in changes.new():
            fresh.ask(operation, *arguments)
        make_durable(fresh.folder)
        with self._writing:
            for operation, arguments in changes.new():
                fresh.ask(operation, *arguments)
            fresh.ask("flush")
            make_durable(fresh.folder)
            use_shard(fresh.folder)
            self._shard, self._changes, self._building = fresh, None, None
