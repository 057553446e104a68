"""No key, token or password is in the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Sources: the formats that each of these documents for its keys.
SECRETS = {
    "private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "Slack token": r"\bxox[abposr]-[A-Za-z0-9-]{20,}",
    "Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "API key": r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{34}\b",
    "PyPI token": r"\bpypi-AgEI[A-Za-z0-9_-]{50,}",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}",
    "password in a URL": r"\b[a-z][a-z0-9+]*://[^\s/:@\"'`{}$]+:(?!secret@)[^\s/:@\"'`{}$]+@[\w-]+\.\w",
    "password": r"\b(?i:password|secret|api_?key|token)\s*[:=]\s*[\"'](?=[^\"']*\d)(?=[^\"']*[a-z])[\w+/=-]{24,}[\"']",
}
SCAN = re.compile("|".join(f"(?:{pattern})" for pattern in SECRETS.values()))
PLANTED = {
    "private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "GitHub token": "ghp_" + "a1B2" * 9,
    "GitLab token": "glpat-" + "a1B2" * 5,
    "AWS key": "AKIA" + "ABCD" * 4,
    "Google key": "AIza" + "a1B2C" * 7,
    "Slack token": "xoxb-" + "1234567890-" * 2,
    "Stripe key": "sk_live_" + "a1B2" * 6,
    "API key": "sk-proj-" + "a1B2" * 8,
    "Hugging Face token": "hf_" + "ab" * 17,
    "PyPI token": "pypi-AgEI" + "a1B2" * 13,
    "JSON web token": "eyJ" + "hbGciOiJIUzI1" * 2 + ".eyJ" + "zdWIiOiIxMjM0" * 2 + "." + "a1B2" * 6,
    "password in a URL": "https://me:hunter2" + "@archive.org",
    "password": 'token = "' + "a1b2" * 6 + '"',
}
HARMLESS = (
    "rtsp://user:secret@camera/1",
    "rtsp://user:secret@10.0.0.7:554/live",
    "LOOKALIKE_TOKEN",
    'token = "the token of the service, which is long"',
    "sk-learn",
    "-----BEGIN CERTIFICATE-----",
    "http://${NAME}:${PASSWORD}@camera.local/",
)


def tracked() -> list[Path]:
    """All files of the repository. Without git, as in an archive of it, those of its folders that are not hidden."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    folders = [path for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "node_modules"]
    return [file for path in folders for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]


def test_no_file_of_the_repository_has_a_secret() -> None:
    files = tracked()
    assert ROOT / "pyproject.toml" in files
    found = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if SCAN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_would_be_found(kind: str) -> None:
    assert re.search(SECRETS[kind], f"x = {PLANTED[kind]}")


@pytest.mark.parametrize("text", HARMLESS)
def test_names_and_examples_are_no_secrets(text: str) -> None:
    assert SCAN.search(text) is None
