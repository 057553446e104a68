"""Which entries of folders and zips count, as one value."""

from __future__ import annotations

import fnmatch
import unicodedata
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

# What systems, shares and archivers keep next to a user's files, in lower case; and all names that begin with a dot.
_SYSTEM = {
    "@eadir",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
    "system volume information",
    "thumbs.db",
}


@dataclass(frozen=True)
class Selection:
    """All entries, but not what the system keeps there. The fields' docstrings are the help texts of the flags."""

    exclude: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    """Leave out files and folders by their name, or by their path below the SOURCE, as `*_low.mp4` or `night/*`; only
    folders, as `old*/`; may be repeated."""
    follow_links: Annotated[bool, Parameter(negative="")] = False
    """Follow symbolic links that lead out of a named folder; else they are skipped by name."""

    def excludes(self, path: str, is_folder: bool = False) -> bool:
        """path: below the folder that was named, its parts joined by slashes."""
        if not self.exclude:
            return False
        path = unicodedata.normalize("NFC", path)
        counting = (pattern for pattern in self.exclude if is_folder or not pattern.endswith("/"))
        patterns = (unicodedata.normalize("NFC", pattern).removeprefix("./").rstrip("/") for pattern in counting)
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in (path, path.split("/")[-1]))


def is_system(name: str) -> bool:
    """Return whether an entry of this name was made by the system."""
    return name.startswith(".") or name.lower() in _SYSTEM
