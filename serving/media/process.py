"""A process that decodes footage: `python -m serving.media.process FD NICE`. `serving.media.worker` starts it.

Messages are JSON, so that nothing which this process sends is unpickled. A request says what to do. Its answer is any
number of {"progress": SHARE}, then {"error": KIND, "text": ...} or {"ok": ...}, which the bytes of a picture follow.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lookalike.errors import FootageError
from lookalike.footage import frame_at
from lookalike.footage.playable import judge, make_playable
from lookalike.footage.still import pictures_of
from serving.media.confine import confine, grant_time
from serving.media.jpeg import jpeg_of

ANSWER = "ok"


class Decoder:
    """Does what it is asked for, one after another. A recording stays open for the next picture of it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._open = ExitStack()
        self._source: str | None = None
        self._picture: Callable[[float, int | None], np.ndarray]

    def run(self) -> None:
        """Answer until the other end is closed."""
        while True:
            request = json.loads(self._pipe.recv_bytes())
            grant_time()
            try:
                answer, data = getattr(self, f"do_{request.pop('do')}")(**request)
            except FootageError as error:
                self._close()
                self._send({"error": "footage", "text": str(error)})
            except OSError as error:
                self._close()
                self._send({"error": "system", "text": str(error)})
            except MemoryError:
                self._close()
                self._send({"error": "footage", "text": f"{request['source']}: takes more memory than is allowed"})
            else:
                self._send({ANSWER: answer}, data)

    def do_picture(self, source: str, time_s: float, longest_px: int | None) -> tuple[Any, bytes]:
        """A JPEG. longest_px: no side is longer; None for the full size."""
        if source != self._source:
            self._close()
            self._picture = self._open.enter_context(pictures_of(source))
            self._source = source
        return None, jpeg_of(self._picture(time_s, longest_px), small=longest_px is not None)

    def do_close(self) -> tuple[Any, bytes | None]:
        """Release the recording that is open."""
        self._close()
        return None, None

    def do_pixels(self, source: str, time_s: float, fit_px: int | None) -> tuple[Any, bytes]:
        """uint8 (H, W, 3) as bytes; the answer is its shape."""
        rgb = np.ascontiguousarray(frame_at(source, time_s, fit_px))
        return rgb.shape, rgb.tobytes()

    def do_judge(self, source: str) -> tuple[Any, bytes | None]:
        """The fields of a Playable."""
        return asdict(judge(source)), None

    def do_make(self, source: str, out: str, how: Any, encoder: Any) -> tuple[Any, bytes | None]:
        """Write a proxy, with progress on the way."""
        make_playable(source, Path(out), how, self._report, encoder)
        return None, None

    def _report(self, share: float) -> None:
        grant_time()
        self._send({"progress": share})

    def _close(self) -> None:
        self._source, last = None, self._open
        self._open = ExitStack()
        with suppress(FootageError):
            last.close()

    def _send(self, message: dict[str, Any], data: bytes | None = None) -> None:
        self._pipe.send_bytes(json.dumps(message).encode())
        if data is not None:
            self._pipe.send_bytes(data)


def main(fd: int, nice: int) -> None:
    os.nice(nice)
    Image.init()  # plugins are loaded while files of Python may still be found
    pipe = Connection(fd)
    pipe.send_bytes(json.dumps({ANSWER: {"confined": confine()}}).encode())
    with suppress(EOFError, OSError):
        Decoder(pipe).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
