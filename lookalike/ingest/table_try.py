"""Read a Parquet file in a process apart first: on some damaged files pyarrow ends its process.

A C++ exception that leaves a function that may not throw is std::terminate, which no `except` catches.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from lookalike.contract import EncoderSpec
from lookalike.errors import FootageError, LookalikeError


def check_survives(path: Path, spec: EncoderSpec) -> None:
    """Raises: FootageError if the process that reads the file ends early. Other faults are found by `read_tables`."""
    command = [sys.executable, "-m", "lookalike.ingest.table_try", str(path)]
    done = subprocess.run(command, input=spec.to_json(), capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines()]
        reason = next((line for line in lines if line.startswith("what():")), f"code {done.returncode}")
        raise FootageError(f"{path}: not a readable Parquet file (its reader was stopped: {reason})")


def main() -> None:
    from lookalike.ingest.table import read_tables

    with suppress(LookalikeError):
        for _ in read_tables(Path(sys.argv[1]), EncoderSpec.from_json(sys.stdin.read(), "standard input")):
            pass


if __name__ == "__main__":
    main()
