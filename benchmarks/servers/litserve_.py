"""LitServe: one worker, which decodes and runs what comes together; a form, as its documentation has it for files."""

import sys
from typing import Any

import litserve  # pyright: ignore[reportMissingImports]
import numpy as np

from benchmarks.servers import BATCH, WAIT_S
from lookalike.encoder import Encoder
from lookalike.pixels import decode_to_fit


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Encoder(sys.argv[1], "cpu")

    def decode_request(self, request) -> np.ndarray:  # its annotation would say how the body is read
        return decode_to_fit(request["image"].file.read(), self.model.spec.input_px)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.model.embed(x)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        return {"embeddings": [output.tolist()]}


if __name__ == "__main__":
    api = Api(max_batch_size=BATCH, batch_timeout=WAIT_S, api_path="/embed")
    litserve.LitServer(api, accelerator="cpu").run(
        port=int(sys.argv[2]), log_level="warning", generate_client_file=False
    )
