"""The table of `make trust`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.trust_table import promises, table


def report(nodeid: str, outcome: str = "passed", when: str = "call", **notes: str) -> Any:
    outcomes = {name: name == outcome for name in ("passed", "failed", "skipped")}
    return SimpleNamespace(nodeid=nodeid, when=when, user_properties=list(notes.items()), **outcomes)


def test_cases_of_a_test_are_one_row() -> None:
    reports = [report(f"tests/test_a.py::test_a_kill_loses_nothing[{case}]") for case in "abc"]
    [promise] = promises([report(reports[0].nodeid, when="setup"), *reports])
    assert promise.row() == ("a kill loses nothing", "3 ways", "3 of 3", "0")


def test_what_a_test_records_is_shown() -> None:
    [promise] = promises([report("t.py::test_it", tried="3 kills", lost="0 of 20 frames")])
    assert promise.row() == ("it", "3 kills", "1 of 1", "0 of 20 frames")


def test_a_failure_hides_what_was_recorded() -> None:
    cases = [report("t.py::test_it[a]", tried="much", survived="all"), report("t.py::test_it[b]", "failed")]
    assert promises(cases)[0].row() == ("it", "2 ways", "1 of 2", "1")


def test_what_was_skipped_is_not_tried() -> None:
    assert promises([report("t.py::test_it", "skipped", "setup")])[0].row() == ("it", "1 way", "NOT TRIED", "0")


def test_the_table_is_markdown() -> None:
    assert table([("it", "1 way", "1 of 1", "0")]) == [
        "| promise | tried | survived | lost |",
        "| --- | --- | --- | --- |",
        "| it | 1 way | 1 of 1 | 0 |",
    ]
