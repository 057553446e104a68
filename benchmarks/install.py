"""Install what a benchmark compares with, temporarily and visible to the benchmark only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def install(requirement: str, folder: Path, without: str) -> None:
    """Install a package without its dependencies, and let this process import it.

    without: the flag that leaves it out, for machines without a package index. Exits with a message on failure.
    """
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    if subprocess.run([*command, requirement], check=False).returncode:
        sys.exit(f"could not install {requirement}; leave it out with {without}")
    sys.path.insert(0, str(folder))
