"""The command line: one function per verb. Heavy imports stay inside the verbs that need them."""

from __future__ import annotations

import os
import sys

from lookalike.cli import doctor, evaluate, explore, frames, keys, maintenance, renew, search, serve, snapshot, train  # noqa: F401
from lookalike.cli.extras import advice
from lookalike.cli.flags import app, fail
from lookalike.errors import LookalikeError


def main(arguments: list[str] | None = None) -> None:
    """Run a verb. Exits with 0 when the job was done, 2 for bad arguments, 1 for anything else."""
    try:
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
    except BrokenPipeError:
        # The reader closed the pipe; Python would report it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
