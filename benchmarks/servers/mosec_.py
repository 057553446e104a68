"""Mosec: two processes decode, one runs what comes together."""

import os
import sys
from typing import Any

if "ENCODER" not in os.environ:  # its workers run this file again; what mosec reads are its own flags
    os.environ["ENCODER"], port = sys.argv[1:]
    sys.argv = ["mosec", "--port", port, "--log-level", "warning"]

import mosec  # pyright: ignore[reportMissingImports]
import numpy as np

from benchmarks.servers import BATCH, WAIT_S
from lookalike.encoder import Encoder
from lookalike.pixels import decode_to_fit


class Decode(mosec.Worker):
    def __init__(self) -> None:
        self.side = Encoder(os.environ["ENCODER"], "cpu", 1).spec.input_px

    def deserialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: bytes) -> np.ndarray:
        return decode_to_fit(data, self.side)


class Run(mosec.Worker):
    def __init__(self) -> None:
        self.model = Encoder(os.environ["ENCODER"], "cpu")

    def forward(self, data: list[np.ndarray]) -> list[dict[str, Any]]:
        return [{"embeddings": [row.tolist()]} for row in self.model.embed(np.stack(data))]


if __name__ == "__main__":
    server = mosec.Server()
    server.append_worker(Decode, num=2, route="/embed")
    server.append_worker(Run, num=1, max_batch_size=BATCH, max_wait_time=int(WAIT_S * 1000), route="/embed")
    server.run()
