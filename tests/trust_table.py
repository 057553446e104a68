"""A plugin of pytest for `make trust`: one table of the promises that were tried.

A test says what it tried with `record_property`: "tried", "survived" and "lost"; else the table counts its cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

COLUMNS = ("promise", "tried", "survived", "lost")


@dataclass
class Promise:
    """What is known of one test. notes: what each of its cases recorded."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: dict[str, list[str]] = field(default_factory=dict)

    def row(self) -> tuple[str, ...]:
        cases = self.passed + self.failed + self.skipped
        survived = "NOT TRIED" if self.skipped == cases else f"{self.passed} of {cases}"
        usual = {"tried": f"{cases} way{'s' * (cases > 1)}", "survived": survived, "lost": str(self.failed)}
        told = {} if self.failed or self.skipped else self.notes
        return self.name, *("; ".join(dict.fromkeys(told.get(column, [usual[column]]))) for column in COLUMNS[1:])


def promises(reports: Sequence[Any]) -> list[Promise]:
    """One for each test; its cases, made by parameters, are put together. reports: of pytest, of all phases."""
    found: dict[str, Promise] = {}
    for report in reports:
        test = report.nodeid.split("[")[0]
        promise = found.setdefault(test, Promise(test.rsplit("::")[-1].removeprefix("test_").replace("_", " ")))
        if report.failed:
            promise.failed += 1
        elif report.skipped:
            promise.skipped += 1
        elif report.when == "call":
            promise.passed += 1
        for name, value in report.user_properties if report.when == "call" else ():
            promise.notes.setdefault(name, []).append(str(value))
    return list(found.values())


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (COLUMNS, ("---",) * len(COLUMNS), *rows)]


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    reports = [
        report
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport)
    ]
    terminalreporter.section("promises")
    for line in table([promise.row() for promise in promises(reports)]):
        terminalreporter.write_line(line)
