"""`python -m serving.preflight`: can the service start as it is set? Exit code 0, or 1 and one line that says why.

It runs before any worker, in a process of its own that leaves no session, GPU memory or lock behind. BentoML would
answer a worker that cannot load with a traceback, and start it again, for ever.
"""

from __future__ import annotations

import sys

from lookalike.encoder import Encoder
from lookalike.errors import LookalikeError
from lookalike.index import open_index
from serving.settings import Settings


def main() -> None:
    try:
        settings = Settings.from_env()
        encoder = Encoder(settings.encoder, settings.device)
        if settings.index:
            open_index(settings.index, encoder.spec, create=settings.writable).close()
    except LookalikeError as error:
        sys.exit(f"lookalike: {error}")


if __name__ == "__main__":
    main()
