"""A Chromium for the tests: the one that $CHROMIUM names, else one on PATH, else it is installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# It may run as root in a container without a GPU, and speaks to nobody but the page's own server.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCK = Path(tempfile.gettempdir(), "lookalike-chromium.lock")  # tests run in several processes
INSTALL_S = 600


class NoBrowser(Exception):
    """There is none, and none could be installed."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises: NoBrowser."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def find_chromium() -> str | None:
    """Returns: its path; None if it is Playwright's own. Raises: NoBrowser."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _present() or _debians():
            return found
        if _run([sys.executable, "-m", "playwright", "install", "chromium"]):
            return None
    raise NoBrowser(f"no {', '.join(NAMES)} on PATH, and none could be installed; set CHROMIUM to one")


def _present() -> str | None:
    if named := os.environ.get("CHROMIUM"):
        if not shutil.which(named):
            raise NoBrowser(f"CHROMIUM is {named!r}, expected the path of a Chromium")
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


def _debians() -> str | None:
    """Installed with what Playwright's Node.js needs, where Debian's package manager is there and may be used."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return None
    _run(["apt-get", "update"])  # an older list may still do
    _run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "libatomic1"])
    return _present()


def _run(command: list[str]) -> bool:
    """Whether it worked; what it says goes to standard error."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, env=env, stdout=sys.stderr, timeout=INSTALL_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
