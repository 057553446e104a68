"""What BentoML's own /metrics cannot know: how full the encoder's runs are, and what became of the images."""

from prometheus_client import Counter, Gauge, Histogram

BATCH_IMAGES = Histogram("lookalike_batch_images", "Images in one run of the encoder", buckets=(1, 2, 4, 8, 16, 32, 64))
RUN_SECONDS = Histogram(
    "lookalike_run_seconds",
    "Time of one run of the encoder",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
IMAGES = Counter("lookalike_images", "Images by what became of them: embedded, unreadable or failed", ["outcome"])
ENCODER = Gauge("lookalike_encoder", "1, with what runs as labels", ["space", "precision", "provider"])
