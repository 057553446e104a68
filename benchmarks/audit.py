"""Known vulnerabilities of the pinned packages, from the advisories of PyPI and else of OSV: `make audit`.

    python -m benchmarks.audit

Runs pip-audit, which comes from the package index when it is needed. Exits with 0 only if every package was looked up
and none is vulnerable. pip-audit itself also exits with 0 if the index knows none of the packages, as a mirror without
advisories does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PIP_AUDIT = "pip-audit@2.10.1"
SERVICES = ("pypi", "osv")
LIMIT_S = 600.0
LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
NOT_AUDITED = "NOT AUDITED: no advisories could be looked up for"


def main() -> int:
    """Ask each service, until one has advisories. Returns: the exit code."""
    failures = []
    for service in SERVICES:
        report, problem = ask(service)
        if report is not None:
            code, lines = judge(report)
            if code != 2:
                print("\n".join(lines))
                return min(code, 1)
            problem = lines[0]
        failures.append(f"{service}: {problem}")
    print(f"{NOT_AUDITED} {LOCK.name} ({'; '.join(failures)}). Run `make audit` where PyPI or OSV can be reached.")
    return 1


def ask(service: str) -> tuple[Sequence[Mapping[str, Any]] | None, str]:
    """Returns: what pip-audit says of each package, else None and why."""
    uvx = shutil.which("uvx") or str(Path(sys.executable).with_name("uvx"))
    command = [uvx, PIP_AUDIT, "--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off", "--vulnerability-service", service],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError, TypeError):
        return None, (done.stderr.strip().splitlines() or [f"pip-audit ended with code {done.returncode}"])[-1][-200:]


def judge(report: Sequence[Mapping[str, Any]]) -> tuple[int, list[str]]:
    """Returns: 0 if all is well, 1 if a package is vulnerable or unknown, 2 if all are unknown; lines to print."""
    unknown = [package["name"] for package in report if "skip_reason" in package]
    if len(unknown) == len(report):
        return 2, [f"knows none of {len(report)} packages"]
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none'}"
        for package in report
        for found in package.get("vulns", [])
    ]
    code = int(bool(lines or unknown))
    if unknown:
        lines.append(f"{NOT_AUDITED} {', '.join(unknown)}")
    known = len(report) - len(unknown)
    return code, [*lines, f"{known} packages looked up, {len(lines) - bool(unknown)} known vulnerabilities"]


if __name__ == "__main__":
    sys.exit(main())
