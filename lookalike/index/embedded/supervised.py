"""A shard whose process is started again when it dies: killed for memory, say, or by the engine."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from lookalike.errors import IndexStoreError
from lookalike.index.embedded.changes import Changes
from lookalike.index.embedded.disk_space import Room
from lookalike.index.embedded.shard_process import ShardEnded, ShardProcess
from lookalike.index.operations import OPERATIONS

logger = logging.getLogger("bentoml.lookalike")

WATCH_S = 1.0  # between two looks at whether the process is alive
WAIT_S = 1.0  # before another start, where one failed; each failure doubles it
LONGEST_WAIT_S = 60.0


class SupervisedShard:
    """May be asked from several threads. What was changed since the last flush is repeated on the new process."""

    def __init__(self, folder: Path, space: str, dim: int, nice: int = 0) -> None:
        """Open the shard in `folder`, or create it. Raises: IndexStoreError as `edge.Shard`."""
        self.folder = folder
        self._how = (space, dim, nice)
        self._process = ShardProcess(folder, *self._how)
        self._changing = threading.RLock()  # guards changes of the process, and of what follows
        self._unflushed = Changes()
        self._ended = threading.Event()
        self.trouble: str | None = None  # why it does not answer at the moment, in one line
        threading.Thread(target=self._watch, name="shard-watch", daemon=True).start()

    def ask(self, operation: str, *arguments: Any) -> Any:
        """Call a method of the shard; where its process has ended, start it again first.

        Raises: IndexStoreError if the method fails, or if the process ends each time.
        """
        if operation == "flush" or (operation in OPERATIONS and OPERATIONS[operation].writes):
            return self._change(operation, *arguments)
        process = self._process
        try:
            return process.ask(operation, *arguments)
        except ShardEnded:
            return self._revived(process).ask(operation, *arguments)

    def close(self) -> None:
        """Make the shard durable, and release it."""
        self._ended.set()
        with self._changing:
            self._process.close()

    def kill(self) -> None:
        """End it now, whatever it does; the shard is good for nothing but to be removed."""
        self._ended.set()
        self._process.kill()

    def _change(self, operation: str, *arguments: Any) -> Any:
        with self._changing:
            process = self._process
            try:
                answer = process.ask(operation, *arguments)
            except ShardEnded:
                answer = self._revived(process).ask(operation, *arguments)
            if operation == "flush":
                self._unflushed = Changes()
            elif operation != "optimize":
                self._note(operation, *arguments)
            return answer

    def _note(self, operation: str, *arguments: Any) -> None:
        try:
            self._unflushed.add(operation, *arguments)
        except OSError:  # no room for what would be repeated: then nothing shall have to be
            self._process.ask("flush")
            self._unflushed = Changes()

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_S):
            process = self._process
            if not process.is_alive():
                self._try_to_revive(process)

    def _try_to_revive(self, process: ShardProcess) -> None:
        wait_s = WAIT_S
        while process is self._process and not self._ended.is_set():
            try:
                self._revived(process)
            except IndexStoreError:
                self._ended.wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _revived(self, dead: ShardProcess) -> ShardProcess:
        """The process that took the place of one that has ended; started here if that has not happened yet."""
        with self._changing:
            if self._process is not dead:
                return self._process
            if self._ended.is_set():
                raise IndexStoreError(f"{self.folder}: is closed")
            self.trouble = "the process of the index has ended, and is started again"
            logger.error("%s: %s", self.folder, self.trouble)
            dead.kill()
            Room(self.folder.parent).check_open(self.folder)
            fresh = ShardProcess(self.folder, *self._how)
            try:
                for operation, arguments in self._unflushed.all():
                    fresh.ask(operation, *arguments)
            except BaseException:
                fresh.kill()
                raise
            self._process, self.trouble = fresh, None
            logger.warning("%s: its process was started again; nothing was lost", self.folder)
            return fresh
