"""Metrics next to BentoML's own: how full the batches of the encoder are, and how many images failed."""

from prometheus_client import Counter, Gauge, Histogram

BATCH_IMAGES = Histogram("lookalike_batch_images", "Images in one batch", buckets=(1, 2, 4, 8, 16, 32, 64))
RUN_SECONDS = Histogram(
    "lookalike_run_seconds",
    "Time of one batch",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
IMAGES = Counter("lookalike_images", "Images by outcome: embedded, unreadable or failed", ["outcome"])
ENCODER = Gauge("lookalike_encoder", "Always 1; the labels say which encoder runs", ["space", "precision", "provider"])
