"""An audit that could not look anything up is never taken for a good one."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import audit

WELL: dict[str, Any] = {"name": "a", "version": "1.0", "vulns": []}
BROKEN = {"name": "b", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("report", "code", "lines"),
    [
        ([WELL], 0, ["1 packages looked up, 0 known vulnerabilities"]),
        ([WELL, BROKEN], 1, ["b 2.0: PYSEC-1, fixed in 2.1", "2 packages looked up, 1 known vulnerabilities"]),
        ([WELL, UNKNOWN], 1, [f"{audit.NOT_AUDITED} c", "1 packages looked up, 0 known vulnerabilities"]),
        ([UNKNOWN], 2, ["knows none of 1 packages"]),
        ([], 2, ["knows none of 0 packages"]),
    ],
)
def test_what_is_made_of_a_report(report: list[dict[str, Any]], code: int, lines: list[str]) -> None:
    assert audit.judge(report) == (code, lines)


def test_a_service_that_cannot_be_reached_is_one_loud_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"pypi": ([UNKNOWN], ""), "osv": (None, "ConnectionError: no such host")}
    monkeypatch.setattr(audit, "ask", answers.__getitem__)
    assert audit.main() == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line == (
        "NOT AUDITED: no advisories could be looked up for requirements.lock (pypi: knows none of 1 packages; osv:"
        " ConnectionError: no such host). Run `make audit` where PyPI or OSV can be reached."
    )


def test_the_first_service_that_has_advisories_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"pypi": ([UNKNOWN], ""), "osv": ([WELL], "")}
    monkeypatch.setattr(audit, "ask", answers.__getitem__)
    assert audit.main() == 0
    assert capsys.readouterr().out == "1 packages looked up, 0 known vulnerabilities\n"
