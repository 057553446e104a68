"""`python -m tests.fuzz TARGET --seconds N`: run one fuzz target with atheris; exit code 0 if no input was a fault.

An input that is a fault is written to --found, and can be run again: `python -m tests.fuzz TARGET --input FILE`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.target import INSTRUMENTED, NAMES, Target, target


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="folder of inputs that is kept and extended")
    parser.add_argument("--found", type=Path, default=Path(tempfile.gettempdir()), help="folder for faults")
    parser.add_argument("--input", type=Path, help="run only this input")
    flags = parser.parse_args()
    if flags.input:
        target(flags.target).run(flags.input.read_bytes())
        return
    with tempfile.TemporaryDirectory() as folder:
        _fuzz(flags, Path(folder))


def _fuzz(flags: argparse.Namespace, folder: Path) -> None:
    """Run the fuzzer, which exits by itself. folder: for the seeds."""
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED)):  # pyright: ignore[reportAttributeAccessIssue]
        chosen: Target = target(flags.target)
    for number, seed in enumerate(chosen.seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
    flags.found.mkdir(parents=True, exist_ok=True)
    options = {
        "max_total_time": flags.seconds,
        "max_len": chosen.longest,
        "timeout": 10,
        "rss_limit_mb": 2048,
        "artifact_prefix": f"{flags.found}/{flags.target}-",
        "print_final_stats": 1,
    }
    corpora = [str(path) for path in (flags.corpus, folder) if path]
    if flags.corpus:
        flags.corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), *corpora], chosen.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
