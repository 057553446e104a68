"""The command line: one function per verb. Heavy imports stay inside the verbs that need them."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lookalike.cli import doctor, evaluate, explore, frames, keys, maintenance, renew, search, serve, snapshot, train  # noqa: F401
from lookalike.cli.extras import advice
from lookalike.cli.flags import app, fail
from lookalike.cli.streams import prepare_streams
from lookalike.errors import LookalikeError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_TEMPORARY = "No usable temporary directory"  # of `tempfile`, as in a container whose file system is read-only


def main(arguments: list[str] | None = None) -> None:
    """Run a verb. Exits with 0 when the job was done, 2 for bad arguments, 1 for anything else."""
    prepare_streams()
    try:
        with _sigterm_as_ctrl_c():
            app(arguments, result_action="return_value")
    except LookalikeError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        if (line := advice(error)) is None:
            raise
        fail(line)
    except KeyboardInterrupt as error:
        so_far = f": {error}" if str(error) else ""
        fail(f"interrupted{so_far}; finished work is kept, run it again to resume")
    except MemoryError:
        fail("there is not enough memory; finished work is kept, free some or allow more and run it again")
    except BrokenPipeError:
        _drop_output()  # the reader closed the pipe
        sys.exit(1)
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
        if error.errno in FULL:
            _drop_output()  # it may be what does not fit
            fail(f"{where}cannot write ({error.strerror}); finished work is kept, make room and run it again")
        if NO_TEMPORARY in str(error):
            fail("there is no folder for temporary files that can be written: set TMPDIR to one")
        if not where:
            raise
        fail(f"{where}cannot be read or written ({error.strerror})")  # no rights, too long a name, a disk that fails


def _drop_output() -> None:
    """Python would report at exit what standard output could not take."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end a verb as Ctrl-C does: `docker stop` and systemd send it. Only in the main thread, as signals
    require; a parent that has it ignored gets its way, as with Ctrl-C."""
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
