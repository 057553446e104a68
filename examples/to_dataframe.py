"""Embed a folder of footage into a table, with one row per frame.

python examples/to_dataframe.py recordings/ --encoder encoder.onnx

The table is an Arrow table, since Lookalike depends on Arrow. `table.to_pandas()` converts it to pandas, and
`polars.from_arrow(table)` to Polars.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike import Encoder, find_sources
from lookalike.footage.sampling import Sampling
from lookalike.ingest.settings import IngestSettings
from lookalike.ingest.to_file import embed_rows


def embed_folder(folder: str, encoder: Encoder, fps: float | None = 1.0) -> pa.Table:
    """Embed a folder. fps: frames of each second; None for all.

    Returns: columns id, source, camera, time_s (s), embedding (D float32).
    """
    sampling = Sampling(fps, regions=None)  # whole frames only
    rows: list[dict[str, Any]] = []
    embed_rows(find_sources([folder]), encoder, rows.append, IngestSettings(sampling))
    embedding = pa.list_(pa.float32(), encoder.spec.dim)
    text = [(name, pa.string()) for name in ("id", "source", "camera")]
    return pa.Table.from_pylist(rows, pa.schema([*text, ("time_s", pa.float64()), ("embedding", embedding)]))


def vectors(table: pa.Table) -> np.ndarray:
    """Return the embeddings, float32 (N, D), of length 1 each, so that dot products are cosine similarities."""
    column = table["embedding"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(table), -1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Embed a folder of footage into a table.")
    parser.add_argument("folder")
    parser.add_argument("--encoder", default="encoder.onnx")
    arguments = parser.parse_args()
    table = embed_folder(arguments.folder, Encoder(arguments.encoder))
    print(table.drop_columns(["embedding"]).slice(0, 5))
    print(f"{table.num_rows} rows; mean similarity of frames: {(vectors(table) @ vectors(table).T).mean():.3f}")


if __name__ == "__main__":
    main()
