"""The order of test files, and which files one worker of pytest takes together.

A long file that begins last leaves the other workers idle at the end, and a service that several files ask is started
by each worker that takes one of them.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

# The longest first, but for those that wait for what another makes: `home` of tests/e2e is made by whoever is first.
FIRST = (
    "tests/e2e/test_documentation.py",
    "tests/browser/",
    "tests/training/test_train.py",
    "tests/e2e/test_demo.py",
    "tests/serving/",
    "tests/e2e/test_kill.py",
    "tests/e2e/test_archive.py",
    "tests/explore/test_footage.py",
    "tests/training/test_gentle.py",
    "tests/training/test_distributed.py",
    "tests/e2e/",
    "tests/benchmarks/",
    "tests/training/",
    "tests/exporters/",
)
TOGETHER = ("tests/browser/",)  # one service over recordings of four cameras, and one Chromium


def place_of(nodeid: str) -> int:
    """Of FIRST, or behind them all."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


def unit_of(nodeid: str) -> str:
    """What one worker takes together: a file, or a folder of TOGETHER."""
    return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.split("::", 1)[0])


class ByUnit(LoadFileScheduling):
    """Units of files in the order of their collection; whoever is done takes the next one."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
