"""BentoML's supervisor, circus: who may command it, and that it forgets no signal."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from serving.own_folder import own_folder

BUSY_S = 0.1


def set_up_supervisor() -> None:
    """Call it before there is a supervisor, in its process."""
    from bentoml._internal.utils.circus import Arbiter

    if sys.platform != "win32":  # has no such sockets
        Arbiter.__init__ = _private(Arbiter.__init__)
    Arbiter.stop = _once_free(Arbiter.stop)
    Arbiter.reload = _once_free(Arbiter.reload)


def _private(make: Callable[..., None]) -> Callable[..., None]:
    """Let it listen for commands in a folder that only its owner reads.

    Otherwise it is a TCP port of this machine, without a key: who has an account there could stop the service, or start
    any program.
    """

    @wraps(make)
    def private(arbiter: Any, *arguments: Any, **named: Any) -> None:
        folder = own_folder(Path(tempfile.gettempdir()), "control")
        folder.mkdir(0o700, exist_ok=True)
        ends = {"endpoint": f"ipc://{folder}/control", "pubsub_endpoint": f"ipc://{folder}/events"}
        make(arbiter, *arguments, **{**named, **ends})
        arbiter.exit_stack.callback(shutil.rmtree, folder, ignore_errors=True)

    return private


def _once_free(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let `command` wait for the one that runs, as a start of workers again: a signal meanwhile was forgotten."""
    from circus.exc import ConflictError

    @wraps(command)
    def once_free(arbiter: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return command(arbiter, *arguments, **named)
        except ConflictError:
            arbiter.loop.call_later(BUSY_S, lambda: once_free(arbiter, *arguments, **named))

    return once_free
