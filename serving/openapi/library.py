"""What /docs.json says about the routes of the page: the library, its recordings and frames."""

from __future__ import annotations

from typing import Any

from lookalike.footage.playable import CODECS
from serving.http.limits import MAX_EXPORT
from serving.http.responses import JSON
from serving.routes.explore import MOST_CLUSTERS, MOST_TOP
from serving.routes.export import FORM
from serving.routes.frames import SIZES_PX

_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_DATE = {"type": "string", "format": "date-time", "nullable": True}

_RECORDING: dict[str, Any] = {
    "source_id": {"type": "string", "description": "SHA-256 of its bytes"},
    "source": {"type": "string", "description": "Its path, as it was indexed"},
    "name": _TEXT,
    "camera": _TEXT,
    "began_at": _DATE,
    "length_s": {"type": "number", "description": "Until the end of its last stored frame"},
    "frames": _WHOLE,
    "kind": {"type": "string", "enum": ["video", "picture"]},
    "served": {
        "type": "boolean",
        "description": "False if it was indexed elsewhere, or is a stream: it is not opened",
    },
    "width": _WHOLE,
    "height": _WHOLE,
}

_PLAYED: dict[str, Any] = {
    "fps": {"type": "number", "nullable": True},
    "media": {"type": "string", "enum": ["ready", "preparing", "none"]},
    "progress": {"type": "number", "description": "Of making a proxy, 0 to 1"},
    "reason": {"type": "string", "nullable": True, "description": "Why nothing is played"},
    "offset_s": {"type": "number", "description": "What a browser's currentTime is ahead of time_s"},
}

_FRAME: dict[str, Any] = {
    "id": {"type": "string", "format": "uuid"},
    **{name: _RECORDING[name] for name in ("source_id", "source", "camera")},
    "time_s": {"type": "number", "description": "Seconds into the source"},
    "span_s": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
    "captured_at": _DATE,
    "region": {"type": "string", "nullable": True},
    "width": _WHOLE,
    "height": _WHOLE,
}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties}


_SHARES = _object({"colour": _NUMBER, "layout": _NUMBER})

SCHEMAS = {
    "LookalikeRecording": _object(_RECORDING),
    "LookalikeMedia": _object(_RECORDING | _PLAYED),
    "LookalikeFrame": _object(_FRAME),
    "LookalikeFound": _object(
        {"found": {"type": "array", "items": {"type": "object"}, "description": "As the verbs print it as JSON"}}
    ),
    "LookalikeProgress": _object({"progress": {"type": "number", "nullable": True}, "doing": _TEXT}),
    "LookalikePicture": _object({"id": _TEXT, "width": _WHOLE, "height": _WHOLE}),
    "LookalikeLibrary": _object(
        {
            "space": _TEXT,
            "frames": _WHOLE,
            "recordings": {"type": "array", "items": {"$ref": "#/components/schemas/LookalikeRecording"}},
            "parts": {"type": "array", "items": _TEXT, "description": "Of an embedding; none if it is one piece"},
            "weights": _object({"crop": _SHARES, "frame": _SHARES})
            | {"description": "Of a part of a picture, and of a whole one, where a search does not say"},
        }
    ),
}

_BAD = {"400": "A parameter is none that is known"}
_UNKNOWN = {"404": "Nothing has this id", "409": "The service was started without an index"}
_GONE = {
    "410": "The recording is gone, is another now, cannot be read, or was indexed elsewhere; the message says which"
}
_RANGE = {"416": "The range lies outside"}
_BUSY = {"503": "Too busy, or the index failed; try again after Retry-After seconds", "504": "Not done in time"}

_PX = {"name": "px", "in": "query", "schema": {"type": "integer", "enum": [*SIZES_PX]}, "description": "Longer side"}
_T = {"name": "t", "in": "query", "schema": _NUMBER, "description": "Seconds into the recording"}


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _schema(name: str) -> dict[str, Any]:
    return {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _get(
    name: str,
    summary: str,
    content: dict[str, Any],
    errors: dict[str, str],
    parameters: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    failed = {status: {"description": text, "content": _schema("LookalikeError")} for status, text in errors.items()}
    return {
        "get": {
            "tags": ["Service APIs"],
            "summary": summary,
            "operationId": name,
            "parameters": [*parameters],
            "responses": {"200": {"description": "The answer", "content": content}, **failed},
        }
    }


_FOUND = _schema("LookalikeFound")
_CAMERA = {"name": "camera", "in": "query", "schema": {"type": "array", "items": _TEXT}}


def _explore(
    name: str, summary: str, parameters: tuple[Any, ...] = (), errors: dict[str, str] = _BAD
) -> dict[str, Any]:
    path = _get(f"explore_{name}", summary, _FOUND, errors | {"409": _UNKNOWN["409"]} | _BUSY, parameters)
    working = {"description": "It is being found out; ask again", "content": _schema("LookalikeProgress")}
    path["get"]["responses"]["202"] = working
    return path


def _up_to(name: str, most: int) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": most}}


_JPEG = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
_ID, _SOURCE_ID = _named("frame_id"), _named("source_id")

_IMAGE = {"type": "string", "format": "binary"}
_IDS = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "array", "items": _TEXT, "maxItems": MAX_EXPORT}},
}
_SENT = {
    "multipart/form-data": {"schema": {"type": "object", "required": ["image"], "properties": {"image": _IMAGE}}},
    "image/*": {"schema": _IMAGE},
    "application/octet-stream": {"schema": _IMAGE},
}


def _post(
    name: str, summary: str, sent: dict[str, Any], content: dict[str, Any], errors: dict[str, str]
) -> dict[str, Any]:
    operation = _get(name, summary, content, errors)["get"]
    return {"post": operation | {"requestBody": {"required": True, "content": sent}}}


PATHS = {
    "/pictures": _post(
        "keep_picture",
        "Keep a picture, so that searches can name it as picture:ID",
        _SENT,
        _schema("LookalikePicture"),
        {"400": "Not an image", "413": "Too large", "415": "Neither a form nor an image"} | _BUSY,
    ),
    "/pictures/{picture_id}": _get(
        "picture", "A picture that was sent", _JPEG, {"404": "It is not kept any more"} | _BUSY, (_named("picture_id"),)
    ),
    "/explore/outliers": _explore(
        "outliers",
        "The moments that least resemble what their camera usually shows",
        (_CAMERA, _up_to("top", MOST_TOP)),
    ),
    "/explore/duplicates": _explore("duplicates", "Spans of two recordings that show the same"),
    "/explore/clusters": _explore(
        "clusters",
        "Groups of frames that resemble each other",
        (_up_to("clusters", MOST_CLUSTERS),),
        _BAD | {"501": "scikit-learn is not installed"},
    ),
    "/export": _post(
        "export",
        "Frames as pictures in a zip, with a table of them",
        {FORM: {"schema": _IDS}, "multipart/form-data": {"schema": _IDS}},
        {"application/zip": {"schema": _IMAGE}},
        {"400": "Not a list of ids", "409": _UNKNOWN["409"], "413": "Too large", "415": "Not a form"} | _BUSY,
    ),
    "/library": _get(
        "library", "Every recording of which a frame is stored", _schema("LookalikeLibrary"), _UNKNOWN | _BUSY
    ),
    "/frames/{frame_id}": _get("frame", "A frame as it was recorded", _JPEG, _UNKNOWN | _GONE | _BUSY, (_ID,)),
    "/frames/{frame_id}/thumb": _get(
        "frame_thumb", "A frame, small", _JPEG, _BAD | _UNKNOWN | _GONE | _BUSY, (_ID, _PX)
    ),
    "/frames/{frame_id}/about": _get(
        "frame_about", "What is known of a frame", _schema("LookalikeFrame"), _UNKNOWN | _BUSY, (_ID,)
    ),
    "/recordings/{source_id}": _get(
        "recording",
        "A recording, and whether a browser plays it; if a proxy is needed, that is begun",
        _schema("LookalikeMedia"),
        _UNKNOWN | _BUSY,
        (_SOURCE_ID,),
    ),
    "/recordings/{source_id}/media": _get(
        "recording_media",
        "The recording as browsers play it, by ranges",
        {kind: {"schema": {"type": "string", "format": "binary"}} for kind in CODECS},
        _UNKNOWN | _GONE | _RANGE | _BUSY | {"503": "Being made playable; see Retry-After"},
        (_SOURCE_ID,),
    ),
    "/recordings/{source_id}/thumb": _get(
        "recording_thumb",
        "What a recording shows at a time, small",
        _JPEG,
        _BAD | _UNKNOWN | _GONE | _BUSY,
        (_SOURCE_ID, _T, _PX),
    ),
}
