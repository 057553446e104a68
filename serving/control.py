"""The channel over which BentoML's supervisor, circus, takes commands: to stop the service, and to start any program.

It is a TCP port of this machine, without a key: everyone who has an account there could use this one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from serving.own_folder import own_folder


def make_private() -> None:
    """Let the supervisor listen in a folder that only its owner reads. Call it before there is one, in its process."""
    if sys.platform == "win32":  # has no such sockets
        return
    from bentoml._internal.utils.circus import Arbiter

    made = Arbiter.__init__

    def private(self: Arbiter, *arguments: Any, **named: Any) -> None:
        folder = own_folder(Path(tempfile.gettempdir()), "control")
        folder.mkdir(0o700, exist_ok=True)
        ends = {"endpoint": f"ipc://{folder}/control", "pubsub_endpoint": f"ipc://{folder}/events"}
        made(self, *arguments, **{**named, **ends})
        self.exit_stack.callback(shutil.rmtree, folder, ignore_errors=True)

    Arbiter.__init__ = private
