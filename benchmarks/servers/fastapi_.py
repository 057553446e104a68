"""FastAPI without batching: each request decodes and runs in a thread of the pool."""

import sys
from typing import Any

import uvicorn  # pyright: ignore[reportMissingImports]
from fastapi import FastAPI, Request  # pyright: ignore[reportMissingImports]
from starlette.concurrency import run_in_threadpool

from lookalike.encoder import Encoder
from lookalike.pixels import decode_to_fit

app, model = FastAPI(), Encoder(sys.argv[1], "cpu")


def work(data: bytes) -> list[list[float]]:
    return model.embed(decode_to_fit(data, model.spec.input_px)[None]).tolist()


@app.post("/embed")
async def embed(request: Request) -> dict[str, Any]:
    return {"embeddings": await run_in_threadpool(work, await request.body())}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
