"""What a fuzz target is. Each module next to this one that has a TARGET is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
OTHERS = ("__init__", "__main__", "checks", "service", "target")
NAMES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in OTHERS and not path.stem.startswith("test_"))
# Whose branches guide the fuzzer.
INSTRUMENTED = ("lookalike", "serving", "PIL", "starlette.formparsers", "python_multipart", "tarfile")


@dataclass(frozen=True)
class Target:
    """Code that reads bytes from elsewhere.

    run: called with an input; raises for a fault only. seeds: inputs to start with, made here. longest: bytes of an
    input. Each input must be done within 10 s and 2 GiB.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    longest: int = 4096


def target(name: str) -> Target:
    """Import the target of a module."""
    return import_module(f"tests.fuzz.{name}").TARGET


@contextmanager
def refused(*errors: type[Exception]) -> Iterator[None]:
    """Expect that the block ends, or is refused with one of `errors`, whose message is one short line."""
    message = ""
    try:
        yield
    except errors as error:
        message = str(error)
    assert "\n" not in message, "a message of several lines"
    assert len(message) < 8192, "a message of more than 8,192 characters"
