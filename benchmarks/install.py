"""What a benchmark compares with, installed for the run where nothing else sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def install(requirement: str, folder: Path, without: str) -> None:
    """Install a package, without what it requires, and let this process import it.

    without: the flag that leaves it out, for who has no package index. Exits with a line if it cannot be installed.
    """
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    if subprocess.run([*command, requirement], check=False).returncode:
        sys.exit(f"could not install {requirement}; leave it out with {without}")
    sys.path.insert(0, str(folder))
