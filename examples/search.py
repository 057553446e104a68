"""Search an index for a picture, from Python.

python examples/search.py crop.jpg --encoder encoder.onnx --index index
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lookalike import Encoder, Hit, Searcher, SearchOptions, SearchRequest, open_index
from lookalike.search import Example


def search(picture: Path, encoder: Encoder, location: str, top: int = 5) -> list[Hit]:
    """Find the `top` moments that look most like a picture, best first. location: folder or URL of the index."""
    request = SearchRequest((Example(str(picture)),), options=SearchOptions(top))
    with open_index(location, encoder.spec) as index:
        return Searcher(encoder, index).search(request)


def main() -> None:
    parser = argparse.ArgumentParser(description="Search an index for a picture.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--encoder", default="encoder.onnx")
    parser.add_argument("--index", default="index")
    arguments = parser.parse_args()
    for hit in search(arguments.picture, Encoder(arguments.encoder), arguments.index):
        print(f"{hit.score:.3f}  {hit.camera}  {hit.source} at {hit.time_s:.1f} s")


if __name__ == "__main__":
    main()
