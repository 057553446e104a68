"""The embedded engine of a service: it answers while frames come in, and while the search graph is built.

The shard is open in a separate process. To build the graph, a copy of the shard is optimised in another process, at low
priority. Changes in the meantime are recorded and repeated on the copy, which then replaces the shard. After a crash at
any point, one of the two shards is in use, with everything that was made durable.
"""

from __future__ import annotations

import dataclasses
import logging
import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.errors import IndexStoreError
from lookalike.index.engine import IndexState
from lookalike.index.filters import Filters
from lookalike.index.ledger import Ledger, WithLedger
from lookalike.index.operations import OPERATIONS, Asked
from lookalike.index.paging import Page, Paged
from lookalike.index.record import StoredFrame
from lookalike.index.shard_process import LOW_PRIORITY, ShardProcess
from lookalike.index.shards import copy_shard, current_shard, make_durable, new_shard, remove_others, use_shard

logger = logging.getLogger("bentoml.lookalike")  # BentoML configures only loggers below its own

AT_ONCE = 64  # frames stored in one step of 7 ms; searches are answered between steps
CHANGED = 0.05  # share of frames outside of the graph that is worth a rebuild; fewer are compared one by one


class LiveEngine(WithLedger, Paged, Asked):
    """May be used from any thread."""

    def __init__(self, folder: Path, space: str, dim: int) -> None:
        """Open the index in `folder`, or create it. Raises: IndexStoreError as `edge.EdgeEngine`."""
        self._folder, self._space, self._dim = folder, space, dim
        self._ledger = Ledger(folder / "ledger.sqlite")
        try:
            self._shard = ShardProcess(current_shard(folder), space, dim)
        except BaseException:
            self._ledger.close()
            raise
        remove_others(folder)
        self._writing = threading.Lock()  # guards all below
        self._changes: _Changes | None = None  # since the shard was copied, during a build
        self._changed: int = self._shard.ask("unindexed")
        self._builder: threading.Thread | None = None
        self._building: ShardProcess | None = None
        self._wanted = self._closing = False

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
            self._shard.ask(operation, *arguments)
            self._changed += len(arguments[0]) if operation == "upsert" else 0
            if self._changes:
                self._changes.add(operation, *arguments)

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
            except Exception:
                if not self._closing:
                    logger.exception("the search graph was not built; the index is searched without it")

    def _build(self) -> None:
        started, copy, old = time.monotonic(), new_shard(self._folder), self._shard
        try:
            self._copy(copy)
            self._open(copy, LOW_PRIORITY).ask("optimize")
            self._closed()
            self._switch(self._open(copy))
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
            self._changes, self._changed = _Changes(), 0

    def _open(self, copy: Path, nice: int = 0) -> ShardProcess:
        with self._writing:
            if self._closing:
                raise IndexStoreError(f"{self._folder}: being closed")
            self._building = ShardProcess(copy, self._space, self._dim, nice)
            return self._building

    def _closed(self) -> None:
        building, self._building = self._building, None
        if building:
            building.close()

    def _switch(self, fresh: ShardProcess) -> None:
        """Replace the shard by the copy, once the copy has all changes."""
        changes = self._changes
        assert changes is not None
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


class _Changes:
    """Calls that change a shard, in order, in a temporary file, since a long build would fill the memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (open for as long as this is)
        self._turn = threading.Lock()
        self._count = self._read = self._at = 0

    def add(self, operation: str, *arguments: Any) -> None:
        with self._turn:
            self._file.seek(0, 2)
            pickle.dump((operation, arguments), self._file)
            self._count += 1

    def new(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the calls that were not yielded before."""
        while True:
            with self._turn:
                if self._read == self._count:
                    return
                self._file.seek(self._at)
                change = pickle.load(self._file)
                self._at, self._read = self._file.tell(), self._read + 1
            yield change
