"""`python -m serving.preflight`: can the service start with its settings? Exit code 0, or 1 and one line that says why.

It runs before any worker, in its own process, so that no session, GPU memory or lock remains. BentoML would print a
traceback for a worker that cannot load, and restart it forever.
"""

from __future__ import annotations

import sys

import numpy as np

from lookalike.encoder import Encoder
from lookalike.errors import LookalikeError
from lookalike.footage.playable import choose_encoder
from lookalike.index import open_index
from lookalike.keys import keys_at_start
from serving.settings import Settings


def main() -> None:
    try:
        settings = Settings.from_env()
        keys_at_start()
        choose_encoder(settings.proxy_encoder)
        encoder = Encoder(settings.encoder, settings.device)
        side = encoder.spec.input_px
        encoder.embed(np.zeros((2, side, side, 3), np.uint8))  # a graph that opens may not run, or not for a batch
        if settings.index:
            open_index(settings.index, encoder.spec, create=settings.writable).close()
    except LookalikeError as error:
        sys.exit(f"lookalike: {error}")


if __name__ == "__main__":
    main()
