"""JSON bodies: images, searches, and operations of the index. The first byte of an input says which."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any, cast

from lookalike.contract import EncoderSpec
from lookalike.index.operations import OPERATIONS
from lookalike.index.wire import pack
from serving.http.errors import ApiError
from serving.http.json_images import read_images
from serving.http.search_fields import read_json, read_request
from serving.routes import embed, index
from tests.fuzz.target import Target, refused

SPEC = EncoderSpec("tiny", 32, 4, "0" * 64, 0, 0)
PIPELINE = cast(Any, SimpleNamespace(spec=SPEC))


def run(data: bytes) -> None:
    which, body = data[:1], data[1:]
    with refused(ApiError, ValueError):  # the route answers a ValueError with 400
        if which == b"s":
            read_request(read_json(body), 0).filters.conditions()
        elif which == b"e":
            read_images(body, embed.Images, "images")
        elif which == b"o":
            embed._check_model(read_images(body, embed.OpenAIRequest, "input"), PIPELINE)
        elif which:
            operation = OPERATIONS[[*OPERATIONS][which[0] % len(OPERATIONS)]]
            index._read_arguments(body, PIPELINE, operation)


def seeds() -> list[bytes]:
    image = base64.b64encode(b"image").decode()
    search = {"like": ["7#0,0,.5,1"], "camera": ["gate"], "since": 12.5, "until": "2026-01-05T08:00Z", "top": 3}
    bodies: list[tuple[bytes, Any]] = [
        (b"s", search),
        (b"s", {"id": "7", "time_of_day": "22:00-06:00", "zone": "Europe/Berlin"}),
        (b"e", {"images": [image, f"data:image/png;base64,{image}"], "encoding_format": "base64"}),
        (b"o", {"input": image, "model": "lookalike", "dimensions": 4, "user": "x"}),
        *((bytes([number]), {"space": SPEC.space, **_arguments(name)}) for number, name in enumerate(OPERATIONS)),
    ]
    return [which + json.dumps(body).encode() for which, body in bodies]


def _arguments(operation: str) -> dict[str, Any]:
    import numpy as np

    vector, hours = np.eye(1, SPEC.dim), {"start_s": 0, "end_s": 60, "zone": "UTC"}
    frame = {
        "id": "0" * 32,
        "source": "a.mp4",
        "source_id": "a" * 64,
        "camera": "gate",
        "time_s": 0.5,
        "pts_us": 500_000,
        "end_s": 0.5,
        "stands_for": 1,
        "width": 64,
        "height": 48,
        "luma": 90.0,
        "region": "0,0,.5,1",
        "captured_at": "2026-01-05T08:00:00Z",
        "ended_at": "2026-01-05T08:00:00Z",
        "utc_day_s": 28_800.0,
    }
    record = {"source_id": "a" * 64, "sampler": "all", "source": "a.mp4", "frames": 1, "stored": 1, "reason": "cut"}
    filters = {"cameras": ["gate"], "since": 1, "until": "2026-01-05T08:00:00+00:00", "time_of_day": hours}
    values = {
        "ids": ["0" * 32],
        "vector": pack(vector),
        "vectors": pack(vector),
        "frames": [frame],
        "limit": 10,
        "filters": filters,
        "min_score": 0.5,
        "page": 10,
        "source_id": "a" * 64,
        "sampler": "all",
        "records": [record],
        "source_ids": ["a" * 64],
        "source": "b.mp4",
        "camera": "yard",
        "remote": True,
    }
    return {name: values[name] for name in OPERATIONS[operation].arguments}


TARGET = Target(run, seeds)
