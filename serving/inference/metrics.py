"""All metrics of the service but those of http.traffic and of index_health. docs/monitoring.md describes them.

Labels have few values: each of them comes from the code, except for `camera`, of which there are MAX_CAMERAS at most.
Each gauge states how those of several workers are put together: by default, the number of a process would be a label.
"""

import time
from concurrent.futures import Future
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

MAX_CAMERAS = 200
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

BATCH_IMAGES = Histogram("lookalike_batch_images", "Images in one batch", buckets=(1, 2, 4, 8, 16, 32, 64))
STAGE_SECONDS = Histogram(
    "lookalike_stage_seconds",
    "Time of one step: decode (an image), encode (a batch), search (a call of the index)",
    ["stage"],
    buckets=SECONDS,
)
QUEUE_DEPTH = Gauge(
    "lookalike_queue_depth", "Work that waits for a thread, by queue", ["queue"], multiprocess_mode="livesum"
)
WAIT_SECONDS = Histogram(
    "lookalike_wait_seconds", "Time that work waited for a thread", ["queue"], buckets=(*SECONDS, 60, 600)
)
IMAGES = Counter("lookalike_images", "Images by outcome: embedded, unreadable or failed", ["outcome"])
REJECTS = Counter("lookalike_rejects", "Requests that were answered with an error, by its type", ["reason"])
FRAMES_INDEXED = Counter("lookalike_frames_indexed", "Frames that clients have stored")
ENCODER = Gauge(
    "lookalike_encoder",
    "Always 1; the labels say which encoder runs",
    ["space", "precision", "provider"],
    multiprocess_mode="livemax",
)
INDEX_FRAMES = Gauge("lookalike_index_frames", "Frames and regions in the index", multiprocess_mode="livemostrecent")
INDEX_UNINDEXED = Gauge(
    "lookalike_index_unindexed_frames",
    "Frames and regions outside of the search graph, which are compared one by one",
    multiprocess_mode="livemostrecent",
)
INDEX_BUILDING = Gauge(
    "lookalike_index_graph_building", "1 while the search graph is built, else 0", multiprocess_mode="livemostrecent"
)
INDEX_BYTES = Gauge(
    "lookalike_index_bytes", "What an embedded index takes on the disk", multiprocess_mode="livemostrecent"
)
DISK_FREE = Gauge(
    "lookalike_disk_free_bytes",
    "Room that is left on the disk of the index, or of the cache",
    ["disk"],
    multiprocess_mode="livemostrecent",
)
CAMERAS = Gauge("lookalike_cameras", "Cameras in the index", multiprocess_mode="livemostrecent")
CAMERA_NEWEST = Gauge(
    "lookalike_camera_newest_timestamp_seconds",
    "When the newest frame of a camera was taken, Unix time; its lag is time() minus this",
    ["camera"],
    multiprocess_mode="livemax",
)


class Queue:
    """One queue of lookalike_queue_depth and lookalike_wait_seconds. May be used from any thread."""

    def __init__(self, name: str) -> None:
        self._depth, self._wait_s = QUEUE_DEPTH.labels(name), WAIT_SECONDS.labels(name)

    def join(self, count: int = 1) -> float:
        """Count work that waits from now on. Returns: since when, by the monotonic clock, for `leave`."""
        self._depth.inc(count)
        return time.monotonic()

    def leave(self, since_s: float) -> None:
        """Call it once for each piece of work that has joined, when the work begins or is dropped."""
        self._depth.dec()
        self._wait_s.observe(time.monotonic() - since_s)

    def leave_if_cancelled(self, since_s: float, future: Future[Any]) -> None:
        """A callback of the future of work: what was cancelled does not begin."""
        if future.cancelled():
            self.leave(since_s)
