"""How many files this process may have open: connections are files, and most shells allow 1,024."""

from __future__ import annotations

import os

MAX_FILES = 65_536  # where the system allows any number


def allow_open_files() -> int:
    """Raise the limit of open files as far as the system lets this process. Returns: the limit."""
    if os.name != "posix":
        return MAX_FILES
    import resource

    soft, hard = (
        MAX_FILES if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if soft < (most := min(hard, MAX_FILES)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(soft, most)
