"""Turns unlabelled footage into a search engine for it.

    from lookalike import Encoder, find_sources, index_footage, open_index

    encoder = Encoder("encoder.onnx")
    with open_index("index", encoder.spec, create=True) as index:
        index_footage(find_sources(["recordings/"]), encoder, index)

Each name is imported when it is first used: `import lookalike` alone loads nothing. It has libraries report nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lookalike.lazy import lazily

# onnxruntime, from 1.29 on, and BentoML tell their makers what runs where, such as the name of a model's file. These
# variables are read when they are loaded, so that each package of this project imports this one first.
for _without_reports in ("ORT_DISABLE_TELEMETRY", "BENTOML_DO_NOT_TRACK"):
    os.environ.setdefault(_without_reports, "True")

__version__ = "0.1.0"  # here and not in the metadata: a bento carries this folder without installing it
__all__ = [
    "AsyncClient",
    "Client",
    "Encoder",
    "Filters",
    "Frame",
    "FrameIndex",
    "Hit",
    "LookalikeError",
    "SearchOptions",
    "SearchRequest",
    "Searcher",
    "find_sources",
    "index_footage",
    "open_index",
]

_MODULES = {  # where each name of __all__ is from, as below
    "AsyncClient": "lookalike.client",
    "Client": "lookalike.client",
    "Encoder": "lookalike.encoder",
    "Filters": "lookalike.index",
    "Frame": "lookalike.footage",
    "FrameIndex": "lookalike.index",
    "Hit": "lookalike.index",
    "LookalikeError": "lookalike.errors",
    "SearchOptions": "lookalike.search_fields",
    "SearchRequest": "lookalike.search",
    "Searcher": "lookalike.search",
    "find_sources": "lookalike.footage",
    "index_footage": "lookalike.ingest.index",
    "open_index": "lookalike.index",
}

if TYPE_CHECKING:
    from lookalike.client import AsyncClient, Client
    from lookalike.encoder import Encoder
    from lookalike.errors import LookalikeError
    from lookalike.footage import Frame, find_sources
    from lookalike.index import Filters, FrameIndex, Hit, open_index
    from lookalike.ingest.index import index_footage
    from lookalike.search import Searcher, SearchRequest
    from lookalike.search_fields import SearchOptions
else:
    __getattr__, __dir__ = lazily(__name__, _MODULES)
