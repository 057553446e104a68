"""Processes that end with the one that started them, also when that is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(signal_number: int = signal.SIGKILL, parent: int | None = None) -> None:
    """Have this process signalled when the thread that started it ends, as prctl(2) says. Linux only.

    parent: the process that started this one, which may have ended by now: then the signal is sent at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal_number)
