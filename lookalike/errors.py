"""Every error that a user can see.

LookalikeError                one line for the user: what, where, got, expected, next step
├── FootageError              a source cannot be read
│   └── ImageError            bytes are not a supported image; carries the HTTP status
│       └── ImageTooLarge     more pixels or bytes than allowed
├── EncoderError              an ONNX file is missing, broken, or not from Lookalike
│   └── DeviceError           the requested device is missing
├── IndexStoreError           an index is missing, in use, or broken
│   ├── SpaceMismatch         the index was filled by another encoder
│   ├── DiskFull              too little room on the disk of an embedded index; nothing was written
│   ├── UnknownFrame          no stored frame has the id
│   ├── IndexUnavailable      the server of an index does not answer for now
│   └── IndexInUse            another process has the embedded index open
├── QueryError                a search cannot be answered
├── ServiceError              the service refused, or was not reached; carries the HTTP status
├── KeysError                 the keys of a service cannot be read or changed
├── TrainingError             a run cannot start, continue, or be read
└── ExportError               the exported file does not agree with the trained encoder
"""


class LookalikeError(Exception):
    """Base of all errors shown to users as one line, without a traceback."""


class FootageError(LookalikeError):
    """A source cannot be read."""


class ImageError(FootageError):
    """Bytes are not a supported image."""

    http_status = 400


class ImageTooLarge(ImageError):
    """An image has more pixels or bytes than allowed."""

    http_status = 413


class EncoderError(LookalikeError):
    """An ONNX file is missing, broken, or was not exported by Lookalike."""


class DeviceError(EncoderError):
    """The requested device is missing."""


class IndexStoreError(LookalikeError):
    """An index is missing, in use, or broken."""


class SpaceMismatch(IndexStoreError):
    """The index was filled by another encoder."""


class DiskFull(IndexStoreError):
    """Too little room on the disk of an embedded index; nothing was written."""


class UnknownFrame(IndexStoreError):
    """No stored frame has the id."""


class IndexUnavailable(IndexStoreError):
    """The server of an index does not answer for now; the same request may succeed later."""


class IndexInUse(IndexStoreError):
    """Another process has the embedded index open."""


class QueryError(LookalikeError):
    """A search cannot be answered, for example since its examples cancel out."""


class ServiceError(LookalikeError):
    """The service refused a request, or was not reached. status: of its HTTP response; None if there was none."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class KeysError(LookalikeError):
    """The keys of a service cannot be read or changed."""


class TrainingError(LookalikeError):
    """A run cannot start, continue, or be read."""


class ExportError(LookalikeError):
    """The exported file does not agree with the trained encoder."""
