"""Limits of one request, and of all requests together. Past them the response is 413 or 503."""

import os

MIB = 1024 * 1024

MAX_IMAGES = 64  # per request: one full batch; concurrent requests are batched
MAX_IMAGE_BYTES = 32 * MIB  # fits a JPEG of 64 megapixels, the decoder's own limit
MAX_BODY_BYTES = 128 * MIB  # per request: 64 photographs of 2 MiB
MAX_PIXELS = 128_000_000  # to decode, per request, by `decoding_cost`: two of the largest, 85 photographs of 12 MP
MAX_TEXT_BYTES = 64 * 1024  # a JSON body, or the text fields of a form together: an id, cameras, times
MAX_INDEX_BODY_BYTES = 16 * MIB  # MAX_POINTS vectors of 4096 numbers are 6 MiB in base64
MAX_UPLOAD_BYTES = 1024 * MIB  # bodies of all concurrent requests
SMALL_BODY_BYTES = 8 * MIB  # a photograph: it need not wait for large bodies that are still arriving
MAX_EXPORT = 200  # frames of one zip

RETRY_AFTER_S = 1  # about one batch on a small CPU
DECODE_THREADS = os.cpu_count() or 1  # Pillow releases the GIL; one decode takes up to 0.5 GB at 64 megapixels
THUMBNAIL_THREADS = min(os.cpu_count() or 1, 4)  # recordings at a time; each decoder has its own threads
PROXY_THREADS = 2  # so that a proxy that is only remuxed does not wait for one that is encoded
SEARCH_THREADS = 4  # queries take milliseconds; with a slow Qdrant server, threads must not pile up
MAX_WAIT_S = 2.0  # until the turn of a request comes; one that would wait longer is refused: 503
PICTURE_WAITS = 5  # of a recording: times as long, since decoders give way to searches and a page fills step by step
HEAVY_PIXELS = 8_000_000  # to decode: images of more take a tenth of a second, and leave a thread to the others
SWITCH_S = 0.0005  # a thread of Python keeps the others waiting for so long; by default it is ten times that
TIMEOUT_S = 60  # of a request, its upload included; then 504

THUMB_BYTES, PROXY_BYTES, PICTURE_BYTES = 512 * MIB, 8 * 1024 * MIB, 256 * MIB  # limits of the caches on disk

MAX_HEAD_BYTES = 64 * 1024  # of a request: its first line and its headers; then 431
HEAD_S = 10.0  # from the first byte of a head to its last; then 408
LINGER_S = 1.0  # a refused connection stays open, so that its client can read why
RESERVED_FILES = 256  # open files that no connection takes: the index, the log, recordings, thumbnails
