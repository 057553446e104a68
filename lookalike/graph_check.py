"""Check an ONNX file before it is opened: a few hundred bytes can take all memory, or name other files.

Works without the `onnx` package, which is not installed for serving. Source of field numbers: onnx.proto, ONNX 1.20.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import onnxruntime as ort

from lookalike.contract import DIGEST_KEY, INPUT_NAME
from lookalike.errors import EncoderError
from lookalike.files.varint import read_varint

MAX_FILE_BYTES = 2**31 - 1  # the limit of protobuf
MAX_HELD_BYTES = 2**28  # memory for one picture, of a batch of 64; ResNet-50 at 224 px needs 10 MB
STANDARD = ("", "ai.onnx")  # domains of operators
BYTES = {"float": 4, "float16": 2, "bfloat16": 2, "double": 8, "int8": 1, "uint8": 1, "bool": 1, "int16": 2, "int32": 4}
ORT = b"ORTM"  # bytes 4 to 8 of onnxruntime's own format, which may be an ONNX file as well
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5  # wire types of protobuf

Value = int | memoryview


@dataclass(frozen=True)
class _Node:
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """What was read of a graph. nodes: in the order in which they run. free: names of variable input dimensions."""

    nodes: list[_Node] = field(default_factory=list)
    free: set[str] = field(default_factory=set)


def check_graph(path: Path) -> None:
    """Check an encoder's file.

    Raises: EncoderError if it is too large, names other files, has custom operators or subgraphs, has another input
    than pictures, needs more than MAX_HELD_BYTES for one picture, or does not have the digest that it states; OSError;
    onnxruntime's errors for a broken file.
    """
    _check_size(path)
    data = path.read_bytes()
    if data[4:8] == ORT:
        raise EncoderError(f"{path}: in onnxruntime's own format, expected ONNX; export it again")
    try:
        seen = _look(memoryview(data))
        _check_digest(memoryview(data))
    except _Refused as error:
        raise EncoderError(f"{path}: {error}") from error
    except (IndexError, ValueError) as error:
        raise EncoderError(f"{path}: not a readable ONNX file") from error
    if (held := _held_bytes(data, seen, path)) > MAX_HELD_BYTES:
        raise EncoderError(f"{path}: one picture takes {held:,} bytes to compute, at most {MAX_HELD_BYTES:,}")


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata entries of an ONNX file. Raises: EncoderError if it is too large, or not readable."""
    _check_size(path)
    try:
        return _metadata(memoryview(path.read_bytes()))
    except UnicodeDecodeError as error:
        raise EncoderError(f"{path}: unreadable encoder metadata (not UTF-8); export it again") from error
    except (IndexError, ValueError) as error:
        raise EncoderError(f"{path}: not a readable ONNX file") from error


def _metadata(model: memoryview) -> dict[str, str]:
    entries = [dict(_fields(entry)) for entry in _below(model, (14,)) if isinstance(entry, memoryview)]
    return {_text(entry.get(1, 0)): _text(entry.get(2, 0)) for entry in entries}


def _check_digest(model: memoryview) -> None:
    """Files that were exported elsewhere state none."""
    digest = hashlib.sha256()
    for graph in _below(model, (7,)):
        digest.update(graph if isinstance(graph, memoryview) else b"")
    if _metadata(model).get(DIGEST_KEY, digest.hexdigest()) != digest.hexdigest():
        raise _Refused("its graph is not the one that was exported (SHA-256 differs); copy or export it again")


def _check_size(path: Path) -> None:
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise EncoderError(f"{path}: {size:,} bytes, at most {MAX_FILE_BYTES:,} for an encoder")


class _Refused(Exception):
    """A graph has something that an encoder must not have."""


def _look(model: memoryview) -> _Seen:
    seen = _Seen()
    for number, value in _fields(model):
        if number == 25:
            raise _Refused("has custom functions, expected standard operators only")
        if number == 20:
            raise _Refused("has a training graph, expected an encoder; export it again")
        if number == 7 and isinstance(value, memoryview):
            _look_at_graph(value, seen, len(model))
    return seen


def _look_at_graph(graph: memoryview, seen: _Seen, file_bytes: int) -> None:
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            _look_at_node(value, seen, file_bytes)
        elif number == 5:
            _look_at_tensor(value, file_bytes)
        elif number == 11:
            seen.free.update(_text(name) for name in _below(value, (2, 1, 2, 1, 2)))
        elif number == 15:
            raise _Refused("has sparse weights, expected dense ones; export it again")


def _look_at_node(node: memoryview, seen: _Seen, file_bytes: int) -> None:
    seen.nodes.append(_Node())
    for number, value in _fields(node):
        if number == 1:
            seen.nodes[-1].inputs.append(_text(value))
        elif number == 2:
            seen.nodes[-1].outputs.append(_text(value))
        elif number == 7 and _text(value) not in STANDARD:
            raise _Refused(f"has an operator of {_text(value)[:50]!r}, expected standard operators only")
        elif number == 5 and isinstance(value, memoryview):
            _look_at_attribute(value, file_bytes)


def _look_at_attribute(attribute: memoryview, file_bytes: int) -> None:
    for number, value in _fields(attribute):
        if number in (6, 11):
            raise _Refused("has a loop or a branch, expected operators that run once each")
        if number in (22, 23):
            raise _Refused("has sparse weights, expected dense ones; export it again")
        if number in (5, 10) and isinstance(value, memoryview):
            _look_at_tensor(value, file_bytes)


def _look_at_tensor(tensor: memoryview, file_bytes: int) -> None:
    """Check that a tensor's shape states no more values than the file can hold, at 4 bits each."""
    dims: list[int] = []
    for number, value in _fields(tensor):
        if number == 13 or (number == 14 and value != 0):
            raise _Refused("has weights in another file, expected one file; export it again")
        if number == 1:
            dims += [value] if isinstance(value, int) else list(_packed(value))
    if math.prod(dims) > 2 * file_bytes:
        raise _Refused(f"states {math.prod(dims):,} weights in {file_bytes:,} bytes")


def _below(message: memoryview, path: tuple[int, ...]) -> Iterator[Value]:
    """Yield the fields at a path of field numbers."""
    for number, value in _fields(message):
        if number == path[0] and len(path) == 1:
            yield value
        elif number == path[0] and isinstance(value, memoryview):
            yield from _below(value, path[1:])


def _fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field. Raises: IndexError, ValueError if the bytes are not a protobuf."""
    at, end = 0, len(message)
    while at < end:
        key, at = read_varint(message, at)
        if key >= 2**32:  # protobuf drops the upper bits, and reads another field
            raise ValueError(f"tag {key}")
        kind = key & 7
        if kind == _VARINT:
            value, at = read_varint(message, at)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            size, at = read_varint(message, at)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > end:
            raise ValueError("cut off")
        yield key >> 3, message[at : at + size]
        at += size


def _packed(values: memoryview) -> Iterator[int]:
    at = 0
    while at < len(values):
        value, at = read_varint(values, at)
        yield value


def _text(value: Value) -> str:
    return bytes(value).decode() if isinstance(value, memoryview) else ""


def _held_bytes(data: bytes, seen: _Seen, path: Path) -> int:
    """Return the peak memory for one picture, computed node by node, without weights.

    Raises: EncoderError if a size is unknown before a run.
    """
    sizes = _sizes(data, seen, path)
    last_use = {name: row for row, node in enumerate(seen.nodes) for name in (*node.outputs, *node.inputs)}
    held = most = 0
    for row, node in enumerate(seen.nodes):
        held += sum(sizes.get(name, 0) for name in node.outputs)
        most = max(most, held)
        held -= sum(sizes.get(name, 0) for name in {*node.inputs, *node.outputs} if last_use[name] == row)
    return most


def _sizes(data: bytes, seen: _Seen, path: Path) -> dict[str, int]:
    """Return the bytes of each node's outputs for one picture, by the shapes that onnxruntime infers, without a run."""
    names = [name for name in dict.fromkeys(name for node in seen.nodes for name in node.outputs) if name]
    # Concatenated protobuf messages are one message with the fields of both: here, with more outputs.
    extended = data + _message(7, b"".join(_message(12, _message(1, name.encode())) for name in names))
    session = ort.InferenceSession(extended, _options(seen.free), providers=["CPUExecutionProvider"])
    inputs = [(argument.name, argument.type, argument.shape) for argument in session.get_inputs()]
    if len(inputs) != 1 or inputs[0][:2] != (INPUT_NAME, "tensor(uint8)") or not _is_picture(inputs[0][2]):
        expected = f"{INPUT_NAME}, uint8 (N, S, S, 3)"
        raise EncoderError(f"{path}: takes {str(inputs)[:100]}, expected {expected}; export it again")
    return {output.name: _size(output, seen.free, path) for output in session.get_outputs()}


def _is_picture(shape: list[int | str | None]) -> bool:
    """Whether a shape is that of one picture; only the number of pictures may be variable."""
    return len(shape) == 4 and shape[0] == 1 and shape[1] == shape[2] and isinstance(shape[1], int) and shape[3] == 3


def _size(output: ort.NodeArg, free: set[str], path: Path) -> int:
    dims = [1 if dim in free else dim for dim in output.shape]
    if not all(isinstance(dim, int) and dim >= 0 for dim in dims):
        raise EncoderError(f"{path}: the size of {output.name[:50]!r} is unknown before it runs; export it again")
    return math.prod(dims) * BYTES.get(output.type.removeprefix("tensor(").removesuffix(")"), 8)


def _options(free: set[str]) -> ort.SessionOptions:
    """Return options with which opening the file computes nothing. free: input dimensions to set to 1."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.strict_shape_type_inference", "1")  # else stated shapes count
    for name in free:
        options.add_free_dimension_override_by_name(name, 1)
    return options


def _message(number: int, content: bytes) -> bytes:
    """Write a field of bytes."""
    return _number(number << 3 | _LENGTH) + _number(len(content)) + content


def _number(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
