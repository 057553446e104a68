"""What one request, and all requests together, may ask for; past it the answer is 413 or 503, not a slow death."""

import os

MIB = 1024 * 1024

MAX_IMAGES = 64  # per request: one full run of the encoder; more belongs in several requests, which share runs
MAX_IMAGE_BYTES = 32 * MIB  # a 64-megapixel JPEG fits, and that is the decoder's own limit
MAX_BODY_BYTES = 128 * MIB  # per request: 64 photographs of 2 MiB
MAX_PIXELS = 128_000_000  # to decode, per request, by `decoding_cost`: two of the largest, 85 photographs of 12 MP
MAX_TEXT_BYTES = 64 * 1024  # a JSON body or a form field: it names an id, some cameras, two times
MAX_INDEX_BODY_BYTES = 16 * MIB  # MAX_POINTS vectors of 4096 numbers are 6 MiB in base64
MAX_HELD_BYTES = 1024 * MIB  # bodies of all requests that are being read or decoded
MAX_QUEUED_IMAGES = 512  # decoded or waiting: eight full runs, some seconds on two cores; who waits longer has gone
MAX_QUEUED_STILLS = 256  # pictures to cut: a page of hits has a hundred
MAX_EXPORT = 200  # frames of one zip: each is decoded

RETRY_AFTER_S = 1  # about one run on a small CPU
DECODE_THREADS = os.cpu_count() or 1  # Pillow lets go of the GIL; one decode takes up to 0.5 GB at 64 megapixels
MAX_HELD_PIXELS = 256_000_000 * DECODE_THREADS  # of all requests: about four seconds of decoding
STILL_THREADS = min(os.cpu_count() or 1, 4)  # recordings that are cut at a time; each decoder has threads of its own
PROXY_THREADS = 2  # so that one which is only rewrapped does not wait for one which is encoded
SEARCH_THREADS = 4  # queries take milliseconds; a slow Qdrant server must not pile up threads
TIMEOUT_S = 60  # a request that takes longer, a slow upload included, is answered 504 and dropped

THUMB_BYTES, PROXY_BYTES, PICTURE_BYTES = 512 * MIB, 8 * 1024 * MIB, 256 * MIB  # kept on disk

MAX_HEAD_BYTES = 64 * 1024  # of a request: its first line and its headers; then 431
HEAD_S = 10.0  # from the first byte of a head to its last; then 408
LINGER_S = 1.0  # a refused connection stays open, so that its client can read why
RESERVED_FILES = 256  # open files that no connection takes: the index, the log, recordings, thumbnails
